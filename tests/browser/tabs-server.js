// A server between sharing pages and the real hub: it can cut streams, hold them back or answer otherwise,
// and counts requests for streams.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { request as ask, createServer } from 'node:http';
import { join } from 'node:path';
import { addressOf, assets, startExample } from './launch.js';

/** @typedef {'4' | '2' | 'plain'} Client */

/**
 * @typedef {object} Fault
 * @property {number} status
 * @property {Record<string, string>} [headers]
 * @property {string} [body]
 */

/** Where files of htmx are in the packages. @type {Record<string, string>} */
const FILES = {
  'htmx2.js': 'htmx2/dist/htmx.min.js',
  'htmx2-sse.js': 'htmx-ext-sse/dist/sse.min.js',
  'htmx4.js': 'htmx.org/dist/htmx.min.js',
  'htmx4-sse.js': 'htmx.org/dist/ext/hx-sse.min.js',
};

/** What each kind of page has in its body. @type {Record<Client, (url: string) => string>} */
const BODIES = {
  4: (url) => `<div id="stream" hx-sse:connect="${url}" hx-sse:close="sse-kit:close" hx-swap="none"></div>`,
  2: (url) =>
    `<div id="stream" hx-ext="sse" sse-connect="${url}" sse-close="sse-kit:close"><p sse-swap="tick, sse-kit:gap" hx-swap="none"></p></div>`,
  plain: (url) => `<div id="stream" data-url="${url}"></div>`,
};

/** In a page: records events, gaps and states in `seen`, `gaps` and `states`. */
const RECORDER = `
  window.seen = []; window.gaps = 0; window.states = []; window.at = [];
  const take = (name, data) => {
    if (name === 'tick') { seen.push(data); at.push(performance.now()); }
    else gaps += 1;
  };
  addEventListener('sse-kit:upstream', ({ detail }) => states.push(detail.state));
  const stream = document.getElementById('stream');
  for (const name of ['tick', 'sse-kit:gap']) stream.addEventListener(name, ({ detail }) => take(name, detail.data));
  stream.addEventListener('htmx:sseMessage', ({ detail }) => take(detail.type, detail.data));
  if (stream.dataset.url) {
    window.source = new SharedEventSource(stream.dataset.url);
    for (const name of ['tick', 'sse-kit:gap']) source.addEventListener(name, ({ data }) => take(name, data));
  }`;

/**
 * The settings and the script, as the job board has them: what the crate makes.
 *
 * @param {import('node:test').TestContext} t
 */
async function ownScript(t) {
  const jobs = await startExample(t, 'jobs', ['--assets', assets]);
  const page = await (await fetch(jobs.base)).text();
  const settings = page.match(/<script type="application\/json" id="sse-kit-tabs">(.*?)<\/script>/)?.[1] ?? '';
  const [, src = '', integrity = ''] = page.match(/src="(\/assets\/sse-kit-tabs\.[^"]+)" integrity="([^"]+)"/) ?? [];
  const source = await (await fetch(jobs.base + src)).text();
  await jobs.stop();
  return { settings: JSON.parse(settings), src, integrity, source };
}

/**
 * Starts a hub and the server before it, and stops both after the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {string[]} options of the hub
 */
export async function serveTabs(t, options = []) {
  const script = await ownScript(t);
  const hubOptions = ['--host', 'lan.test', '--heartbeat', '1', '--history', '5000', '--queue', '5000', ...options];
  let hub = await startExample(t, 'hub', hubOptions);
  /** Requests for streams, with what they sent. @type {{url: string, lastEventId: string | undefined}[]} */
  const requests = [];
  /** The streams that are open: what comes, and where it goes. @type {Map<import('node:http').ServerResponse, import('node:http').IncomingMessage>} */
  const streams = new Map();
  /** @type {Fault | 'stall' | null} */
  let fault = null;

  /** @type {(client: Client, query: URLSearchParams) => [string, Record<string, string>]} */
  const page = (client, query) => {
    const nonce = Math.random().toString(36).slice(2);
    const workers = query.get('worker') ?? "'self'";
    const settings = JSON.stringify({ ...script.settings, identity: query.get('identity') ?? '' });
    const url = query.get('url') ?? '/events?topic=a';
    const content = query.has('clobbers') ? `<img name="currentScript" src="${script.src}" alt="">` : '';
    const libraries = client === 'plain' ? [] : [`htmx${client}.js`, `htmx${client}-sse.js`];
    const tags = libraries.map((file) => `<script nonce="${nonce}" src="/assets/${file}"></script>`).join('');
    const html = `<!DOCTYPE html><html><head><title>t</title><link rel="icon" href="data:,">
      <meta name="htmx-config" content='{"includeIndicatorStyles":false,"includeIndicatorCSS":false,"allowEval":false,"history":false,"defaultSettleDelay":0}'>
      <script type="application/json" id="sse-kit-tabs">${settings.replaceAll('<', '\\u003c')}</script>
      ${content}<script nonce="${nonce}" src="${script.src}" integrity="${script.integrity}"></script></head>
      <body>${BODIES[client](url.replaceAll('&', '&amp;'))}<script nonce="${nonce}">${RECORDER}</script>${tags}</body></html>`;
    const policy = `default-src 'self'; script-src 'nonce-${nonce}'; connect-src 'self'; img-src data:; worker-src ${workers}`;
    return [html, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': policy }];
  };

  /**
   * @param {import('node:http').IncomingMessage} request
   * @param {import('node:http').ServerResponse} response
   */
  const forward = (request, response) => {
    const { method = 'GET', url = '/', headers } = request;
    const isStream = url.startsWith('/events');
    if (isStream) requests.push({ url, lastEventId: headers['last-event-id']?.toString() });
    if (isStream && fault === 'stall') return;
    if (isStream && typeof fault === 'object' && fault) {
      response.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    }
    const onward = ask(hub.base + url, { method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      if (!isStream) return;
      response.flushHeaders();
      streams.set(response, answer);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => {
      onward.destroy();
      streams.delete(response);
    });
    request.pipe(onward);
  };

  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/page') {
      const [html, headers] = page(/** @type {Client} */ (searchParams.get('client') ?? 'plain'), searchParams);
      response.writeHead(200, headers).end(html);
    } else if (pathname === '/elsewhere') {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!DOCTYPE html><title>elsewhere</title>');
    } else if (pathname.startsWith('/assets/')) {
      const file = FILES[pathname.slice('/assets/'.length)];
      response.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8' });
      response.end(file ? await readFile(join(assets, file)) : script.source);
    } else {
      forward(request, response);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });

  let published = 0;
  return {
    base: addressOf(server),
    requests,
    /** Answers requests for streams otherwise, until it is told `null`. @param {Fault | 'stall' | null} other */
    setFault(other) {
      fault = other;
    },
    /** Cuts all streams. */
    cut() {
      for (const response of streams.keys()) response.destroy();
    },
    /** Silences all open streams, and leaves them open. */
    silence() {
      for (const [response, answer] of streams) answer.unpipe(response);
    },
    /** Publishes the next number. */
    async tick() {
      published += 1;
      const response = await fetch(`${hub.base}/publish?topic=a&event=tick`, {
        method: 'POST',
        body: `${published}`,
      });
      await response.body?.cancel();
    },
    /** All numbers that were published. */
    get published() {
      return Array.from({ length: published }, (_, n) => `${n + 1}`);
    },
    /** The hub's own count of connections. @returns {Promise<number>} */
    async connections() {
      return (await (await fetch(`${hub.base}/stats`)).json()).connections;
    },
    /** The position of the hub. */
    async cursor() {
      const control = new AbortController();
      const response = await fetch(`${hub.base}/events?topic=a`, { signal: control.signal });
      const { value } = (await response.body?.getReader().read()) ?? {};
      control.abort();
      return new TextDecoder().decode(value).match(/^id: (.*)$/m)?.[1] ?? '';
    },
    /** Stops the hub, and starts another in its place, with another history. */
    async restartHub() {
      await hub.stop();
      hub = await startExample(t, 'hub', hubOptions);
    },
    stopHub: () => hub.stop(),
    /** Starts it again. */
    async startHub() {
      hub = await startExample(t, 'hub', hubOptions);
    },
  };
}
