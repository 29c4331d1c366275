// One element has one stream, whatever htmx or the page does to it: in all modes, on both versions of htmx.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launchBrowser } from './launch.js';
import { CONFIG } from './monitored.js';
import { until } from './patience.js';
import { down } from './proxy.js';
import { connect, hasLog, isIn, log, openProfile, STATUS, startSite } from './site.js';

/** @typedef {import('./site.js').Mode} Mode */

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

const MODES = /** @type {Mode[]} */ (['bare', 'monitor', 'tabs']);
/** @type {Record<Mode, import('./site.js').Transport[]>} */
const TRANSPORTS = { bare: ['direct'], monitor: ['direct'], tabs: ['worker', 'leader', 'direct'] };

/** @param {{connections: () => Promise<number>}} site */
const oneStream = (site) =>
  until(
    () => site.connections(),
    (found) => found === 1,
    'one stream',
  );

for (const mode of MODES) {
  describe(`htmx 4, ${mode}`, () => {
    for (const swap of ['outerMorph', 'innerMorph', 'outerHTML']) {
      test(`B4: ${swap} of a region with the connection, rendered at a newer cursor`, async (t) => {
        const site = await startSite(t, { client: 4, mode });
        const region = (/** @type {string} */ cursor, /** @type {string[]} */ ...items) => {
          const url = `/events?topic=a${cursor && `&last_event_id=${cursor}`}`;
          const inner = `${log(...items)}${connect(4, url)}`;
          return swap === 'innerMorph' ? inner : `<main id="main">${inner}</main>`;
        };
        const first = await site.append('0');
        const page = `${STATUS}<main id="main">${log('0')}${connect(4, `/events?topic=a&last_event_id=${first}`)}</main>
          <button hx-get="/region" hx-target="#main" hx-swap="${swap}">b</button>`;
        site.page('/a', page);
        const { open, complaints } = await openProfile(t, browser, site);
        const tab = await open();
        await site.hasConnections(1);
        const shown = ['0'];
        for (const n of ['1', '2', '3']) {
          const cursor = await site.append(n);
          shown.push(n);
          await hasLog(tab, shown);
          site.serve('/region', region(cursor, ...shown));
          const swapped = tab.waitForResponse('**/region');
          await tab.click('button');
          await swapped;
          await oneStream(site);
        }
        await site.append('4', '5');
        await hasLog(tab, [...shown, '4', '5']);
        assert.equal(await site.connections(), 1);
        if (mode !== 'bare') await isIn(tab, 'live');
        assert.deepEqual(complaints, []);
      });
    }

    for (const transport of TRANSPORTS[mode]) {
      test(`B4: a morph while the first request waits asks for no second stream, ${transport}`, async (t) => {
        const site = await startSite(t, { client: 4, mode });
        const first = await site.append('0');
        const region = `<main id="main">${log('0')}${connect(4, `/events?topic=a&last_event_id=${first}`)}</main>`;
        site.page('/a', `${STATUS}${region}<button hx-get="/region" hx-target="#main" hx-swap="outerMorph">b</button>`);
        site.serve('/region', region);
        const { open, complaints } = await openProfile(t, browser, site, transport);
        const release = site.proxy.hold();
        const tab = await open();
        for (let n = 0; n < 2; n += 1) {
          const swapped = tab.evaluate(
            () => new Promise((done) => addEventListener('htmx:after:swap', done, { once: true })),
          );
          await tab.click('button');
          await swapped;
        }
        await site.append('1');
        release();
        await hasLog(tab, ['0', '1']);
        await site.append('2');
        await hasLog(tab, ['0', '1', '2']);
        await oneStream(site);
        assert.equal(site.proxy.events.length, 1);
        if (mode !== 'bare') await isIn(tab, 'live');
        assert.deepEqual(complaints, []);
      });
    }

    test('B4: an element that is replaced while its request waits asks no more', async (t) => {
      const site = await startSite(t, { client: 4, mode });
      const region = (/** @type {string} */ topic) =>
        `<main id="main">${log()}${connect(4, `/events?topic=${topic}`)}</main>`;
      for (const swap of ['outerHTML', 'outerMorph']) {
        site.page(
          '/a',
          `${STATUS}${region('a')}<button hx-get="/region" hx-target="#main" hx-swap="${swap}">b</button>`,
        );
        site.serve('/region', region('b'));
        const { context, open, complaints } = await openProfile(t, browser, site, 'direct');
        const release = site.proxy.hold();
        const before = site.proxy.events.length;
        const tab = await open();
        await until(
          () => site.proxy.events.length - before,
          (count) => count === 1,
          'the request',
        );
        await tab.click('button');
        await until(
          () => site.proxy.events.at(-1)?.url ?? '',
          (url) => url.includes('topic=b'),
          'the other stream',
        );
        release();
        await oneStream(site);
        await site.publish('<i>not this</i>');
        await site.publish(`<i>${swap}</i>`, '?topic=b');
        await hasLog(tab, [swap]);
        await oneStream(site);
        assert.equal(site.proxy.events.length - before, 2);
        assert.deepEqual(complaints, []);
        await context.close();
        await site.hasConnections(0);
      }
    });

    for (const attributes of ['', 'hx-swap="beforeend show:none"']) {
      test(`B4: a morph with content that is older than the stream, or newer ${attributes && ', and other attributes'}`, async (t) => {
        const site = await startSite(t, { client: 4, mode });
        const ids = ['', await site.append('1')];
        const region = (/** @type {number} */ last, more = '') => {
          const shown = Array.from({ length: last }, (_, n) => `${n + 1}`);
          const held = connect(4, `/events?topic=a&last_event_id=${ids[last]}`);
          const named = '<p id="named" sse-kit-swap="n" hx-target="this" hx-swap="beforeend"></p>';
          const filled = named.replace('></p>', `>${shown.slice(1).join('')}</p>`);
          const element = held.replace('></div>', `>${filled}</div>`);
          return `<main id="main">${log(...shown)}${more ? element.replace('hx-swap="beforeend"', more) : element}</main>`;
        };
        site.page(
          '/a',
          `${STATUS}${region(1)}<button hx-get="/region" hx-target="#main" hx-swap="outerMorph">b</button>`,
        );
        const { open, complaints } = await openProfile(t, browser, site);
        const tab = await open();
        await site.hasConnections(1);
        const publish = async (/** @type {string} */ n) => {
          await site.publish(n, '?topic=a&event=n');
          ids.push(await site.append(n));
        };
        for (const n of ['2', '3', '4']) await publish(n);
        await hasLog(tab, ['1', '2', '3', '4']);
        // The content was rendered before the events that arrived during the request.
        site.serve('/region', region(2, attributes));
        await tab.click('button');
        await publish('5');
        await hasLog(tab, ['1', '2', '3', '4', '5']);
        // Once more, with the cursor that the element already has.
        const again = tab.evaluate(
          () => new Promise((done) => addEventListener('htmx:after:swap', done, { once: true })),
        );
        await tab.click('button');
        await again;
        await hasLog(tab, ['1', '2', '3', '4', '5']);
        // And events of the stream are still on their way.
        site.proxy.stall();
        await publish('6');
        site.serve('/region', region(6));
        const swapped = tab.waitForResponse('**/region');
        await tab.click('button');
        await swapped;
        site.proxy.cut();
        await publish('7');
        await hasLog(tab, ['1', '2', '3', '4', '5', '6', '7']);
        assert.equal(await tab.textContent('#named'), '234567');
        await oneStream(site);
        if (mode !== 'bare') await isIn(tab, 'live');
        assert.deepEqual(complaints, []);
      });
    }

    test('B7: an element that is preserved passes over what newer content shows', async (t) => {
      const site = await startSite(t, { client: 4, mode });
      const kept = (/** @type {string} */ cursor) =>
        connect(4, `/events?topic=a&last_event_id=${cursor}`, 'hx-preserve="true"');
      const first = await site.append('1');
      site.page(
        '/a',
        `${STATUS}<div id="all">${log('1')}${kept(first)}</div><button hx-get="/f" hx-target="#all" hx-swap="innerHTML">b</button>`,
      );
      const { open, complaints } = await openProfile(t, browser, site);
      const tab = await open();
      await site.hasConnections(1);
      site.proxy.stall();
      const second = await site.append('2');
      site.serve('/f', `<b id="swapped"></b>${log('1', '2')}${kept(second)}`);
      await tab.click('button');
      await tab.waitForSelector('#swapped', { state: 'attached' });
      site.proxy.cut();
      await site.append('3');
      await hasLog(tab, ['1', '2', '3']);
      await oneStream(site);
      assert.deepEqual(complaints, []);
    });

    test('B4: a morph while a stream waits to be tried again leaves one stream', async (t) => {
      const site = await startSite(t, { client: 4, mode });
      const first = await site.append('1');
      const region = (/** @type {string} */ more) =>
        `<main id="main">${log('1')}${connect(4, `/events?topic=a&last_event_id=${first}`, more)}</main>`;
      site.page(
        '/a',
        `${STATUS}${region('')}<button hx-get="/region" hx-target="#main" hx-swap="outerMorph">b</button>`,
      );
      // With other attributes, htmx opens a new stream.
      site.serve('/region', region('hx-sync="this:queue all"'));
      const { open, complaints } = await openProfile(t, browser, site);
      const tab = await open();
      await site.hasConnections(1);
      site.proxy.fault(down);
      site.proxy.cut();
      await until(
        () => site.proxy.events.length,
        (asked) => asked >= 2,
        'a try that failed',
      );
      const swapped = tab.evaluate(
        () => new Promise((done) => addEventListener('htmx:after:swap', done, { once: true })),
      );
      site.proxy.fault(); // htmx alone never retries a stream that has not begun
      await tab.click('button');
      await swapped;
      await site.append('2');
      await hasLog(tab, ['1', '2']);
      await oneStream(site);
      await site.append('3');
      await hasLog(tab, ['1', '2', '3']);
      if (mode !== 'bare') await isIn(tab, 'live');
      assert.equal(await site.connections(), 1);
      assert.deepEqual(complaints, []);
    });

    test('B4: a morph to another stream leaves the first', async (t) => {
      const site = await startSite(t, { client: 4, mode });
      site.page(
        '/a',
        `${STATUS}<main id="main">${log()}${connect(4, '/events?topic=a')}</main>
        <button hx-get="/region" hx-target="#main" hx-swap="outerMorph">b</button>`,
      );
      site.serve('/region', `<main id="main">${log()}${connect(4, '/events?topic=b')}</main>`);
      const { open } = await openProfile(t, browser, site);
      const tab = await open();
      await site.hasConnections(1);
      await tab.click('button');
      await until(
        () => site.proxy.events.at(-1)?.url ?? '',
        (url) => url.includes('topic=b'),
        'the other stream',
      );
      await oneStream(site);
      await site.publish('<i>not this</i>');
      await site.publish('<i>this</i>', '?topic=b');
      await hasLog(tab, ['this']);
      assert.equal(site.proxy.events.length, 2);
    });
  });

  describe(`htmx 2, ${mode}`, () => {
    test('B11: an element that is processed again has one stream, and each event once', async (t) => {
      const site = await startSite(t, { client: 2, mode });
      const inner = `<p id="named" sse-swap="n" hx-target="this" hx-swap="beforeend"></p>`;
      site.page('/a', `${STATUS}${log()}${connect(2, '/events?topic=a').replace('></div>', `>${inner}</div>`)}`);
      const { open, complaints } = await openProfile(t, browser, site);
      const tab = await open();
      await site.hasConnections(1);
      for (const n of ['1', '2', '3']) {
        await tab.evaluate((n) => {
          for (const id of ['sse-connection', 'named']) {
            const element = document.getElementById(id);
            if (element) element.className = `x${n}`;
          }
          window.htmx.process(document.body);
        }, n);
        await site.publish(n, '?topic=a&event=n');
        await site.append(n);
      }
      await hasLog(tab, ['1', '2', '3']);
      assert.equal(await tab.textContent('#named'), '123');
      assert.equal(await site.connections(), 1);
      assert.equal(site.proxy.events.length, 1);
      assert.deepEqual(complaints, []);
    });

    test('B11: an element whose content was rendered before what its stream has brought', async (t) => {
      const site = await startSite(t, { client: 2, mode });
      const first = await site.append('1');
      const url = `/events?topic=a&last_event_id=${first}`;
      site.page('/a', `${STATUS}${log('1')}${connect(2, url)}`);
      const { open, complaints } = await openProfile(t, browser, site);
      const tab = await open();
      await site.hasConnections(1);
      const second = await site.append('2');
      await site.append('3');
      await hasLog(tab, ['1', '2', '3']);
      // Does what a morph does; htmx 2 has no morph.
      await tab.evaluate((to) => {
        const [list, element] = [document.getElementById('log'), document.getElementById('sse-connection')];
        if (list) list.innerHTML = '<i>1</i><i>2</i>';
        element?.setAttribute('sse-connect', to);
        window.htmx.process(document.body);
      }, `/events?topic=a&last_event_id=${second}`);
      await site.append('4');
      await hasLog(tab, ['1', '2', '3', '4']);
      await oneStream(site);
      if (mode !== 'bare') await isIn(tab, 'live');
      assert.deepEqual(complaints, []);
    });

    test('B7: an element that is preserved keeps its stream, and it heals', async (t) => {
      const site = await startSite(t, { client: 2, mode });
      const kept = connect(2, '/events?topic=a', 'hx-preserve="true"');
      site.page('/a', `${STATUS}${log()}<div id="all">${kept}</div><button hx-get="/f" hx-target="#all">b</button>`);
      site.serve('/f', `<b id="swapped"></b>${kept}`);
      const { open, complaints } = await openProfile(t, browser, site);
      const tab = await open();
      await site.hasConnections(1);
      await tab.click('button');
      await tab.waitForSelector('#swapped', { state: 'attached' });
      await site.append('1');
      await hasLog(tab, ['1']);
      if (mode !== 'bare') await isIn(tab, 'live');
      site.proxy.cut();
      await site.append('2');
      await hasLog(tab, ['1', '2']);
      await oneStream(site);
      if (mode !== 'bare') await isIn(tab, 'live');
      assert.deepEqual(complaints, []);
    });

    test('B5: a boosted link to another stream begins where its page says', async (t) => {
      const site = await startSite(t, { client: 2, mode });
      site.page(
        '/a',
        `<main hx-boost="true">${STATUS}${log()}<a href="/b">b</a>${connect(2, '/events?topic=a')}</main>`,
      );
      const { open } = await openProfile(t, browser, site);
      const tab = await open();
      await site.hasConnections(1);
      await site.append('a1');
      await hasLog(tab, ['a1']);
      let cursor = '';
      for (const n of ['b1', 'b2', 'b3']) cursor = await site.publish(`<i>${n}</i>`, '?topic=b');
      const url = `/events?topic=b&last_event_id=${cursor}`;
      site.page('/b', `<main hx-boost="true">${STATUS}${log('b1', 'b2', 'b3')}${connect(2, url)}</main>`);
      await tab.click('a');
      await until(
        () => site.proxy.events.at(-1)?.url ?? '',
        (asked) => asked.includes('topic=b'),
        'the other stream',
      );
      await site.publish('<i>b4</i>', '?topic=b');
      await hasLog(tab, ['b1', 'b2', 'b3', 'b4']);
    });

    test('B14: a page out of the history resumes where its content is', async (t) => {
      const site = await startSite(t, { client: 2, mode });
      const cursor = await site.publish('<i>b3</i>', '?topic=b');
      const url = `/events?topic=b&last_event_id=${cursor}`;
      site.page('/b', `${STATUS}${log('b3')}<a hx-boost="true" href="/a">a</a>${connect(2, url)}`);
      site.page('/a', `${STATUS}<ul id="log"></ul><b id="other"></b>`);
      const { open } = await openProfile(t, browser, site);
      const tab = await open('/b');
      await site.hasConnections(1);
      await site.publish('<i>b4</i>', '?topic=b');
      await hasLog(tab, ['b3', 'b4']);
      await tab.click('a');
      await tab.waitForSelector('#other', { state: 'attached' });
      await tab.goBack();
      await tab.waitForSelector('#sse-connection', { state: 'attached' });
      await site.publish('<i>b5</i>', '?topic=b');
      await hasLog(tab, ['b3', 'b4', 'b5']);
    });
  });

  for (const client of /** @type {const} */ ([4, 2])) {
    test(`B11: htmx ${client}, ${mode}: an element that the page removes has no stream any more`, async (t) => {
      const site = await startSite(t, { client, mode, heartbeat: 0 });
      site.page('/a', `${STATUS}<main>${log()}${connect(client, '/events?topic=a')}</main>`);
      const { open, complaints } = await openProfile(t, browser, site, 'direct');
      const tab = await open();
      await site.hasConnections(1);
      await site.append('1');
      await hasLog(tab, ['1']);
      await tab.evaluate(() => {
        const main = document.querySelector('main');
        if (main) main.innerHTML = '';
      });
      await site.hasConnections(0);
      if (mode !== 'bare') await isIn(tab, 'closed');
      assert.deepEqual(complaints, []);
    });
  }
}

for (const client of /** @type {const} */ ([4, 2])) {
  test(`of elements that come and go the monitor keeps nothing, htmx ${client}`, async (t) => {
    const site = await startSite(t, { client, mode: 'monitor' });
    site.page('/a', `${STATUS}${log()}<main id="main"></main>`);
    const { context, open, complaints } = await openProfile(t, browser, site);
    const page = await open();
    await page.evaluate(() => {
      window.gone = [];
    });
    for (let round = 0; round < 5; round += 1) {
      const names = [1, 2, 3, 4].map((n) => `connection-${round}-${n}`);
      const elements = names.map((name) => {
        const block = JSON.stringify({ ...CONFIG, connection: name, overlay: true });
        const element = connect(client, '/events?topic=a').replace('sse-connection', name);
        return `<section>${element}<input><script type="application/json" data-sse-kit-monitor>${block}</script></section>`;
      });
      await page.evaluate((html) => {
        const main = document.getElementById('main');
        if (!main) throw new Error('it is there');
        main.innerHTML = html;
        for (const input of document.querySelectorAll('input')) {
          input.value = 'edited';
          input.dispatchEvent(new Event('input', { bubbles: true }));
        }
        window.htmx.process(main);
      }, elements.join(''));
      await site.hasConnections(4);
      assert.ok(await page.evaluate((name) => window.sseKit.monitor.watches(name), names[0] ?? ''));
      assert.equal(await page.locator('[data-sse-kit-overlay]').count(), 4);
      await page.evaluate(() => {
        for (const element of document.querySelectorAll('section')) {
          for (const child of element.children) window.gone.push(new WeakRef(child));
          element.remove();
        }
      });
      await site.hasConnections(0);
      await until(
        () => page.locator('[data-sse-kit-overlay]').count(),
        (count) => count === 0,
        'no connection is shown',
      );
      assert.deepEqual(
        await page.evaluate((names) => names.filter((name) => window.sseKit.monitor.watches(name)), names),
        [],
      );
    }
    const session = await context.newCDPSession(page);
    await until(
      async () => {
        await session.send('HeapProfiler.collectGarbage');
        return page.evaluate(() =>
          window.gone.flatMap((/** @type {WeakRef<Element>} */ kept) => kept.deref()?.tagName ?? []),
        );
      },
      (kept) => kept.length === 0,
      'no element is kept',
    );
    assert.deepEqual(complaints, []);
  });
}
