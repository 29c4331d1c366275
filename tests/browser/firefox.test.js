// Tests in Firefox, over WebDriver BiDi, that do not need Chromium's own tools.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { startExample } from './launch.js';
import { PATIENCE_MS, until } from './patience.js';
import { answer } from './proxy.js';
import { connect, hasLog, isIn, log, STATUS, startSite } from './site.js';
import { goesBy } from './transport.js';

/** @typedef {import('./site.js').Mode} Mode */
/** @typedef {import('./site.js').Transport} Transport */

/** @param {Record<string, unknown>} [extraPrefsFirefox] */
const launch = (extraPrefsFirefox = {}) =>
  puppeteer.launch({
    browser: 'firefox',
    executablePath: process.env.SSE_KIT_FIREFOX ?? '/usr/bin/firefox-esr',
    headless: true,
    protocolTimeout: PATIENCE_MS,
    extraPrefsFirefox,
  });

/** @type {import('puppeteer-core').Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/**
 * Opens tabs of one profile.
 *
 * @param {import('node:test').TestContext} t
 * @param {import('./site.js').Site} site
 * @param {Transport} [transport]
 */
async function openProfile(t, site, transport = 'worker') {
  const context = await browser.createBrowserContext();
  t.after(() => context.close());
  /** @type {string[]} */
  const complaints = [];
  const open = async (path = '/a') => {
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('pageerror', (error) => complaints.push(String(error)));
    if (transport !== 'worker') await page.evaluateOnNewDocument('delete globalThis.SharedWorker');
    if (transport === 'direct') await page.evaluateOnNewDocument('delete globalThis.BroadcastChannel');
    await page.goto(site.base + path);
    return page;
  };
  return { open, complaints };
}

const CLIENTS = /** @type {const} */ ([4, 2]);

for (const client of CLIENTS) {
  for (const mode of /** @type {Mode[]} */ (['bare', 'monitor', 'tabs'])) {
    describe(`Firefox, htmx ${client}, ${mode}`, () => {
      test('a stream that is cut goes on where it was', async (t) => {
        const site = await startSite(t, { client, mode });
        site.page('/a', `${STATUS}${log()}${connect(client, '/events?topic=a')}`);
        const { open, complaints } = await openProfile(t, site);
        const page = await open();
        await site.hasConnections(1);
        await site.append('1', '2');
        await hasLog(page, ['1', '2']);
        if (mode !== 'bare') site.proxy.faults(answer(503));
        site.proxy.cut();
        await site.append('3');
        await hasLog(page, ['1', '2', '3']);
        if (mode !== 'bare') await isIn(page, 'live');
        assert.deepEqual(complaints, []);
      });

      test('B4, B7: an element that is morphed or preserved has one stream', async (t) => {
        const site = await startSite(t, { client, mode });
        const region = (/** @type {string[]} */ items, cursor = '') => {
          const more = client === 2 ? 'hx-preserve="true"' : '';
          return `<main id="main">${log(...items)}${connect(client, `/events?topic=a&last_event_id=${cursor}`, more)}</main>`;
        };
        const swap = client === 4 ? 'outerMorph' : 'outerHTML';
        const first = await site.append('0');
        site.page(
          '/a',
          `${STATUS}${region(['0'], first)}<button hx-get="/f" hx-target="#main" hx-swap="${swap}">b</button>`,
        );
        const { open, complaints } = await openProfile(t, site);
        const page = await open();
        await site.hasConnections(1);
        const cursor = await site.append('1');
        await hasLog(page, ['0', '1']);
        site.serve('/f', region(['0', '1', 'swapped'], cursor));
        await page.click('button');
        await hasLog(page, ['0', '1', 'swapped']);
        await site.append('2');
        await hasLog(page, ['0', '1', 'swapped', '2']);
        await site.hasConnections(1);
        assert.deepEqual(complaints, []);
      });
    });
  }

  for (const transport of /** @type {Transport[]} */ (['worker', 'leader', 'direct'])) {
    test(`Firefox, htmx ${client}, ${transport}: three tabs share a stream, and one goes`, async (t) => {
      const site = await startSite(t, { client, mode: 'tabs', htmx: { sse: { pauseOnBackground: false } } });
      site.page('/a', `${STATUS}${log()}${connect(client, '/events?topic=a')}`);
      const { open, complaints } = await openProfile(t, site, transport);
      const pages = [await open(), await open(), await open()];
      for (const page of pages) await isIn(page, 'live');
      assert.equal(await site.connections(), transport === 'direct' ? 3 : 1);
      await site.append('1');
      for (const page of pages) await hasLog(page, ['1']);
      await goesBy(pages[0], transport);
      await pages[0].close();
      await site.append('2');
      for (const page of pages.slice(1)) await hasLog(page, ['1', '2']);
      await site.hasConnections(transport === 'direct' ? 2 : 1);
      assert.deepEqual(complaints, []);
    });
  }
}

for (const client of /** @type {const} */ ([4, 2, 'plain'])) {
  test(`B2: Firefox with cookies blocked, ${client === 'plain' ? 'no htmx' : `htmx ${client}`}`, async (t) => {
    const strict = await launch({ 'network.cookie.cookieBehavior': 2 });
    t.after(() => strict.close());
    const site = await startSite(t, { client, mode: 'tabs' });
    site.page('/a', `${STATUS}${log()}${connect(client, '/events?topic=a')}`);
    const page = await strict.newPage();
    /** @type {string[]} */
    const complaints = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(`${site.base}/a`);
    if (client === 'plain') {
      await page.evaluate(() => {
        const source = new window.SharedEventSource('/events?topic=a');
        source.onmessage = (/** @type {MessageEvent} */ { data }) =>
          document.getElementById('log')?.insertAdjacentHTML('beforeend', data);
      });
    }
    await isIn(page, 'live');
    await site.append('1');
    await hasLog(page, ['1']);
    await until(
      () => site.connections(),
      (count) => count === 1,
      'one connection',
    );
    assert.deepEqual(complaints, []);
  });
}

test('Firefox reads an event that refers to those before it before the next is published', async (t) => {
  const { base } = await startExample(t, 'hub', ['--gzip', '--gzip-window']);
  const page = await browser.newPage();
  t.after(() => page.close());
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(`${base}/`);
  await page.evaluate(async () => {
    window.received = [];
    window.source = new EventSource('/events?topic=a');
    window.source.addEventListener('message', (/** @type {MessageEvent} */ event) =>
      window.received.push([event.lastEventId, event.data]),
    );
    await new Promise((resolve) => window.source.addEventListener('open', resolve));
  });
  for (let percent = 0; percent < 30; percent++) {
    const bar = `<progress id="job-17" max="100" value="${percent}">${percent} % of 4,211 files</progress>`;
    const response = await fetch(`${base}/publish?topic=a`, { method: 'POST', body: bar });
    const { id } = await response.json();
    await page.waitForFunction((count) => window.received.length === count, {}, percent + 1);
    assert.deepEqual(await page.evaluate(() => window.received.at(-1)), [id, bar]);
  }
});
