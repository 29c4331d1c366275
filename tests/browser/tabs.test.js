// One connection for all tabs, in a real browser, with the real hub: htmx 4, htmx 2 and no htmx, by a
// SharedWorker and by a leader among the tabs.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { launchBrowser } from './launch.js';
import { serveTabs } from './tabs-server.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('./tabs-server.js').Client} Client */

const EVENT_STREAM = { 'Content-Type': 'text/event-stream' };
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
 * @param {{transport?: string, host?: string, hasWorkers?: boolean}} how
 */
async function profile(
  t,
  server,
  { transport = 'worker', host = '127.0.0.1', hasWorkers = transport === 'worker' } = {},
) {
  const context = await browser.newContext();
  t.after(() => context.close());
  /** @type {string[]} */
  const complaints = [];
  /** Whose requests for streams were seen, by page. @type {Page[]} */
  const askers = [];
  if (!hasWorkers) {
    await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'SharedWorker'));
  }
  if (transport === 'direct') await context.addInitScript(() => Reflect.deleteProperty(globalThis, 'BroadcastChannel'));
  /** @param {Record<string, string>} query @param {string} state that its stream comes to */
  const open = async (query, state = 'live') => {
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
    await inState(page, state);
    assert.equal(await page.evaluate(() => window.sseKit.tabs.transport), transport);
    return page;
  };
  return { context, open, complaints, askers };
}

/**
 * Waits until a page's stream is in this state.
 *
 * @param {Page} page
 * @param {string} state
 */
async function inState(page, state) {
  await page.waitForFunction((state) => window.sseKit.tabs.upstreams()[0]?.state === state, state, {
    timeout: PATIENCE_MS,
  });
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
    describe(`${transport}, ${client === 'plain' ? 'no htmx' : `htmx ${client}`}`, { timeout: 300_000 }, () => {
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

      test('11: a connection that has died in silence is replaced', async (t) => {
        const server = await serveTabs(t);
        const { open, complaints } = await profile(t, server, { transport });
        const pages = [await open({ client }), await open({ client })];
        server.silence();
        await server.tick();
        for (const page of pages) {
          await page.waitForFunction(() => window.states.includes('stale'), null, { timeout: PATIENCE_MS });
        }
        await allSaw(pages, ['1']);
        assert.equal(server.requests.length, 2);
        assert.deepEqual(complaints, []);
      });

      test('8: the last word of a server is believed', async (t) => {
        for (const fault of [
          { status: 204 },
          { status: 200, headers: EVENT_STREAM, body: 'event: sse-kit:close\ndata: {}\n\n' },
        ]) {
          const server = await serveTabs(t);
          const { open } = await profile(t, server, { transport });
          server.setFault(fault);
          const pages = [await open({ client }, 'closed'), await open({ client }, 'closed')];
          await wait(3_000);
          assert.equal(server.requests.length, 1);
          for (const page of pages) {
            assert.equal(await page.evaluate(() => window.sseKit.tabs.upstreams()[0].state), 'closed');
          }
        }
      });

      test('10: a server that is not well is not stormed, and its page is no stream', async (t) => {
        for (const fault of [
          { status: 200, headers: EVENT_STREAM, body: ':\n\n' },
          { status: 200, headers: { 'Content-Type': 'text/html' }, body: '<p>event: tick</p>\n\ndata: 1\n\n' },
        ]) {
          const server = await serveTabs(t);
          const { open } = await profile(t, server, { transport });
          server.setFault(fault);
          const pages = [await open({ client }, 'reconnecting'), await open({ client }, 'reconnecting')];
          await wait(5_000);
          assert.ok(server.requests.length <= 5, `${server.requests.length} requests`);
          server.setFault(null);
          for (const page of pages) await inState(page, 'live');
          await server.tick();
          await allSaw(pages, ['1']);
        }
      });

      test('17: a tab that is left and comes back goes on where it was', async (t) => {
        const server = await serveTabs(t);
        const { open, complaints } = await profile(t, server, { transport });
        const other = await open({ client });
        const page = await open({ client });
        /** @type {Set<boolean>} */
        const ways = new Set();
        for (let n = 0; n < 8; n += 1) {
          const before = await seen(page);
          await page.evaluate(() => {
            window.isKept = true;
          });
          await page.goto(`${server.base}/elsewhere`);
          await server.tick();
          await page.goBack({ waitUntil: 'commit' });
          const isKept = await page.evaluate(() => window.isKept === true);
          ways.add(isKept);
          await inState(page, 'live');
          await server.tick();
          const last = server.published.at(-1);
          await page.waitForFunction((last) => window.seen.at(-1) === last, last, { timeout: PATIENCE_MS });
          if (isKept) assert.deepEqual(await seen(page), [...before, ...server.published.slice(-2)]);
        }
        t.diagnostic(`kept in the back/forward cache: ${[...ways].join(', ')}`);
        await allSaw([other], server.published);
        await until(
          () => server.connections(),
          (connections) => connections === 1,
          'one connection',
        );
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

describe('what a browser has, and what a policy allows', { timeout: 300_000 }, () => {
  test('14: a policy that refuses the worker leaves a leader', async (t) => {
    const server = await serveTabs(t);
    const { open } = await profile(t, server, { transport: 'leader', hasWorkers: true });
    const pages = [];
    for (const client of clients) pages.push(await open({ client, worker: "'none'" }));
    assert.equal(await server.connections(), 1);
    await server.tick();
    await allSaw(pages, ['1']);
  });

  test('14: without anything to share by each tab has its own connection', async (t) => {
    const server = await serveTabs(t);
    const { open, complaints } = await profile(t, server, { transport: 'direct' });
    const pages = [];
    for (const client of clients) pages.push(await open({ client }));
    assert.equal(await server.connections(), 3);
    await server.tick();
    await allSaw(pages, ['1']);
    for (const page of pages) await page.close();
    await until(
      () => server.connections(),
      (connections) => connections === 0,
      'no connections',
    );
    assert.deepEqual(complaints, []);
  });

  test('14, 16: on a page of plain http, without Web Locks, the worker does it', async (t) => {
    const server = await serveTabs(t);
    const { open, complaints } = await profile(t, server, { host: 'lan.test' });
    const pages = [];
    for (const client of clients) pages.push(await open({ client }));
    assert.equal(await pages[0]?.evaluate(() => 'locks' in navigator), false);
    assert.equal(await server.connections(), 1);
    await server.tick();
    await allSaw(pages, ['1']);
    for (const page of pages) await page.close();
    await until(
      () => server.connections(),
      (connections) => connections === 0,
      'no connections',
    );
    assert.deepEqual(complaints, []);
  });

  test('15: a worker that closes itself is replaced', async (t) => {
    const server = await serveTabs(t);
    const { open, complaints } = await profile(t, server);
    const pages = [await open({ client: 'plain' }), await open({ client: 'plain' })];
    const session = await browser.newBrowserCDPSession();
    const { targetInfos } = await session.send('Target.getTargets');
    for (const { targetId, type } of targetInfos) {
      if (type !== 'shared_worker') continue;
      const { sessionId } = await session.send('Target.attachToTarget', { targetId });
      const message = JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression: 'self.close()' } });
      const answered = new Promise((resolve) => session.once('Target.receivedMessageFromTarget', resolve));
      await session.send('Target.sendMessageToTarget', { sessionId, message });
      await answered;
    }
    await session.detach();
    for (let n = 0; n < 5; n += 1) await server.tick();
    await allSaw(pages, server.published);
    pages.push(await open({ client: 'plain' }));
    await until(
      () => server.connections(),
      (connections) => connections === 1,
      'one connection',
    );
    assert.deepEqual(complaints, []);
  });
});

describe('between tabs', { timeout: 60_000 }, () => {
  test('13: a hidden tab of htmx 4 gets in order what it has missed, and the others go on', async (t) => {
    const server = await serveTabs(t);
    const { open, complaints } = await profile(t, server);
    const [hidden, other] = [await open({ client: '4' }), await open({ client: '4' })];
    await server.tick();
    await allSaw([hidden, other], ['1']);
    await hidden.evaluate(setHidden, true);
    for (let n = 0; n < 5; n += 1) await server.tick();
    await allSaw([other], server.published);
    assert.deepEqual(await seen(hidden), ['1']);
    await hidden.evaluate(setHidden, false);
    await allSaw([hidden], server.published);
    assert.equal(server.requests.length, 1);
    assert.deepEqual(complaints, []);
  });

  test('a message goes to all other tabs, until nobody wants it', async (t) => {
    const server = await serveTabs(t);
    const { open } = await profile(t, server);
    const [one, two, three] = [
      await open({ client: 'plain' }),
      await open({ client: 'plain' }),
      await open({ client: '4' }),
    ];
    for (const page of [one, two, three]) {
      await page.evaluate(() => {
        window.heard = [];
        window.off = window.sseKit.tabs.on('theme', (/** @type {string} */ theme) => window.heard.push(theme));
      });
    }
    await one.evaluate(() => {
      window.sseKit.tabs.send('theme', 'dark');
      window.sseKit.tabs.send('other', 'x');
    });
    for (const page of [two, three]) await page.waitForFunction(() => window.heard.length > 0);
    await two.evaluate(() => window.off());
    await one.evaluate(() => window.sseKit.tabs.send('theme', 'light'));
    await three.waitForFunction(() => window.heard.length > 1);
    const heard = [];
    for (const page of [one, two, three]) heard.push(await page.evaluate(() => window.heard));
    assert.deepEqual(heard, [[], ['dark'], ['dark', 'light']]);
  });

  test('a tab that crashes is not counted', async (t) => {
    const server = await serveTabs(t);
    const { open } = await profile(t, server);
    const [one, two] = [await open({ client: 'plain' }), await open({ client: 'plain' })];
    await one.waitForFunction(() => window.sseKit.tabs.count === 2);
    await crash(two);
    await one.waitForFunction(() => window.sseKit.tabs.count === 1);
  });

  test('other requests, and other pages, are left as they are', async (t) => {
    const server = await serveTabs(t);
    const { open } = await profile(t, server);
    const page = await open({ client: 'plain' });
    const answers = await page.evaluate(async () => {
      const accept = { Accept: 'text/html, text/event-stream' };
      const stats = await fetch('/stats', { headers: accept });
      const post = await fetch('/events?topic=a', { method: 'POST', headers: accept });
      const plain = await fetch('/events?topic=a', { headers: { Accept: 'application/json' } });
      await plain.body?.cancel();
      return [stats.status, stats.url.endsWith('/stats'), post.status, plain.url.endsWith('/events?topic=a')];
    });
    assert.deepEqual(answers, [200, true, 405, true]);
  });
});

/** In a page: as if the tab was put behind another, or in front again. @param {boolean} isHidden */
function setHidden(isHidden) {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => isHidden });
  document.dispatchEvent(new Event('visibilitychange'));
}

/** In a page: the longest pause between two events of the last second, the one that lasts included. */
function longestPause() {
  const now = performance.now();
  /** @type {number[]} */
  const times = window.at.filter((/** @type {number} */ time) => time > now - 1_300);
  return Math.max(...[...times, now].map((time, n) => time - (times[n - 1] ?? time)));
}
