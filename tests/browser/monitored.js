// A page with a monitored connection to the real hub.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keepArtifacts } from './artifacts.js';
import { assets, startExample } from './launch.js';
import { startProxy } from './proxy.js';

/**
 * @typedef {import('node:test').TestContext} Test
 * @typedef {import('playwright-core').Page} Page
 * @typedef {4 | 2 | 'plain'} Dialect
 */

export const POLICY = "default-src 'self'; script-src 'nonce-r4nd0m'; connect-src 'self'; base-uri 'none'";

const STATES = ['connecting', 'live', 'stale', 'reconnecting', 'paused', 'offline', 'closed'];

/** What `MonitorConfig` writes by default, but for a shorter delay. */
export const CONFIG = {
  connection: 'sse-connection',
  status: 'connection-status',
  autoReconnect: true,
  reconnectDelay: 300,
  /** @type {number | null} */
  heartbeatTimeout: null,
  gap: 'reload',
  debug: false,
  overlay: false,
  /** @type {Record<string, {text: string} | {html: string}>} */
  indicators: Object.fromEntries(STATES.map((state) => [state, { text: state }])),
};

/** The script as the job board serves it. */
export async function servedScript() {
  /** @type {(() => Promise<unknown>)[]} */
  const stops = [];
  const { base } = await startExample({ after: (stop) => stops.push(stop) }, 'jobs', []);
  const html = await (await fetch(base)).text();
  const [, path = ''] = html.match(/src="(\/assets\/sse-kit-monitor\.[^"]+)"/) ?? [];
  const script = await fetch(base + path);
  if (!script.ok) throw new Error(`${path} is not there`);
  const source = await script.text();
  for (const stop of stops) await stop();
  return source;
}

/**
 * Starts a hub, and a proxy in front of it.
 *
 * @param {Test} t
 * @param {string[]} options
 */
export async function startHub(t, options = ['--heartbeat', '1']) {
  const hub = await startExample(t, 'hub', options);
  const proxy = await startProxy(t, hub.base);
  let { base } = hub;
  /** @type {(body: string, query?: string) => Promise<string>} */
  const publish = async (body, query = '') => {
    const response = await fetch(`${base}/publish?topic=a${query}`, { method: 'POST', body });
    return (await response.json()).id;
  };
  const stats = async () => (await fetch(`${base}/stats`)).json();
  /** Replaces the hub by another one, with a new log. */
  const restart = async () => {
    await hub.stop();
    const other = await startExample(t, 'hub', options);
    base = other.base;
    proxy.redirect(base);
  };
  return { ...hub, proxy, publish, stats, restart };
}

/**
 * The element that holds the connection, for each dialect; in it unnamed events are appended.
 *
 * @param {Dialect} dialect
 * @param {{url?: string, id?: string, inner?: string, attributes?: string}} how
 */
export function connect(dialect, { url = '/events?topic=a', id = 'sse-connection', inner = '', attributes } = {}) {
  const more = attributes ?? 'hx-swap="beforeend"';
  if (dialect === 'plain') return `<div id="${id}"></div>`;
  if (dialect === 2) {
    return `<div id="${id}" hx-ext="sse" sse-connect="${url}" sse-swap="message" sse-close="done" ${more}>${inner}</div>`;
  }
  return `<div id="${id}" hx-sse:connect="${url}" hx-sse:close="done" ${more}>${inner}</div>`;
}

/**
 * Makes a tab in which pages are monitored, and opens one.
 *
 * @param {Test} t
 * @param {object} how
 * @param {import('playwright-core').Browser} how.browser
 * @param {string} how.script the monitor
 * @param {Awaited<ReturnType<typeof startProxy>>} how.proxy
 * @param {Dialect} how.dialect
 * @param {object} [how.config] what differs from `CONFIG`
 * @param {object[]} [how.more] further configurations
 * @param {string} [how.body]
 * @param {'last' | 'first' | 'late' | 'deferred'} [how.place] where the monitor stands
 * @param {Record<string, unknown>} [how.htmx] what htmx is told
 */
export async function openPage(t, how) {
  const { browser, script, proxy, dialect, config = {}, more = [], body = connect(dialect), place = 'last' } = how;
  const context = await browser.newContext({ viewport: { width: 800, height: 400 } });
  t.after(() => context.close());
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    // Errors of the network are expected here.
    if (message.text().includes('Content Security Policy')) complaints.push(message.text());
  });

  const folder = dialect === 2 ? 'htmx2' : 'htmx.org';
  const extension = dialect === 2 ? 'htmx-ext-sse/dist/sse.js' : 'htmx.org/dist/ext/hx-sse.js';
  const tag = (/** @type {string} */ name, more = '') =>
    `<script nonce="r4nd0m" src="/own/${name}.js"${more}></script>`;
  const htmx = dialect === 'plain' ? [] : [tag('htmx'), tag('sse')];
  const monitor = tag('monitor', place === 'deferred' ? ' defer' : '');
  const scripts = {
    first: [monitor, ...htmx],
    last: [...htmx, monitor],
    deferred: [...htmx, monitor],
    late: htmx,
  }[place];
  if (dialect === 'plain') scripts.push(tag('plain'));
  const settings = JSON.stringify({
    includeIndicatorStyles: false,
    includeIndicatorCSS: false,
    defaultSettleDelay: 0,
    history: false,
    ...how.htmx,
  });
  const blocks = [{ ...CONFIG, ...config }, ...more].map(
    (block) =>
      `<script type="application/json" data-sse-kit-monitor>${JSON.stringify(block).replaceAll('<', '\\u003c')}</script>`,
  );
  const html = `<!doctype html><html><head><title>Monitored</title><link rel="icon" href="/own/icon.svg">
    <meta name="htmx-config" content='${settings}'>${place === 'first' ? scripts.join('') : ''}</head>
    <body><p id="connection-status" role="status"></p>${body}${blocks.join('')}
    ${place === 'first' ? '' : scripts.join('')}</body></html>`;
  /** @type {(name: string, type: string, body: string) => void} */
  const serve = (name, type, body) => {
    const headers = { 'Content-Type': `${type}; charset=utf-8`, 'Content-Security-Policy': POLICY };
    proxy.files.set(`/own/${name}`, { headers, body });
  };
  serve('htmx.js', 'text/javascript', await readFile(join(assets, folder, 'dist/htmx.js'), 'utf8'));
  serve('sse.js', 'text/javascript', await readFile(join(assets, extension), 'utf8'));
  serve('monitor.js', 'text/javascript', script);
  serve('plain.js', 'text/javascript', PLAIN);
  serve('icon.svg', 'image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"/>');
  serve('page', 'text/html', html);
  await page.addInitScript(record);
  await page.goto(`${proxy.base}/own/page`);
  return { context, page, complaints, html };
}

/** What a page without htmx does: appends unnamed events, as the others do. */
const PLAIN = `
const source = sseKit.monitor.open('sse-connection', '/events?topic=a');
source.onmessage = ({ data }) => document.getElementById('sse-connection').insertAdjacentHTML('beforeend', data);
source.addEventListener('done', () => source.close());
`;

/** In a page: keeps the changes of state, over reloads too. */
function record() {
  const KEY = 'states';
  document.addEventListener('sse-kit:state', (event) => {
    const { detail } = /** @type {CustomEvent} */ (event);
    const at = performance.timeOrigin + performance.now();
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? '[]');
    kept.push({ ...detail, id: /** @type {Element} */ (event.target).id, at });
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  });
  addEventListener('pageshow', ({ persisted }) => {
    // Counted in storage that outlives the page.
    if (persisted) sessionStorage.setItem('persisted', String(Number(sessionStorage.getItem('persisted')) + 1));
  });
  // Set by scripts of a payload, if one ever runs.
  window.hacked = undefined;
}

/** The changes of state so far. @param {Page} page @returns {Promise<{from: string, to: string, reason: string, id: string, at: number}[]>} */
export async function changes(page) {
  return page.evaluate(() => JSON.parse(sessionStorage.getItem('states') ?? '[]'));
}

/** Waits until the page shows a state. @param {Page} page @param {string} state @returns how long that took, in milliseconds */
export async function shows(page, state) {
  const before = performance.now();
  await page.waitForSelector(`#connection-status[data-state="${state}"]`, { state: 'attached' });
  return Math.round(performance.now() - before);
}

/**
 * Waits until the page has shown a state, even one that has passed already.
 *
 * @param {Page} page
 * @param {string} state
 */
export async function hasShown(page, state) {
  const isKept = (/** @type {string} */ state) =>
    JSON.parse(sessionStorage.getItem('states') ?? '[]').some((/** @type {{to: string}} */ { to }) => to === state);
  await page.waitForFunction(isKept, state);
}

/** What has been appended, one for each event. @param {Page} page */
export async function texts(page) {
  return page.locator('#sse-connection i').allTextContents();
}

/**
 * Waits until these texts are there, no more and no less.
 *
 * @param {Page} page
 * @param {string[]} expected
 */
export async function has(page, expected) {
  await page.waitForFunction(
    (count) => document.querySelectorAll('#sse-connection i').length >= count,
    expected.length,
  );
  const found = await texts(page);
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`the page has ${JSON.stringify(found)} and not ${JSON.stringify(expected)}`);
  }
}

/**
 * Stores the artifacts of a failed scenario: screenshot, changes of state, and the server's counters.
 *
 * @param {string} name
 * @param {Page} page
 * @param {() => Promise<unknown>} stats
 * @param {unknown} requests
 */
export async function keep(name, page, stats, requests) {
  const facts = { counters: stats, states: () => changes(page), requests: () => requests, body: () => page.content() };
  await keepArtifacts(name, [page], facts);
}
