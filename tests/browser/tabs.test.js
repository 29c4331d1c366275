// One connection for all tabs, in a real browser, with the real hub: htmx 4, htmx 2 and no htmx, by a
// SharedWorker and by a leader among the tabs.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { PATIENCE_MS, until } from './patience.js';
import { allSaw, clients, crash, inState, killWorker, longestPause, profile, seen, tabsTest } from './tabs-pages.js';
import { serveTabs } from './tabs-server.js';

/** @typedef {import('playwright-core').Page} Page */

const EVENT_STREAM = { 'Content-Type': 'text/event-stream' };

for (const transport of ['worker', 'leader']) {
  for (const client of clients) {
    describe(`${transport}, ${client === 'plain' ? 'no htmx' : `htmx ${client}`}`, () => {
      tabsTest('14: ten tabs have one connection, and a plain request is answered', async (t) => {
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

      tabsTest('15: whoever goes, no tab loses an event or sees one twice', async (t) => {
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

      tabsTest('16: when all tabs are closed the server has no connection', async (t) => {
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

      // Each with a server and a browser profile of its own; they wait most of the time.
      describe('whatever happens to the stream', { concurrency: true }, () => {
        tabsTest('4: a stream that is cut goes on where it was, in every tab', async (t) => {
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

        tabsTest('7: every tab is told of a server with another history', async (t) => {
          const server = await serveTabs(t);
          const { open, complaints } = await profile(t, server, { transport });
          const pages = [await open({ client }), await open({ client }), await open({ client })];
          await server.tick();
          await allSaw(pages, ['1']);
          await server.restartHub();
          for (const page of pages) await page.waitForFunction(() => window.gaps === 1, null, { timeout: PATIENCE_MS });
          await server.tick();
          for (const page of pages) await page.waitForFunction(() => window.seen.at(-1) === '2');
          // A page with the earlier cursor gets a gap too, and the other pages get none.
          const [first] = server.requests.filter(({ lastEventId }) => lastEventId);
          const late = await open({ client, url: `/events?topic=a&last_event_id=${first?.lastEventId}` });
          await late.waitForFunction(() => window.gaps === 1, null, { timeout: PATIENCE_MS });
          for (const page of pages) assert.equal(await page.evaluate(() => window.gaps), 1);
          assert.deepEqual(complaints, []);
        });

        tabsTest('11: a connection that has died in silence is replaced', async (t) => {
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

        tabsTest('8: the last word of a server is believed', async (t) => {
          for (const fault of [
            { status: 204 },
            { status: 200, headers: EVENT_STREAM, body: 'event: sse-kit:close\ndata: {}\n\n' },
          ]) {
            const server = await serveTabs(t);
            const { open } = await profile(t, server, { transport });
            server.setFault(fault);
            const pages = [await open({ client }, 'closed'), await open({ client }, 'closed')];
            await wait(3_000);
            // One request, and one more if a busy machine made the second page take over: none is repeated.
            assert.ok(server.requests.length <= pages.length, `${server.requests.length} requests`);
            for (const page of pages) {
              assert.equal(await page.evaluate(() => window.sseKit.tabs.upstreams()[0].state), 'closed');
            }
          }
        });

        tabsTest('10: a server that is not well is not stormed, and its page is no stream', async (t) => {
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

        tabsTest('17: a tab that is left and comes back goes on where it was', async (t) => {
          const server = await serveTabs(t);
          const { open, complaints } = await profile(t, server, { transport, isWhole: true });
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
          assert.ok(ways.has(true), 'it was in the back/forward cache');
          await allSaw([other], server.published);
          await until(
            () => server.connections(),
            (connections) => connections === 1,
            'one connection',
          );
          assert.deepEqual(complaints, []);
        });

        tabsTest('19: tabs of two users share nothing', async (t) => {
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
    });
  }
}
