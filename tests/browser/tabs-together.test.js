// Tabs together, by browser features and policies; and requests that tabs must not touch.
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { until } from './patience.js';
import { allSaw, clients, crash, endWorker, profile, seen, setHidden, stallWorker, tabsTest } from './tabs-pages.js';
import { serveTabs } from './tabs-server.js';
import { goesBy } from './transport.js';

/** @typedef {import('playwright-core').Page} Page */

describe('what a browser has, and what a policy allows', () => {
  tabsTest('14: a policy that refuses the worker leaves a leader', async (t) => {
    const server = await serveTabs(t);
    const { open } = await profile(t, server, { transport: 'leader', hasWorkers: true });
    const pages = [];
    for (const client of clients) pages.push(await open({ client, worker: "'none'" }));
    assert.equal(await server.connections(), 1);
    await server.tick();
    await allSaw(pages, ['1']);
  });

  tabsTest('content that is named as the script of the page is not what the worker loads', async (t) => {
    const server = await serveTabs(t);
    const { open } = await profile(t, server, { transport: 'leader', hasWorkers: true });
    await open({ client: 'plain', clobbers: '' });
  });

  tabsTest('14: without anything to share by each tab has its own connection', async (t) => {
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

  tabsTest('14, 16: on a page of plain http, without Web Locks, the worker does it', async (t) => {
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

  tabsTest('15: a worker that closes itself is replaced', async (t) => {
    const server = await serveTabs(t);
    const { open, complaints } = await profile(t, server);
    const pages = [await open({ client: 'plain' }), await open({ client: 'plain' })];
    await endWorker();
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

  tabsTest('15: a worker that is slow is the one of all tabs again once it answers', async (t) => {
    const server = await serveTabs(t);
    const { open, complaints } = await profile(t, server);
    const pages = [await open({ client: 'plain' })];
    await stallWorker(5_000); // longer than a tab waits for its greeting
    pages.push(await open({ client: 'plain' }));
    assert.equal(await server.connections(), 2, 'the new tab did not wait');
    await server.tick();
    await until(
      () => server.connections(),
      (connections) => connections === 1,
      'one connection',
    );
    await server.tick();
    await allSaw(pages, server.published);
    assert.deepEqual(complaints, []);
  });

  tabsTest('15: a tab that goes another way is back once a worker greets', async (t) => {
    const server = await serveTabs(t);
    const { context, open, complaints } = await profile(t, server);
    const first = await open({ client: 'plain' });
    const late = await context.newPage();
    await late.addInitScript(holdWorkers);
    await late.goto(`${server.base}/page?client=plain`);
    await goesBy(late, 'leader');
    await until(
      () => server.connections(),
      (connections) => connections === 2,
      'a connection of its own',
    );
    await server.tick();
    await late.waitForFunction(() => window.seen.length === 1);
    await late.evaluate(() => window.letSpeak());
    await until(
      () => server.connections(),
      (connections) => connections === 1,
      'one connection',
    );
    await goesBy(late, 'worker');
    await server.tick();
    await allSaw([first, late], server.published);
    assert.deepEqual(complaints, []);
  });
});

/**
 * In a page: holds back messages of workers until `letSpeak()`, and shortens timeouts until the page falls
 * back.
 */
function holdWorkers() {
  /** @type {(() => void)[]} */
  const held = [];
  let isHeld = true;
  const { SharedWorker, setTimeout } = globalThis;
  class SlowWorker extends SharedWorker {
    /** @param {string} url @param {WorkerOptions} options */
    constructor(url, options) {
      super(url, options);
      const { port } = this;
      /** @type {((event: MessageEvent) => void) | undefined} */
      let hear;
      const say = (/** @type {MessageEvent} */ event) => hear?.(event);
      port.addEventListener('message', (event) => (isHeld ? held.push(() => say(event)) : say(event)));
      port.start();
      Object.defineProperty(port, 'onmessage', {
        set(listener) {
          hear = listener;
        },
      });
    }
  }
  const isElsewhere = () => window.sseKit?.tabs?.transport === 'leader';
  Object.assign(globalThis, {
    SharedWorker: SlowWorker,
    setTimeout: (/** @type {() => void} */ act, delay = 0) => setTimeout(act, isElsewhere() ? delay : delay / 20),
    letSpeak: () => {
      isHeld = false;
      for (const say of held.splice(0)) say();
    },
  });
}

describe('between tabs', () => {
  tabsTest('13: a hidden tab of htmx 4 gets in order what it has missed, and the others go on', async (t) => {
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

  tabsTest('a message goes to all other tabs, until nobody wants it', async (t) => {
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

  tabsTest('a tab that crashes is not counted', async (t) => {
    const server = await serveTabs(t);
    const { open } = await profile(t, server);
    const [one, two] = [await open({ client: 'plain' }), await open({ client: 'plain' })];
    await one.waitForFunction(() => window.sseKit.tabs.count === 2);
    await crash(two);
    await one.waitForFunction(() => window.sseKit.tabs.count === 1);
  });

  tabsTest('other requests, and other pages, are left as they are', async (t) => {
    const server = await serveTabs(t);
    const { open } = await profile(t, server);
    const page = await open({ client: 'plain' });
    const answers = await page.evaluate(async () => {
      const accept = { Accept: 'text/html, text/event-stream' };
      const stats = await fetch('/stats', { headers: accept });
      const post = await fetch('/events?topic=a', { method: 'POST', headers: accept });
      const plain = await fetch('/events?topic=a', { headers: { Accept: 'application/json' } });
      await plain.body?.cancel();
      const noUrl = await fetch('http://').catch(({ name }) => name);
      return [stats.status, stats.url.endsWith('/stats'), post.status, plain.url.endsWith('/events?topic=a'), noUrl];
    });
    assert.deepEqual(answers, [200, true, 405, true, 'TypeError']);
  });
});
