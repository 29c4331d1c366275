// A server with one page and one stream, for tests of markup and scripts.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';

const SCRIPTS = join(import.meta.dirname, '../../crates/sse-kit-htmx/dist');

/**
 * Where a script of the page is, by its name; our own have a hash in theirs.
 *
 * @param {string} name
 * @param {number} version of htmx
 */
function fileOf(name, version) {
  const assets = process.env.SSE_KIT_ASSETS ?? '';
  const htmx = join(assets, version === 2 ? 'htmx2' : 'htmx.org', 'dist');
  if (name === 'htmx.min.js') return join(htmx, name);
  if (name === 'hx-sse.min.js') return join(htmx, 'ext', name);
  if (name === 'sse.min.js') return join(assets, 'htmx-ext-sse/dist', name);
  return join(SCRIPTS, name.replace(/\.[^.]+\.js$/, '.js'));
}

/**
 * Starts the server, and stops it after the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {{version: number, head: string, body: string, policy?: string}} page what is served at
 *   `/`, and under which content security policy
 */
export async function serveStream(t, { version, head, body, policy }) {
  // Swaps without delays, and keeps htmx 4 from closing streams of hidden pages.
  const config = '<meta name="htmx-config" content=\'{"defaultSettleDelay":0,"sse":{"pauseOnBackground":false}}\'>';
  const html = `<!DOCTYPE html><html><head><title>t</title><link rel="icon" href="data:,">${config}${head}</head><body>${body}</body></html>`;
  /**
   * Every request for the stream that there was.
   * @type {{url: string, lastEventId: string | string[] | undefined}[]}
   */
  const requests = [];
  /** @type {Set<import('node:http').ServerResponse>} */
  const open = new Set();
  let lastId = 0;
  let status = 200;
  /** @type {Set<(value?: unknown) => void>} */
  const listeners = new Set();
  const changed = () => {
    for (const listener of listeners) listener();
  };

  const server = createServer(async (request, response) => {
    const url = request.url ?? '/';
    const { pathname } = new URL(url, 'http://localhost');
    if (pathname === '/events') {
      requests.push({ url, lastEventId: request.headers['last-event-id'] });
      if (status !== 200) {
        response.writeHead(status, { 'Content-Type': 'text/html' }).end('<b>error</b>');
        return;
      }
      response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
      response.flushHeaders();
      open.add(response);
      response.on('close', () => {
        open.delete(response);
        changed();
      });
      changed();
    } else if (pathname === '/answer') {
      response.end('<b>answer</b>');
    } else if (pathname.startsWith('/assets/')) {
      const script = await readFile(fileOf(pathname.slice('/assets/'.length), version));
      response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(script);
    } else {
      if (policy) response.setHeader('Content-Security-Policy', policy);
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
      response.end(pathname === '/' ? html : '<!DOCTYPE html><title>elsewhere</title>');
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });

  return {
    base: `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`,
    requests,
    /**
     * Waits until so many streams are open, of so many that were asked for.
     *
     * @param {number} count
     * @param {number} asked
     */
    async streams(count, asked = requests.length) {
      while (open.size !== count || requests.length < asked) {
        await new Promise((resolve) => listeners.add(resolve));
        listeners.clear();
      }
    },
    /**
     * Sends an event to all who listen, with an id of its own.
     *
     * @param {string} data
     * @param {string} name
     */
    send(data, name = '') {
      const lines = data.split('\n').map((line) => `data: ${line}\n`);
      lastId += 1;
      const event = `${name && `event: ${name}\n`}${lines.join('')}id: 1-${lastId}\n\n`;
      for (const response of open) response.write(event);
    },
    /**
     * Answers requests for the stream with a page of this status from now on.
     *
     * @param {number} code
     */
    answer(code) {
      status = code;
    },
    /** Ends all streams, as a server that restarts does. */
    end() {
      for (const response of open) response.end();
    },
  };
}
