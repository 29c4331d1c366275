// The monitor on both versions of htmx and without htmx, with the real hub behind a proxy that injects
// faults.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONFIG, changes, connect, has, hasShown, shows } from './monitored.js';
import { until } from './patience.js';
import { acceptThenClose, answer, down } from './proxy.js';
import { label, scenario } from './scenario.js';

/**
 * @typedef {import('./monitored.js').Dialect} Dialect
 * @typedef {import('./scenario.js').Hub} Hub
 */

const item = (/** @type {number | string} */ n) => `<i>${n}</i>`;
const numbers = (/** @type {number} */ from, /** @type {number} */ to) =>
  Array.from({ length: to - from + 1 }, (_, n) => String(from + n));

/** Publishes numbers, one after the other. @param {Hub} hub @param {string[]} values */
async function publish(hub, values) {
  for (const value of values) await hub.publish(item(value));
}

/** The states that a page went through. @param {import('playwright-core').Page} page */
const path = async (page) => (await changes(page)).map(({ to }) => to);

for (const dialect of /** @type {Dialect[]} */ ([4, 2, 'plain'])) {
  describe(label(dialect), { concurrency: 3 }, () => {
    scenario(dialect, '1. a page is live, with one connection', async ({ hub, open, note }) => {
      const { page } = await open();
      note(`live after ${await shows(page, 'live')} ms`);
      assert.equal((await hub.stats()).connections, 1);
      assert.equal(hub.proxy.events.length, 1);
      assert.deepEqual(await path(page), ['live']);
    });

    scenario(dialect, '2. events are appended in order', async ({ hub, open }) => {
      const { page } = await open();
      await shows(page, 'live');
      await publish(hub, numbers(1, 100));
      await has(page, numbers(1, 100));
    });

    if (dialect === 2) {
      scenario(dialect, '2. named events, and what is out of band', async ({ hub, open }) => {
        const inner = '<p id="named" sse-swap="one, two" hx-swap="beforeend"></p><b id="band"></b>';
        const { page } = await open({ body: connect(2, { inner, attributes: 'hx-swap="none"' }) });
        await shows(page, 'live');
        await hub.publish('1', '&event=one');
        await hub.publish('2', '&event=two');
        await hub.publish('3', '&event=three');
        await hub.publish('<b id="band" hx-swap-oob="true">4</b>');
        await page.waitForFunction(() => document.getElementById('band')?.textContent === '4');
        assert.equal(await page.textContent('#named'), '12');
      });
    }

    scenario(dialect, '3. a close event ends it, and nothing is asked for again', async ({ hub, open }) => {
      const { page } = await open();
      await shows(page, 'live');
      await publish(hub, ['0', '50', '100']);
      await hub.publish('{}', '&event=done');
      await shows(page, 'closed');
      await has(page, ['0', '50', '100']);
      await sleep(5000);
      assert.equal(hub.proxy.events.length, 1);
      assert.equal((await hub.stats()).connections, 0);
    });

    scenario(dialect, '4. a stream that is cut goes on where it was', async ({ hub, open }) => {
      const { page } = await open();
      await shows(page, 'live');
      await publish(hub, numbers(1, 10));
      await has(page, numbers(1, 10));
      hub.proxy.cut();
      await publish(hub, numbers(11, 15));
      await shows(page, 'live');
      await has(page, numbers(1, 15));
    });

    scenario(dialect, '5. refusals on the way back lose nothing', async ({ hub, open }) => {
      const { page } = await open();
      await shows(page, 'live');
      await publish(hub, numbers(1, 3));
      await has(page, numbers(1, 3));
      hub.proxy.faults(answer(503), answer(503));
      hub.proxy.cut();
      await publish(hub, numbers(4, 6));
      await has(page, numbers(1, 6));
      await shows(page, 'live');
      assert.equal(hub.proxy.events.length, 4);
      assert.equal(await page.locator('#error-page').count(), 0);
    });

    scenario(dialect, '6. a server that was away is found again', async ({ hub, open, note }) => {
      const { page } = await open({ config: { reconnectDelay: 1000 } });
      await shows(page, 'live');
      hub.proxy.fault(down);
      hub.proxy.cut();
      await shows(page, 'reconnecting');
      await sleep(4000);
      hub.proxy.fault();
      note(`found ${await shows(page, 'live')} ms after it was back; it was away for 4 s`);
      await publish(hub, ['later']);
      await has(page, ['later']);
    });

    scenario(
      dialect,
      '7. a server that was restarted says that there is a gap, and the page loads itself anew',
      async ({ hub, open }) => {
        const { page } = await open();
        await shows(page, 'live');
        await publish(hub, ['old']);
        await has(page, ['old']);
        await page.evaluate(() => {
          window.isOld = true;
        });
        await hub.restart();
        await page.waitForFunction(() => !window.isOld);
        await shows(page, 'live');
        await publish(hub, ['new']);
        await has(page, ['new']);
      },
    );

    for (const first of [true, false]) {
      scenario(dialect, `8. status 204 ${first ? 'at first' : 'later'} is the end`, async ({ hub, open }) => {
        if (first) hub.proxy.fault(answer(204));
        const { page } = await open();
        if (!first) {
          await shows(page, 'live');
          hub.proxy.fault(answer(204));
          hub.proxy.cut();
        }
        await shows(page, 'closed');
        await sleep(5000);
        assert.equal(hub.proxy.events.length, first ? 1 : 2);
        assert.equal(await page.getAttribute('#connection-status', 'data-state'), 'closed');
      });
    }

    scenario(dialect, '9. a refusal at first is not shown, and tried again', async ({ hub, open }) => {
      hub.proxy.fault(answer(503));
      const { page } = await open();
      await shows(page, 'reconnecting');
      await sleep(1500);
      assert.equal(await page.locator('#error-page').count(), 0);
      hub.proxy.fault();
      await shows(page, 'live');
      await publish(hub, ['1']);
      await has(page, ['1']);
    });

    for (const [what, fault] of /** @type {const} */ ([
      ['a server that accepts and closes', acceptThenClose],
      ['a login page instead of a stream', answer(200)],
    ])) {
      scenario(dialect, `10. ${what} is not asked more than six times in 10 s`, async ({ hub, open }) => {
        const { page } = await open({ config: { reconnectDelay: 1000 } });
        await shows(page, 'live');
        const before = hub.proxy.events.length;
        hub.proxy.fault(fault);
        hub.proxy.cut();
        const cut = performance.now();
        await sleep(10_000);
        await until(
          () => hub.proxy.events.length,
          (asked) => asked >= before + 2,
          'two requests',
        );
        const asked = hub.proxy.events.slice(before).filter(({ at }) => at < cut + 10_000).length;
        assert.ok(asked <= 6, `${asked} requests`);
        assert.equal(await page.locator('#error-page').count(), 0);
        hub.proxy.fault();
        await shows(page, 'live');
      });
    }

    scenario(dialect, '11. a stream that falls silent is stale, and made anew', async ({ hub, open }) => {
      const { page } = await open();
      await shows(page, 'live');
      await publish(hub, ['1']);
      await has(page, ['1']);
      hub.proxy.stall();
      await publish(hub, ['missed']);
      await hasShown(page, 'stale');
      await shows(page, 'live');
      await has(page, ['1', 'missed']);
      assert.deepEqual(await path(page), ['live', 'stale', 'reconnecting', 'live']);
    });

    scenario(dialect, '11. an answer that does not come is not waited for without end', async ({ hub, open }) => {
      const { page } = await open({ config: { heartbeatTimeout: 1500 } });
      await shows(page, 'live');
      hub.proxy.delay(1_000_000);
      hub.proxy.cut();
      await shows(page, 'reconnecting');
      await until(
        () => hub.proxy.events.length,
        (asked) => asked >= 2,
        'a second request',
      );
      hub.proxy.delay(0);
      await shows(page, 'live');
    });

    scenario(dialect, '12. without network it is offline, and live again with it', async ({ hub, open }) => {
      const { page, context } = await open();
      await shows(page, 'live');
      await context.setOffline(true);
      hub.proxy.cut();
      await shows(page, 'offline');
      await publish(hub, ['meanwhile']);
      await sleep(1500);
      assert.equal(await page.getAttribute('#connection-status', 'data-state'), 'offline');
      await context.setOffline(false);
      await shows(page, 'live');
      await has(page, ['meanwhile']);
    });

    scenario(dialect, '13. what comes while it is hidden is there when it is shown', async ({ hub, open }) => {
      const { page } = await open();
      await shows(page, 'live');
      await hide(page, true);
      if (dialect === 4) await shows(page, 'paused');
      await publish(hub, numbers(1, 5));
      await sleep(500);
      await hide(page, false);
      await shows(page, 'live');
      await has(page, numbers(1, 5));
      if (dialect !== 4) assert.equal(hub.proxy.events.length, 1);
    });

    scenario(dialect, '18. payloads and settings run no script under a strict policy', async ({ hub, open }) => {
      const hostile = '</script><img src=x onerror="window.hacked=1">\u2028';
      const indicators = { live: { text: hostile } };
      const opened = await open({ config: { indicators } });
      const { page, complaints } = opened;
      await shows(page, 'live');
      assert.equal(await page.textContent('#connection-status'), hostile);
      assert.deepEqual(complaints, []);
      await hub.publish(
        '<i onclick="window.hacked=1">x</i><script>window.hacked=1</script><img src="x" onerror="window.hacked=1">',
      );
      await has(page, ['x']);
      await page.click('#sse-connection i');
      await sleep(200);
      assert.equal(await page.evaluate(() => window.hacked), undefined);
      // The policy reports a violation for this payload.
      complaints.length = 0;
    });
  });
}

for (const dialect of /** @type {Dialect[]} */ ([4, 2])) {
  describe(`wherever it stands, htmx ${dialect}`, { concurrency: 3 }, () => {
    for (const place of /** @type {const} */ (['first', 'last', 'deferred', 'late'])) {
      scenario(dialect, `the monitor loads ${place}`, async ({ hub, open }) => {
        const { page } = await open({ place });
        if (place === 'late') {
          await page.waitForFunction(() => document.readyState === 'complete');
          await publish(hub, ['0']);
          await has(page, ['0']);
          // By a nonce that the policy lets through.
          await page.evaluate(async () => {
            const script = Object.assign(document.createElement('script'), { src: '/own/monitor.js', nonce: 'r4nd0m' });
            document.head.append(script);
            await new Promise((resolve) => script.addEventListener('load', resolve));
          });
        }
        await shows(page, 'live');
        await publish(hub, ['1']);
        await has(page, place === 'late' ? ['0', '1'] : ['1']);
        hub.proxy.faults(answer(503));
        hub.proxy.cut();
        await hasShown(page, 'reconnecting');
        await publish(hub, ['2']);
        await shows(page, 'live');
        await has(page, place === 'late' ? ['0', '1', '2'] : ['1', '2']);
      });
    }

    scenario(dialect, 'what else an element asks for is its own business', async ({ hub, open }) => {
      const { page } = await open();
      await shows(page, 'live');
      await page.evaluate(() => {
        const source = document.getElementById('sse-connection');
        /** @type {any} */ (window).htmx.ajax('GET', '/healthz', { source, target: source, swap: 'beforeend' });
      });
      await page.waitForFunction(() => document.getElementById('sse-connection')?.textContent?.includes('ok'));
      await publish(hub, ['1']);
      await has(page, ['1']);
      assert.equal(hub.proxy.events.length, 1);
    });

    scenario(dialect, "two connections of a page do not get in each other's way", async ({ hub, open }) => {
      const other = connect(dialect, { id: 'other', url: '/events?topic=b' });
      const { page } = await open({
        body: `${connect(dialect)}${other}<p id="other-status"></p>`,
        more: [{ ...CONFIG, connection: 'other', status: 'other-status' }],
      });
      await shows(page, 'live');
      await page.waitForSelector('#other-status[data-state="live"]', { state: 'attached' });
      await hub.publish(item(1));
      await has(page, ['1']);
      await page.evaluate(() => document.getElementById('other')?.remove());
      await page.evaluate(() => /** @type {any} */ (window).htmx.trigger(document.body, 'x'));
      await hub.publish(item(2));
      await has(page, ['1', '2']);
      assert.equal(await page.getAttribute('#connection-status', 'data-state'), 'live');
    });
  });
}

/**
 * Hides a page as its browser would, or shows it.
 *
 * @param {import('playwright-core').Page} page
 * @param {boolean} isHidden
 */
async function hide(page, isHidden) {
  await page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    Object.defineProperty(document, 'visibilityState', { value: hidden ? 'hidden' : 'visible', configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, isHidden);
}
