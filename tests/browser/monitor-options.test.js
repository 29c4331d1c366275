// Every option of the monitor changes what the browser does: scenario 20. And the back/forward cache: 17.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, has, hasShown, shows } from './monitored.js';
import { until } from './patience.js';
import { label, scenario } from './scenario.js';

const SILENT = ['--heartbeat', '0'];

for (const dialect of /** @type {const} */ ([4, 2])) {
  describe(label(dialect), { concurrency: 3 }, () => {
    scenario(dialect, '20. the ids of both elements', async ({ open }) => {
      const body = `${connect(dialect, { id: 'feed:1' })}<b id="shown here"></b><b id="state.of-feed"></b>`;
      const { page } = await open({ body, config: { connection: 'feed:1', status: 'state.of-feed' } });
      await page.waitForSelector('#state\\.of-feed[data-state="live"]');
      assert.equal(await page.getAttribute('#connection-status', 'data-state'), null);
    });

    for (const autoReconnect of [true, false]) {
      scenario(dialect, `20. reconnect ${autoReconnect ? 'on' : 'off'}`, async ({ hub, open }) => {
        const { page } = await open({ config: { autoReconnect } });
        await shows(page, 'live');
        hub.proxy.cut();
        await hasShown(page, autoReconnect ? 'reconnecting' : 'closed');
        if (autoReconnect) await shows(page, 'live');
        else await sleep(1500);
        assert.equal(hub.proxy.events.length, autoReconnect ? 2 : 1);
      });
    }

    for (const reconnectDelay of [200, 2000]) {
      scenario(dialect, `20. a reconnect delay of ${reconnectDelay} ms`, async ({ hub, open, note }) => {
        const { page } = await open({ config: { reconnectDelay } });
        await shows(page, 'live');
        const cut = performance.now();
        hub.proxy.cut();
        await until(
          () => hub.proxy.events.length,
          (asked) => asked >= 2,
          'a second request',
        );
        const waited = (hub.proxy.events[1]?.at ?? 0) - cut;
        note(`waited ${Math.round(waited)} ms`);
        assert.ok(waited >= reconnectDelay / 2, `${waited} ms`);
      });
    }

    for (const heartbeatTimeout of [1000, null]) {
      scenario(
        dialect,
        `20. a heartbeat timeout of ${heartbeatTimeout ?? 'what the server says, never'}`,
        async ({ open }) => {
          const { page } = await open({ config: { heartbeatTimeout } });
          await shows(page, 'live');
          if (heartbeatTimeout === null) await sleep(4000);
          await shows(page, heartbeatTimeout === null ? 'live' : 'stale');
        },
        { options: SILENT },
      );
    }

    for (const [gap, isPrevented] of /** @type {const} */ ([
      ['report', false],
      ['reload', true],
    ])) {
      scenario(dialect, `20. a gap, ${gap}${isPrevented ? ' but prevented' : ''}`, async ({ hub, open }) => {
        const { page } = await open({ config: { gap } });
        await shows(page, 'live');
        await hub.publish('<i>old</i>');
        await has(page, ['old']);
        await page.evaluate((prevents) => {
          document.addEventListener('sse-kit:gap', (event) => {
            window.gap = JSON.parse(/** @type {CustomEvent} */ (event).detail.data).reason;
            if (prevents) event.preventDefault();
          });
        }, isPrevented);
        await hub.restart();
        await page.waitForFunction(() => window.gap === 'unknown-epoch');
        await shows(page, 'live');
        await sleep(500);
        assert.equal(await page.evaluate(() => window.gap), 'unknown-epoch', 'it is still the same page');
        await hub.publish('<i>new</i>');
        await has(page, ['old', 'new']);
      });
    }

    for (const debug of [true, false]) {
      scenario(dialect, `20. debug ${debug ? 'on' : 'off'}`, async ({ hub, open }) => {
        const { page } = await open({ config: { debug } });
        /** @type {string[]} */
        const said = [];
        page.on('console', (message) => message.text().startsWith('sse-kit:') && said.push(message.text()));
        await shows(page, 'live');
        hub.proxy.cut();
        await hasShown(page, 'reconnecting');
        await shows(page, 'live');
        const lines = said
          .map((line) => line.replace(/ \(.*/, ''))
          .filter((line) => !line.endsWith(': connecting to live'));
        const changes = ['live to reconnecting', 'reconnecting to live'].map(
          (change) => `sse-kit: sse-connection: ${change}`,
        );
        assert.deepEqual(lines, debug ? changes : []);
      });
    }

    for (const overlay of [true, false]) {
      scenario(dialect, `20. overlay ${overlay ? 'on' : 'off'}`, async ({ hub, open }) => {
        const { page } = await open({ config: { overlay } });
        await shows(page, 'live');
        const id = await hub.publish('<i>1</i>');
        await has(page, ['1']);
        const panel = page.locator('[data-sse-kit-overlay="sse-connection"]');
        assert.equal(await panel.count(), overlay ? 1 : 0);
        if (!overlay) return;
        hub.proxy.cut();
        await hasShown(page, 'reconnecting');
        await shows(page, 'live');
        await page.waitForFunction(() => /heartbeat \d+ ms late/.test(document.body.textContent ?? ''));
        const text = (await panel.textContent()) ?? '';
        for (const part of ['sse-connection: live', `last id ${id}`, 'last event sse-kit:', 'reconnects 1']) {
          assert.ok(text.includes(part), `${part}: ${text}`);
        }
      });
    }

    scenario(dialect, '20. indicators, as text and as HTML', async ({ hub, open }) => {
      const indicators = { live: { html: '<b>up</b>' }, reconnecting: { text: '<b>down</b>' } };
      const { page } = await open({ config: { indicators } });
      await shows(page, 'live');
      assert.equal(await page.innerHTML('#connection-status'), '<b>up</b>');
      hub.proxy.cut();
      // Both are read in one evaluation: the state may be live again by the next.
      await page.waitForFunction(() => {
        const status = document.getElementById('connection-status');
        return status?.dataset.state === 'reconnecting' && status.textContent === '<b>down</b>';
      });
    });

    scenario(
      dialect,
      '17. eight pages and back again, out of the back/forward cache',
      async ({ hub, open }) => {
        const { page } = await open();
        await shows(page, 'live');
        for (let n = 1; n <= 8; n += 1) {
          await page.goto(`${hub.proxy.base}/own/page?${n}`);
          await shows(page, 'live');
        }
        await until(hub.stats, ({ connections }) => connections === 1, 'one connection');
        for (let n = 7; n >= 0; n -= 1) {
          await page.goBack({ waitUntil: 'commit' });
          await page.waitForFunction((search) => location.search === search, n > 0 ? `?${n}` : '');
          await shows(page, 'live');
          await hub.publish(`<i>${n}</i>`);
          await page.waitForFunction(
            (text) => document.querySelector('#sse-connection i:last-child')?.textContent === text,
            `${n}`,
          );
        }
        // The cache holds a few pages only.
        const persisted = await page.evaluate(() => Number(sessionStorage.getItem('persisted')));
        assert.ok(persisted >= 3, `${persisted} came out of the cache`);
        await until(hub.stats, ({ connections }) => connections === 1, 'one connection');
      },
      { isWhole: true },
    );
  });
}
