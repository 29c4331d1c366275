// Tabs of real browser profiles: pages, the events that they received, and crashes of tabs and workers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { keepArtifacts } from './artifacts.js';
import { launchBrowser, launchWholeBrowser } from './launch.js';
import { goesBy } from './transport.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('./tabs-server.js').Client} Client */
/** @typedef {Awaited<ReturnType<typeof import('./tabs-server.js').serveTabs>>} Server */

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  // A host that is not localhost: a page of plain http has no Web Locks there.
  browser = await launchBrowser(['--host-resolver-rules=MAP lan.test 127.0.0.1']);
});
after(() => browser.close());

/** The pages of tests that are running, and their servers. @type {WeakMap<object, {pages: Page[], servers: Set<Server>}>} */
const running = new WeakMap();

/**
 * Defines a test with pages that share streams; stores artifacts if it fails.
 *
 * @param {string} name
 * @param {(t: import('node:test').TestContext) => Promise<void>} act
 */
export function tabsTest(name, act) {
  test(name, async (t) => {
    const stage = { pages: [], servers: new Set() };
    running.set(t, stage);
    try {
      await act(t);
    } catch (error) {
      await keep(t.fullName ?? name, stage);
      throw error;
    }
  });
}

/**
 * @param {string} name
 * @param {{pages: Page[], servers: Set<Server>}} stage
 */
async function keep(name, { pages, servers }) {
  const open = pages.filter((page) => !page.isClosed());
  const tab = (/** @type {Page} */ page) =>
    page.evaluate(() => ({ seen: window.seen, states: window.states, upstreams: window.sseKit.tabs.upstreams() }));
  const serving = async (/** @type {Server} */ { requests, published, connections }) => {
    return { requests, published, connections: await connections() };
  };
  await keepArtifacts(name, open, {
    tabs: () => Promise.all(open.map(tab)),
    servers: () => Promise.all([...servers].map(serving)),
  });
}

/**
 * Creates a browser context: a user's profile. Errors in its pages' consoles fail the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {Server} server
 * @param {{transport?: string, host?: string, hasWorkers?: boolean, isWhole?: boolean}} how; whether the browser is the whole one
 */
export async function profile(
  t,
  server,
  { transport = 'worker', host = '127.0.0.1', hasWorkers = transport === 'worker', isWhole = false } = {},
) {
  const stage = running.get(t);
  stage?.servers.add(server);
  const opener = isWhole ? await launchWholeBrowser() : browser;
  if (isWhole) t.after(() => opener.close());
  const context = await opener.newContext();
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
    stage?.pages.push(page);
    page.on('console', (message) => {
      // Chromium logs a cut stream as an error.
      // And htmx 2 logs this.
      const isNetwork = ['net::ERR', 'the server responded', '[object Event]'].some((text) =>
        message.text().includes(text),
      );
      if (['error', 'warning'].includes(message.type()) && !isNetwork) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => request.url().includes('/events') && askers.push(page));
    await page.goto(`${server.base.replace('127.0.0.1', host)}/page?${new URLSearchParams(query)}`);
    await inState(page, state);
    await goesBy(page, transport);
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
export async function inState(page, state) {
  await page.waitForFunction((state) => window.sseKit.tabs.upstreams()[0]?.state === state, state);
}

/** @type {(page: Page) => Promise<string[]>} */
export const seen = (page) => page.evaluate(() => window.seen);

/**
 * Asserts that every page has received exactly these events, in order.
 *
 * @param {Page[]} pages
 * @param {string[]} expected
 */
export async function allSaw(pages, expected) {
  for (const [n, page] of pages.entries()) {
    const last = expected.at(-1);
    await page.waitForFunction((last) => window.seen.at(-1) === last, last).catch(() => {});
    assert.deepEqual(await seen(page), expected, `tab ${n}`);
    assert.equal(await page.evaluate(() => window.gaps), 0, `tab ${n} was told of a gap`);
  }
}

/**
 * Ends the shared worker of a profile, as a browser does to free memory.
 *
 * @returns {Promise<void>}
 */
export async function killWorker() {
  const session = await browser.newBrowserCDPSession();
  const { targetInfos } = await session.send('Target.getTargets');
  const workers = targetInfos.filter(({ type, title }) => type === 'shared_worker' && title.startsWith('sse-kit'));
  assert.ok(workers.length > 0, 'there is a worker');
  for (const { targetId } of workers) {
    await session.send('Target.closeTarget', { targetId });
  }
  await session.detach();
}

/**
 * Makes the shared worker of a profile close itself, which no tab can observe.
 *
 * @returns {Promise<void>}
 */
export async function endWorker() {
  await (await runInWorker('self.close()'))();
}

/**
 * Blocks the shared worker of a profile for this long, as on a busy machine.
 *
 * @param {number} milliseconds
 */
export async function stallWorker(milliseconds) {
  await runInWorker(`{ const end = performance.now() + ${milliseconds}; while (performance.now() < end); }`);
}

/**
 * Has the shared worker of a profile run a script.
 *
 * @param {string} expression
 * @returns {Promise<() => Promise<unknown>>} waits until the script has run
 */
async function runInWorker(expression) {
  const session = await browser.newBrowserCDPSession();
  const { targetInfos } = await session.send('Target.getTargets');
  const workers = targetInfos.filter(({ type }) => type === 'shared_worker');
  /** @type {Promise<unknown>[]} */
  const answers = [];
  for (const { targetId } of workers) {
    const { sessionId } = await session.send('Target.attachToTarget', { targetId });
    const message = JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } });
    answers.push(new Promise((resolve) => session.once('Target.receivedMessageFromTarget', resolve)));
    await session.send('Target.sendMessageToTarget', { sessionId, message });
  }
  return async () => {
    await Promise.all(answers);
    await session.detach();
  };
}

/** @param {Page} page */
export async function crash(page) {
  const session = await page.context().newCDPSession(page);
  session.send('Page.crash').catch(() => {}); // it does not live to answer
  await page.waitForEvent('crash');
}

/** @type {Client[]} */
export const clients = ['4', '2', 'plain'];

/** In a page: as if the tab was put behind another, or in front again. @param {boolean} isHidden */
export function setHidden(isHidden) {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => isHidden });
  document.dispatchEvent(new Event('visibilitychange'));
}

/** In a page: the longest pause between two events of the last second, the one that lasts included. */
export function longestPause() {
  const now = performance.now();
  /** @type {number[]} */
  const times = window.at.filter((/** @type {number} */ time) => time > now - 1_300);
  return Math.max(...[...times, now].map((time, n) => time - (times[n - 1] ?? time)));
}
