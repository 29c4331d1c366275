// One connection for all tabs, in a real browser, with the real hub: htmx 4, htmx 2 and no htmx, by a
// SharedWorker and by a leader among the tabs.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { launchBrowser } from './launch.js';
import { serveTabs } from './tabs-server.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('./tabs-server.js').Client} Client */

/** How long anything may take that has no time of its own. */
const PATIENCE_MS = 15_000;

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchBrowser({
    // Playwright leaves the back/forward cache off.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      // A host that is not localhost: a page of plain http has no Web Locks there.
      '--host-resolver-rules=MAP lan.test 127.0.0.1',
    ],
  });
});
after(() => browser.close());

/**
 * Waits until what is asked for again and again is so.
 *
 * @template T
 * @param {() => Promise<T> | T} look
 * @param {(found: T) => boolean} isRight
 * @param {string} what
 */
async function until(look, isRight, what) {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (isRight(found)) return found;
    assert.ok(performance.now() < end, `${what}; it is ${JSON.stringify(found)}`);
    await wait(20);
  }
}

/**
 * A context of the browser: a user's profile. Its pages must not complain.
 *
 * @param {import('node:test').TestContext} t
 * @param {Awaited<ReturnType<typeof serveTabs>>} server
 * @param {{transport?: string, host?: string}} how
 */
async function profile(t, server, { transport = 'worker', host = '127.0.0.1' } = {}) {
  const context = await browser.newContext();
  t.after(() => context.close());
  /** @type {string[]} */
  const complaints = [];
  /** Whose requests for streams were seen, by page. @type {Page[]} */
  const askers = [];
  if (transport !== 'worker') {
    await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'SharedWorker'));
  }
  if (transport === 'direct') await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'BroadcastChannel'));
  /** @param {Record<string, string>} query */
  const open = async (query) => {
    const page = await context.newPage();
    page.on('console', (message) => {
      // A stream that is cut is an error to Chromium, and rightly so.
      // And htmx 2 says no more of it than this.
      const isNetwork = ['net::ERR', 'the server responded', '[object Event]'].some((text) =>
        message.text().includes(text),
      );
      if (['error', 'warning'].includes(message.type()) && !isNetwork) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => request.url().includes('/events') && askers.push(page));
    await page.goto(`${server.base.replace('127.0.0.1', host)}/page?${new URLSearchParams(query)}`);
    await page.waitForFunction(() => window.sseKit.tabs.upstreams()[0]?.state === 'live');
    assert.equal(await page.evaluate(() => window.sseKit.tabs.transport), transport);
    return page;
  };
  return { context, open, complaints, askers };
}

/** @type {(page: Page) => Promise<string[]>} */
const seen = (page) => page.evaluate(() => window.seen);

/**
 * Every page has seen just these, in order.
 *
 * @param {Page[]} pages
 * @param {string[]} expected
 */
async function allSaw(pages, expected) {
  for (const [n, page] of pages.entries()) {
    const last = expected.at(-1);
    await page.waitForFunction((last) => window.seen.at(-1) === last, last, { timeout: PATIENCE_MS }).catch(() => {});
    assert.deepEqual(await seen(page), expected, `tab ${n}`);
    assert.equal(await page.evaluate(() => window.gaps), 0, `tab ${n} was told of a gap`);
  }
}

/**
 * Ends the shared worker of a profile, as a browser does that needs its memory.
 *
 * @returns {Promise<void>}
 */
async function killWorker() {
  const session = await browser.newBrowserCDPSession();
  const { targetInfos } = await session.send('Target.getTargets');
  const workers = targetInfos.filter(({ type, title }) => type === 'shared_worker' && title.startsWith('sse-kit'));
  assert.ok(workers.length > 0, 'there is a worker');
  for (const { targetId } of workers) {
    await session.send('Target.closeTarget', { targetId });
  }
  await session.detach();
}

/** @param {Page} page */
async function crash(page) {
  const session = await page.context().newCDPSession(page);
  session.send('Page.crash').catch(() => {}); // it does not live to answer
  await page.waitForEvent('crash');
}

/** @type {Client[]} */
const clients = ['4', '2', 'plain'];

for (const transport of ['worker', 'leader']) {
  for (const client of clients) {
    describe(`${transport}, ${client === 'plain' ? 'no htmx' : `htmx ${client}`}`, { timeout: 120_000 }, () => {
      test('14: ten tabs have one connection, and a plain request is answered', async (t) => {
        const server = await serveTabs(t);
        const { open, complaints } = await profile(t, server, { transport });
        const pages = [];
        for (let n = 0; n < 10; n += 1) pages.push(await open({ client }));
        assert.equal(await server.connections(), 1);
        const before = performance.now();
        assert.equal(await pages[9]?.evaluate(async () => (await fetch('/stats')).status), 200);
        t.diagnostic(`a plain request took ${Math.round(performance.now() - before)} ms`);
        for (const page of pages) {
          await page.waitForFunction(() => window.sseKit.tabs.count === 10, null, { timeout: PATIENCE_MS });
        }
        await server.tick();
        await allSaw(pages, ['1']);
        assert.equal(server.requests.length, 1);
        assert.deepEqual(complaints, []);
      });

      test('15: whoever goes, no tab loses an event or sees one twice', async (t) => {
        const server = await serveTabs(t);
        const { open, complaints, askers } = await profile(t, server, { transport });
        /** @type {Page[]} */
        let pages = [];
        const cursor = await server.cursor();
        for (let n = 0; n < 8; n += 1)
          pages.push(await open({ client, url: `/events?topic=a&last_event_id=${cursor}` }));
        let isPublishing = true;
        const publishing = (async () => {
          while (isPublishing) await Promise.all([server.tick(), wait(10)]);
        })();
        /** @param {string} what @param {(leader: Page) => Promise<unknown>} act */
        const during = async (what, act) => {
          await wait(300);
          const leader = (transport === 'leader' && askers.at(-1)) || pages[0];
          assert.ok(leader);
          const asked = server.requests.length;
          await act(leader);
          await wait(1_000);
          const gaps = await Promise.all(pages.map((page) => page.evaluate(longestPause)));
          t.diagnostic(
            `${what}: ${server.requests.length - asked} new requests, longest pause ${Math.round(Math.max(...gaps))} ms`,
          );
        };
        await during('a tab closed', async (leader) => {
          pages = pages.filter((page) => page !== leader);
          await leader.close();
        });
        await during('a tab crashed', async (leader) => {
          pages = pages.filter((page) => page !== leader);
          await crash(leader);
        });
        if (transport === 'worker') await during('the worker killed', () => killWorker());
        isPublishing = false;
        await publishing;
        await allSaw(pages, server.published);
        await until(
          () => server.connections(),
          (connections) => connections === 1,
          'one connection at the end',
        );
        assert.deepEqual(complaints, []);
      });

      test('4: a stream that is cut goes on where it was, in every tab', async (t) => {
        const server = await serveTabs(t);
        const { open, complaints } = await profile(t, server, { transport });
        const pages = [await open({ client }), await open({ client }), await open({ client })];
        for (let n = 0; n < 10; n += 1) await server.tick();
        await allSaw(pages, server.published);
        server.setFault({ status: 503 });
        server.cut();
        for (let n = 0; n < 5; n += 1) await server.tick();
        await until(
          () => server.requests.length,
          (requests) => requests >= 2,
          'it is asked for again',
        );
        server.setFault(null);
        await allSaw(pages, server.published);
        assert.equal(await server.connections(), 1);
        assert.deepEqual(complaints, []);
      });

      test('7: every tab is told of a server with another history', async (t) => {
        const server = await serveTabs(t);
        const { open, complaints } = await profile(t, server, { transport });
        const pages = [await open({ client }), await open({ client }), await open({ client })];
        await server.tick();
        await allSaw(pages, ['1']);
        await server.restartHub();
        for (const page of pages) await page.waitForFunction(() => window.gaps === 1, null, { timeout: PATIENCE_MS });
        await server.tick();
        for (const page of pages) await page.waitForFunction(() => window.seen.at(-1) === '2');
        // A page that comes with the cursor of before is told too, and the others are left alone.
        const [first] = server.requests.filter(({ lastEventId }) => lastEventId);
        const late = await open({ client, url: `/events?topic=a&last_event_id=${first?.lastEventId}` });
        await late.waitForFunction(() => window.gaps === 1, null, { timeout: PATIENCE_MS });
        for (const page of pages) assert.equal(await page.evaluate(() => window.gaps), 1);
        assert.deepEqual(complaints, []);
      });

      test('16: when all tabs are closed the server has no connection', async (t) => {
        const server = await serveTabs(t);
        const { open } = await profile(t, server, { transport });
        const pages = [await open({ client }), await open({ client }), await open({ client })];
        for (const page of pages) await page.close();
        const before = performance.now();
        await until(
          () => server.connections(),
          (connections) => connections === 0,
          'no connections',
        );
        t.diagnostic(`after ${Math.round(performance.now() - before)} ms`);
      });

      test('19: tabs of two users share nothing', async (t) => {
        const server = await serveTabs(t);
        const { open, complaints } = await profile(t, server, { transport });
        const a = await open({ client, identity: 'a' });
        const b = await open({ client, identity: 'b' });
        assert.equal(await server.connections(), 2);
        await a.evaluate(() => window.sseKit.tabs.send('secret', 1));
        assert.equal(await b.evaluate(() => window.sseKit.tabs.count), 1);
        // A logs out, and B logs in, in a tab beside: A's stream is cut off for good.
        await a.close();
        await until(
          () => server.connections(),
          (connections) => connections === 1,
          "B's connection alone",
        );
        await server.tick();
        await allSaw([b], ['1']);
        assert.deepEqual(complaints, []);
      });
    });
  }
}

/** In a page: the longest pause between two events of the last second, the one that lasts included. */
function longestPause() {
  const now = performance.now();
  /** @type {number[]} */
  const times = window.at.filter((/** @type {number} */ time) => time > now - 1_300);
  return Math.max(...[...times, now].map((time, n) => time - (times[n - 1] ?? time)));
}
