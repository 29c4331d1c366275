// A site in front of the real hub whose pages load all or some of our scripts, as served.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keepArtifacts } from './artifacts.js';
import { assets, startExample } from './launch.js';
import { CONFIG } from './monitored.js';
import { until } from './patience.js';
import { startProxy } from './proxy.js';

/**
 * @typedef {import('node:test').TestContext} Test
 * @typedef {import('playwright-core').Page} Page
 * @typedef {4 | 2 | 'plain'} Client
 * @typedef {'bare' | 'monitor' | 'tabs'} Mode `tabs` has the monitor too
 * @typedef {'worker' | 'leader' | 'direct'} Transport
 */

/** @type {(crate: string, name: string) => Promise<string>} */
const script = (crate, name) => readFile(new URL(`../../crates/${crate}/dist/${name}.js`, import.meta.url), 'utf8');

/** What each kind of page loads, in this order. @type {Record<'2' | '4', string[]>} */
const HTMX = {
  4: ['htmx.org/dist/htmx.min.js', 'htmx.org/dist/ext/hx-sse.min.js'],
  2: ['htmx2/dist/htmx.min.js', 'htmx-ext-sse/dist/sse.min.js'],
};

/**
 * The element that holds the connection. Unnamed events are appended to `#log`.
 *
 * @param {Client} client
 * @param {string} url
 * @param {string} [more] attributes
 */
export function connect(client, url, more = '') {
  const to = url.replaceAll('&', '&amp;');
  const swap = `hx-target="#log" hx-swap="beforeend" ${more}`;
  if (client === 4) return `<div id="sse-connection" hx-sse:connect="${to}" hx-sse:close="done" ${swap}></div>`;
  if (client === 2) {
    return `<div id="sse-connection" hx-ext="sse" sse-connect="${to}" sse-swap="message" sse-close="done" ${swap}></div>`;
  }
  return `<div id="sse-connection" data-url="${to}"></div>`;
}

/** @param {string[]} items */
export const log = (...items) => `<ul id="log">${items.map((item) => `<i>${item}</i>`).join('')}</ul>`;

export const STATUS = '<span id="connection-status" role="status" data-state="connecting">connecting</span>';

/**
 * Starts a hub and the site before it, and stops both after the test.
 *
 * @param {Test} t
 * @param {{client: Client, mode: Mode, htmx?: object, monitor?: object, tabs?: object, heartbeat?: number}} how
 */
export async function startSite(t, { client, mode, htmx = {}, monitor = {}, tabs = {}, heartbeat = 1 }) {
  const hubOptions = ['--heartbeat', `${heartbeat}`, '--history', '5000', '--queue', '5000'];
  let hub = await startExample(t, 'hub', hubOptions);
  const proxy = await startProxy(t, hub.base);
  /** @type {(path: string, body: string, headers?: Record<string, string>, type?: string) => void} */
  const serve = (path, body, headers = {}, type = 'text/html') => {
    proxy.files.set(path, { headers: { 'Content-Type': `${type}; charset=utf-8`, ...headers }, body });
  };
  /** @type {string[]} */
  const sources = [];
  /** @param {string} source */
  const load = (source) => {
    serve(`/own/${sources.length}.js`, source, { 'Cache-Control': 'max-age=3600' }, 'text/javascript');
    sources.push(`<script src="/own/${sources.length}.js"></script>`);
  };
  const settings = {
    streams: ['/events'],
    identity: '',
    options: { events: 1000, characters: 4 << 20, reconnectDelay: 300, heartbeatTimeout: null, ...tabs },
  };
  if (mode === 'tabs') load(await script('sse-kit-tabs', 'sse-kit-tabs'));
  if (client !== 'plain') {
    for (const file of HTMX[client]) load(await readFile(join(assets, file), 'utf8'));
    if (client === 4) load(await script('sse-kit-htmx', 'sse-kit-swap'));
    load(await script('sse-kit-htmx', 'sse-kit-connection'));
  }
  if (mode !== 'bare') load(await script('sse-kit-monitor', 'sse-kit-monitor'));
  const config = JSON.stringify({ defaultSettleDelay: 0, sse: { pauseOnBackground: true }, ...htmx });
  const block = JSON.stringify({ ...CONFIG, ...monitor });

  /** @param {string} body @param {string} [head] */
  const html = (body, head = '') => `<!DOCTYPE html><html><head><title>t</title><link rel="icon" href="data:,">${head}
    <meta name="htmx-config" content='${config}'>
    <script type="application/json" id="sse-kit-tabs">${JSON.stringify(settings)}</script>
    <script type="application/json" data-sse-kit-monitor>${block}</script>${sources.join('')}</head>
    <body>${body}</body></html>`;

  return {
    proxy,
    serve,
    base: proxy.base,
    /** Serves a page. @param {string} path @param {string} body @param {Record<string, string>} [headers] @param {string} [head] */
    page: (path, body, headers, head) => serve(path, html(body, head), headers),
    /** @param {string} body @param {string} [query] @returns {Promise<string>} its id */
    async publish(body, query = '?topic=a') {
      const response = await fetch(`${hub.base}/publish${query}`, { method: 'POST', body });
      return (await response.json()).id;
    },
    /** Publishes `<i>value</i>`. @param {(string | number)[]} values */
    async append(...values) {
      let id = '';
      for (const value of values) id = await this.publish(`<i>${value}</i>`);
      return id;
    },
    /** Returns the number of the hub's streams. @returns {Promise<number>} */
    async connections() {
      return (await (await fetch(`${hub.base}/stats`)).json()).connections;
    },
    /** @param {number} count */
    async hasConnections(count) {
      await until(
        () => this.connections(),
        (found) => found === count,
        `${count} connections`,
      );
    },
    /** Replaces the hub by another one, with a new history. */
    async restart() {
      await hub.stop();
      hub = await startExample(t, 'hub', hubOptions);
      proxy.redirect(hub.base);
    },
  };
}

/** @typedef {Awaited<ReturnType<typeof startSite>>} Site */

/**
 * Opens tabs of one browser profile.
 *
 * @param {Test} t
 * @param {import('playwright-core').Browser} browser
 * @param {Site} site
 * @param {Transport} [transport]
 */
export async function openProfile(t, browser, site, transport = 'worker') {
  const context = await browser.newContext();
  /** @type {Page[]} */
  const pages = [];
  t.after(async () => {
    const facts = {
      requests: () => site.proxy.events,
      pages: () => Promise.all(pages.map((page) => (page.isClosed() ? null : page.content()))),
    };
    if (/** @type {any} */ (t).passed === false) await keepArtifacts(t.name, pages, facts);
    await context.close();
  });
  if (transport !== 'worker') await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'SharedWorker'));
  if (transport === 'direct') await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'BroadcastChannel'));
  /** @type {string[]} */
  const complaints = [];
  const open = async (path = '/a') => {
    const page = await context.newPage();
    pages.push(page);
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(site.base + path);
    return page;
  };
  return { context, open, complaints };
}

/**
 * A page of playwright, or of puppeteer for Firefox.
 *
 * @typedef {{evaluate: (ask: (what?: any) => any, what?: any) => Promise<any>}} Tab
 */

/** @param {Tab} page @returns {Promise<string[]>} what is in its log */
export const logOf = (page) =>
  page.evaluate(() => [...document.querySelectorAll('#log i')].map(({ textContent }) => textContent));

/**
 * Waits until the last entry of the log is there; then the log has these entries and no others.
 *
 * @param {Tab} page
 * @param {(string | number)[]} expected
 */
export async function hasLog(page, expected) {
  const wanted = expected.map(String);
  const found = await until(
    () => logOf(page).catch(() => []), // the page may be loading
    (items) => items.at(-1) === wanted.at(-1),
    `the log, which should end with ${wanted.at(-1)}`,
  );
  if (found.join() !== wanted.join()) throw new Error(`the log has ${found.join()} and not ${wanted.join()}`);
}

/** @param {Tab} page @param {string} state */
export async function isIn(page, state) {
  await until(
    () => page.evaluate(() => document.getElementById('connection-status')?.dataset.state).catch(() => ''),
    (found) => found === state,
    `the page should be ${state}`,
  );
}

/** In a page: as if the tab was put behind another, or in front again. @param {boolean} isHidden */
export function setHidden(isHidden) {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => isHidden });
  document.dispatchEvent(new Event('visibilitychange'));
}
