// Faults of pages and browsers: handlers that throw, streams joined twice, refused cookies and channels, a
// late status element, suspended tabs.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launchBrowser } from './launch.js';
import { until } from './patience.js';
import { answer } from './proxy.js';
import { connect, hasLog, isIn, log, logOf, openProfile, STATUS, setHidden, startSite } from './site.js';
import { goesBy } from './transport.js';

/** @typedef {import('./site.js').Transport} Transport */

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

const TRANSPORTS = /** @type {Transport[]} */ (['worker', 'leader', 'direct']);

/** In a page: the kind of source. @typedef {'native' | 'shared' | 'monitored'} Kind */

/** In a page: opens a source, and keeps what it says in `window.heard`. @param {{kind: Kind, throws?: string, closesAt?: string}} how */
function openSource({ kind, throws = '', closesAt = '' }) {
  const url = '/events?topic=a';
  window.heard = [];
  const source =
    kind === 'native'
      ? new EventSource(url)
      : kind === 'shared'
        ? new window.SharedEventSource(url)
        : window.sseKit.monitor.open('sse-connection', url);
  window.source = source;
  for (const name of ['open', 'message', 'error']) {
    source[`on${name}`] = () => {
      if (name === throws) throw new Error(`thrown by on${name}`);
    };
  }
  source.addEventListener('open', () => window.heard.push('open'));
  source.addEventListener('message', (/** @type {MessageEvent} */ { data }) => {
    window.heard.push(data);
    if (data === closesAt) source.close();
  });
}

/** In a page: opens two sources of one stream, of which one resumes. @param {string} cursor */
function joinTogether(cursor) {
  window.greeted = 0;
  for (const [name, rest] of Object.entries({ resumed: `&last_event_id=${cursor}`, fresh: '' })) {
    /** @type {string[]} */
    const heard = [];
    Object.assign(window, { [name]: heard });
    const source = new window.SharedEventSource(`/events?topic=a${rest}`);
    source.addEventListener('sse-kit:hello', () => {
      window.greeted += 1;
    });
    source.addEventListener('sse-kit:gap', () => heard.push('gap'));
    source.addEventListener('message', (/** @type {MessageEvent} */ { data }) => heard.push(data));
  }
}

/** @param {import('playwright-core').Page} page @param {string[]} expected the data, and nothing else but `open` */
async function heard(page, expected) {
  const last = expected.at(-1);
  await page.waitForFunction((last) => window.heard.at(-1) === last, last);
  const found = await page.evaluate(() => window.heard.filter((/** @type {string} */ word) => word !== 'open'));
  assert.deepEqual(found, expected);
}

for (const kind of /** @type {Kind[]} */ (['native', 'shared', 'monitored'])) {
  const mode = kind === 'shared' ? 'tabs' : 'monitor';
  describe(`handlers of the page, ${kind} source`, () => {
    for (const throws of ['message', 'open', 'error']) {
      test(`B3: what on${throws} throws is reported, and changes nothing else`, async (t) => {
        const site = await startSite(t, { client: 'plain', mode });
        site.page('/a', `${STATUS}${connect('plain', '')}`);
        const { open, complaints } = await openProfile(t, browser, site);
        const page = await open();
        await page.evaluate(openSource, /** @type {any} */ ({ kind, throws }));
        await site.hasConnections(1);
        for (const n of ['1', '2', '3']) await site.publish(n);
        await heard(page, ['1', '2', '3']);
        assert.equal(site.proxy.events.length, 1);
        if (throws === 'error') {
          site.proxy.cut();
          await site.publish('4');
          await heard(page, ['1', '2', '3', '4']);
        }
        await site.hasConnections(1);
        assert.ok(complaints.length > 0 && complaints.every((error) => error.includes('thrown by')), complaints.join());
      });
    }

    test('B8: nothing comes after close(), though it is there already', async (t) => {
      const site = await startSite(t, { client: 'plain', mode });
      site.page('/a', `${STATUS}${connect('plain', '')}`);
      const { open } = await openProfile(t, browser, site);
      const page = await open();
      site.proxy.faults((_, response) => {
        const events = [1, 2, 3, 4, 5].map((n) => `id: a-${n}\ndata: ${n}\n\n`).join('');
        response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(events);
      });
      await page.evaluate(openSource, /** @type {any} */ ({ kind, closesAt: '2' }));
      await heard(page, ['1', '2']);
      // After another round trip, all earlier events have arrived.
      await page.evaluate(() => fetch('/healthz'));
      await heard(page, ['1', '2']);
      assert.equal(await page.evaluate(() => window.source.readyState), 2);
    });
  });
}

for (const transport of TRANSPORTS) {
  describe(`joining a stream again, ${transport}`, () => {
    test('B1: a second source of a live stream has its events, and takes them from nobody', async (t) => {
      const site = await startSite(t, { client: 'plain', mode: 'tabs' });
      site.page('/a', STATUS);
      const { open, complaints } = await openProfile(t, browser, site, transport);
      const [page, other] = [await open(), await open()];
      for (const tab of [page, other]) {
        await tab.evaluate(openSource, /** @type {any} */ ({ kind: 'shared' }));
        await tab.waitForFunction(() => window.heard.includes('open'));
      }
      await site.publish('1');
      for (const tab of [page, other]) await heard(tab, ['1']);
      await page.evaluate(() => {
        const second = new window.SharedEventSource('/events?topic=a');
        window.second = [];
        second.onopen = () => window.second.push('open');
        second.onmessage = (/** @type {MessageEvent} */ { data }) => window.second.push(data);
      });
      await page.waitForFunction(() => window.second.includes('open'));
      await site.publish('2');
      for (const tab of [page, other]) await heard(tab, ['1', '2']);
      await page.waitForFunction(() => window.second.at(-1) === '2');
      assert.deepEqual(await page.evaluate(() => window.second), ['open', '2']);
      assert.equal(site.proxy.events.length, transport === 'direct' ? 2 : 1);
      assert.deepEqual(complaints, []);
    });

    test('B1: a boosted link to a page with the same stream, htmx 2', async (t) => {
      const site = await startSite(t, { client: 2, mode: 'tabs' });
      const body = `<main hx-boost="true">${STATUS}${log()}<a href="/b">b</a>${connect(2, '/events?topic=a')}</main>`;
      site.page('/a', body);
      site.page('/b', body.replace('<ul', '<b id="second"></b><ul'));
      const { open, complaints } = await openProfile(t, browser, site, transport);
      const [page, other] = [await open(), await open()];
      for (const tab of [page, other]) await isIn(tab, 'live');
      await page.click('a');
      await page.waitForSelector('#second', { state: 'attached' });
      await isIn(page, 'live');
      await site.append('1', '2');
      await hasLog(page, ['1', '2']);
      await hasLog(other, ['1', '2']);
      assert.deepEqual(complaints, []);
    });

    test('B19: what the page has left is not listed', async (t) => {
      const site = await startSite(t, { client: 'plain', mode: 'tabs' });
      site.page('/a', STATUS);
      const { open } = await openProfile(t, browser, site, transport);
      const page = await open();
      const urls = () => page.evaluate(() => window.sseKit.tabs.upstreams().map((/** @type {any} */ { url }) => url));
      await page.evaluate(() => {
        window.first = new window.SharedEventSource('/events?topic=a');
        window.second = new window.SharedEventSource('/events?topic=b');
      });
      await until(urls, (found) => found.length === 2, 'both streams');
      await page.evaluate(() => window.first.close());
      await until(urls, (found) => found.length === 1 && found[0].endsWith('topic=b'), 'the stream that is used');
    });

    test('B13: a relative URL is relative to the base of the document', async (t) => {
      const site = await startSite(t, { client: 2, mode: 'tabs' });
      site.page('/deep/er', `${STATUS}${log()}${connect(2, 'events?topic=a')}`, {}, '<base href="/">');
      const { open } = await openProfile(t, browser, site, transport);
      const page = await open('/deep/er');
      await isIn(page, 'live');
      assert.equal(
        await page.evaluate(() => new window.SharedEventSource('events?topic=a').url),
        `${site.base}/events?topic=a`,
      );
      await site.append('1');
      await hasLog(page, ['1']);
    });

    test('a source without a cursor has neither the events nor the gap of one that joins with it', async (t) => {
      const site = await startSite(t, { client: 'plain', mode: 'tabs' });
      site.page('/a', `${STATUS}${connect('plain', '')}`);
      const cursor = await site.publish('1');
      const published = ['1', '2'];
      await site.publish('2');
      for (const [last, missed] of /** @type {const} */ ([
        [cursor, '2'],
        ['dead-1', 'gap'],
      ])) {
        const { context, open } = await openProfile(t, browser, site, transport);
        const page = await open();
        await page.evaluate(joinTogether, last);
        await page.waitForFunction(() => window.greeted === 2);
        published.push(`${published.length + 1}`);
        const news = published.at(-1) ?? '';
        await site.publish(news);
        await page.waitForFunction((news) => window.resumed.includes(news) && window.fresh.includes(news), news);
        const { resumed, fresh } = await page.evaluate(() => ({ resumed: window.resumed, fresh: window.fresh }));
        assert.equal(resumed[0], missed);
        assert.equal(resumed.at(-1), news);
        assert.deepEqual(fresh, [news]);
        await context.close();
      }
    });

    test('B12: a plain page with a shared source and a monitor shows its state', async (t) => {
      const site = await startSite(t, { client: 'plain', mode: 'tabs' });
      site.page('/a', `${STATUS}${connect('plain', '')}`);
      const { open } = await openProfile(t, browser, site, transport);
      const page = await open();
      await page.evaluate(openSource, /** @type {any} */ ({ kind: 'shared' }));
      await isIn(page, 'live');
      site.proxy.fault(answer(503));
      site.proxy.cut();
      await isIn(page, 'reconnecting');
      site.proxy.fault(answer(403));
      await isIn(page, 'closed');
    });
  });
}

describe('B6: a leader that does not run', () => {
  for (const client of /** @type {const} */ ([4, 2])) {
    test(`its followers go on, and a new tab connects, htmx ${client}`, async (t) => {
      const site = await startSite(t, { client, mode: 'tabs', htmx: { sse: { pauseOnBackground: false } } });
      site.page('/a', `${STATUS}${log()}${connect(client, '/events?topic=a')}`);
      const { open } = await openProfile(t, browser, site, 'leader');
      const [leader, follower] = [await open(), await open()];
      for (const tab of [leader, follower]) await isIn(tab, 'live');
      await site.append('1');
      for (const tab of [leader, follower]) await hasLog(tab, ['1']);
      /** @type {(value?: unknown) => void} */
      let asked = () => {};
      const dialog = new Promise((resolve) => {
        asked = resolve;
      });
      leader.once('dialog', (its) => asked(its));
      leader.evaluate(() => setTimeout(() => confirm('Are you sure?')));
      const open_ = /** @type {import('playwright-core').Dialog} */ (await dialog);
      try {
        await site.append('2');
        await hasLog(follower, ['1', '2']);
        const late = await open();
        await isIn(late, 'live');
        await site.append('3');
        await hasLog(late, ['3']);
      } finally {
        await open_.accept(); // a page with a dialog cannot be closed, and a failure would hang
      }
      await hasLog(leader, ['1', '2', '3']);
      await hasLog(follower, ['1', '2', '3']);
      await site.hasConnections(1);
      await site.append('4');
      for (const tab of [leader, follower]) await hasLog(tab, ['1', '2', '3', '4']);
    });
  }
});

/** In a page: replaces the clock by one that the test moves, so a slow machine makes no difference. */
function ownClock() {
  let now = 0;
  let last = 0;
  /** @type {Map<number, {at: number, act: () => void}>} */
  const timers = new Map();
  const setTimeout = (/** @type {() => void} */ act, delay = 0) => {
    last += 1;
    timers.set(last, { at: now + delay, act });
    return last;
  };
  const clearTimeout = (/** @type {number} */ id) => timers.delete(id);
  const pass = (/** @type {number} */ milliseconds) => {
    const end = now + milliseconds;
    for (;;) {
      const [first] = [...timers].sort(([, one], [, other]) => one.at - other.at);
      if (!first || first[1].at > end) break;
      timers.delete(first[0]);
      now = first[1].at;
      first[1].act();
    }
    now = end;
  };
  performance.now = () => now;
  Object.assign(globalThis, { setTimeout, clearTimeout, pass });
}

for (const { heartbeat, tabs, timeout } of [
  { heartbeat: 1, tabs: {}, timeout: 2500 },
  { heartbeat: 60, tabs: { heartbeatTimeout: 4000 }, timeout: 4000 },
]) {
  test(`B6: followers notice within the heartbeat timeout, ${timeout} ms`, async (t) => {
    const site = await startSite(t, { client: 'plain', mode: 'tabs', heartbeat, tabs });
    site.page('/a', `${STATUS}${log()}${connect('plain', '/events?topic=a')}`);
    const { open } = await openProfile(t, browser, site, 'leader');
    const leader = await open();
    const follower = await open('/nothing');
    await follower.addInitScript(ownClock);
    await follower.goto(`${site.base}/a`);
    for (const tab of [leader, follower]) await tab.evaluate(openSource, /** @type {any} */ ({ kind: 'shared' }));
    await until(
      () => follower.evaluate(() => window.source.readyState),
      (state) => state === 1,
      'the follower is open',
    );
    leader.evaluate(() => setTimeout(() => confirm('Are you sure?')));
    const dialog = await leader.waitForEvent('dialog');
    const holder = () =>
      follower.evaluate(
        async () => (await navigator.locks.query()).held?.find(({ name }) => name?.includes('leader'))?.clientId,
      );
    const before = await holder();
    try {
      await follower.evaluate((milliseconds) => window.pass(milliseconds), timeout);
      await until(holder, (found) => found !== undefined && found !== before, 'another leader');
    } finally {
      await dialog.dismiss(); // a page with a dialog cannot be closed, and a failure would hang
    }
  });
}

for (const [what, refuse] of /** @type {[string, () => void][]} */ ([
  [
    'locks are refused, as where cookies are blocked',
    () => {
      Reflect.deleteProperty(globalThis, 'SharedWorker');
      navigator.locks.request = () => Promise.reject(new DOMException('refused', 'SecurityError'));
    },
  ],
  [
    'channels are refused, as in Firefox',
    () => {
      Reflect.deleteProperty(globalThis, 'SharedWorker');
      Object.assign(globalThis, {
        BroadcastChannel: class {
          constructor() {
            throw new DOMException('refused', 'SecurityError');
          }
        },
      });
    },
  ],
  [
    'the worker and channels are refused',
    () => {
      const refused = class {
        constructor() {
          throw new DOMException('refused', 'SecurityError');
        }
      };
      Object.assign(globalThis, { SharedWorker: refused, BroadcastChannel: refused });
    },
  ],
])) {
  for (const client of /** @type {const} */ ([4, 2, 'plain'])) {
    test(`B2: ${what}: ${client === 'plain' ? 'no htmx' : `htmx ${client}`} connects directly`, async (t) => {
      const site = await startSite(t, { client, mode: 'tabs' });
      site.page('/a', `${STATUS}${log()}${connect(client, '/events?topic=a')}`);
      const { context, open, complaints } = await openProfile(t, browser, site);
      await context.addInitScript(refuse);
      const page = await open();
      if (client === 'plain') await page.evaluate(openSource, /** @type {any} */ ({ kind: 'shared' }));
      await site.hasConnections(1);
      await isIn(page, 'live');
      await site.append('1');
      if (client === 'plain') await heard(page, ['<i>1</i>']);
      else await hasLog(page, ['1']);
      await goesBy(page, 'direct');
      assert.deepEqual(complaints, []);
    });
  }
}

for (const client of /** @type {const} */ ([4, 2])) {
  for (const mode of /** @type {const} */ (['monitor', 'tabs'])) {
    test(`B9: a status element that is swapped in shows the state, htmx ${client}, ${mode}`, async (t) => {
      const site = await startSite(t, { client, mode });
      const button = '<button hx-get="/header" hx-target="#header" hx-swap="outerHTML">b</button>';
      site.page('/a', `<header id="header">${STATUS}</header>${button}${connect(client, '/events?topic=a')}`);
      site.serve('/header', `<header id="header"><b id="new"></b>${STATUS}</header>`);
      const { open } = await openProfile(t, browser, site);
      const page = await open();
      await isIn(page, 'live');
      await page.click('button');
      await page.waitForSelector('#new', { state: 'attached' });
      await isIn(page, 'live');
    });

    test(`B12: Retry-After is respected, htmx ${client}, ${mode}`, async (t) => {
      const site = await startSite(t, { client, mode });
      site.page('/a', `${STATUS}${log()}${connect(client, '/events?topic=a')}`);
      const { open } = await openProfile(t, browser, site);
      const page = await open();
      await isIn(page, 'live');
      site.proxy.fault((_, response) => response.writeHead(503, { 'Retry-After': '4' }).end());
      site.proxy.cut();
      await until(
        () => site.proxy.events.length,
        (requests) => requests === 3,
        'two more requests',
      );
      const [, refused, next] = site.proxy.events;
      const waited = (next?.at ?? 0) - (refused?.at ?? 0);
      assert.ok(waited >= 3900, `the next request came after ${waited} ms`);
      site.proxy.fault();
      await isIn(page, 'live');
    });
  }
}

test('B15: a hidden tab stays paused when another is opened', async (t) => {
  const site = await startSite(t, { client: 4, mode: 'tabs' });
  site.page('/a', `${STATUS}${log()}${connect(4, '/events?topic=a')}`);
  const { open } = await openProfile(t, browser, site);
  const first = await open();
  await isIn(first, 'live');
  await first.evaluate(setHidden, true);
  await isIn(first, 'paused');
  await first.evaluate(() => {
    window.states = [];
    document.addEventListener('sse-kit:state', (event) => window.states.push(/** @type {any} */ (event).detail.to));
  });
  await open();
  await first.waitForFunction(() => window.sseKit.tabs.count === 2);
  await site.append('1');
  assert.deepEqual(await first.evaluate(() => window.states), []);
  await first.evaluate(setHidden, false);
  await isIn(first, 'live');
  await hasLog(first, ['1']);
});

for (const client of /** @type {const} */ ([4, 2])) {
  for (const mode of /** @type {const} */ (['bare', 'monitor', 'tabs'])) {
    test(`B10: view transitions do not make a page fall behind, htmx ${client}, ${mode}`, async (t) => {
      const htmx = client === 4 ? { transitions: true } : { globalViewTransitions: true };
      const site = await startSite(t, { client, mode, htmx });
      // Control: a swap outside the stream has its transition.
      const button = '<button hx-get="/other" hx-target="#other">b</button><b id="other"></b>';
      site.page('/a', `${STATUS}${log()}<p id="p"></p>${button}${connect(client, '/events?topic=a')}`);
      site.serve('/other', 'swapped');
      const { context, open, complaints } = await openProfile(t, browser, site);
      await context.addInitScript(() => {
        const start = document.startViewTransition.bind(document);
        window.transitions = 0;
        document.startViewTransition = (update) => {
          window.transitions += 1;
          return start(update);
        };
      });
      const page = await open();
      await site.hasConnections(1);
      const numbers = Array.from({ length: 100 }, (_, n) => `${n}`);
      for (const n of numbers) {
        await site.publish(`<hx-partial hx-target="#p" hx-swap="innerHTML">${n}</hx-partial>`);
        await site.append(n);
      }
      await hasLog(page, numbers);
      assert.equal(await page.textContent('#p'), '99');
      assert.equal((await logOf(page)).length, 100);
      assert.equal(await page.evaluate(() => window.transitions), 0);
      await page.click('button');
      await page.waitForFunction(() => document.getElementById('other')?.textContent === 'swapped');
      assert.equal(await page.evaluate(() => window.transitions), 1);
      await site.append('last');
      await hasLog(page, [...numbers, 'last']);
      assert.deepEqual(complaints, []);
    });
  }
}
