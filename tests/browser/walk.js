// A random walk of users, browsers and servers over the tabs of one browser. At its end every tab shows the
// same as a fresh page, with one connection per shared stream.

import { until } from './patience.js';
import { answer } from './proxy.js';
import { connect, logOf, openProfile, STATUS, setHidden, startSite } from './site.js';

/**
 * @typedef {import('./site.js').Client} Client
 * @typedef {import('./site.js').Transport} Transport
 * @typedef {import('playwright-core').Page} Page
 */

const MAX_TABS = 4;

/** The reaction of a page without htmx to its stream. */
const PLAIN = `<script>
  const { url } = document.getElementById('sse-connection').dataset;
  const open = window.SharedEventSource ? (to) => new SharedEventSource(to) : (to) => sseKit.monitor.open('sse-connection', to);
  const source = open(url);
  source.onmessage = ({ data }) => document.getElementById('log').insertAdjacentHTML('beforeend', data);
  if (window.SharedEventSource) source.addEventListener('sse-kit:gap', () => location.reload());
</script>`;

/** Numbers that are as random as they need be, the same for a seed. @param {number} seed */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Whether something failed because its page loads itself anew, as it does after a gap. @param {unknown} error */
const isReload = (error) =>
  /context was destroyed|interrupted by another navigation|ERR_ABORTED|Not attached to an active page/.test(
    String(error),
  );

/**
 * Walks once, and throws when a tab differs from a fresh page.
 *
 * @param {import('node:test').TestContext} t
 * @param {import('playwright-core').Browser} browser
 * @param {{seed: number, steps: number}} how
 */
export async function walk(t, browser, { seed, steps }) {
  const random = randomFrom(seed);
  /** @template T @param {T[]} list @returns {T} */
  const pick = (list) => /** @type {T} */ (list[Math.floor(random() * list.length)]);
  const client = pick(/** @type {Client[]} */ ([4, 4, 2, 2, 'plain']));
  const mode = pick(/** @type {const} */ (['monitor', 'tabs', 'tabs']));
  const transport = mode === 'tabs' ? pick(/** @type {Transport[]} */ (['worker', 'leader', 'direct'])) : 'direct';
  const site = await startSite(t, { client, mode });
  const { context, open } = await openProfile(t, browser, site, transport);
  /** @type {string[]} */
  const trail = [`htmx ${client}`, mode, transport];
  const mayRestart = random() < 0.25;

  /** What a fresh page shows. @type {string[]} */
  const shown = [];
  let cursor = '';
  const render = () => {
    const region = `<main id="main"><ul id="log">${shown.map((n) => `<i>${n}</i>`).join('')}</ul>${connect(client, `/events?topic=a&last_event_id=${cursor}`)}</main>`;
    const swap = client === 4 ? 'outerMorph' : 'outerHTML';
    const plain = client === 'plain' ? PLAIN : '';
    site.page(
      '/a',
      `${STATUS}<button id="morph" hx-get="/region" hx-target="#main" hx-swap="${swap}">m</button>
       <a id="boost" hx-boost="true" href="/a">b</a>${region}${plain}`,
      { 'Cache-Control': 'no-store' },
    );
    site.serve('/region', region, { 'Cache-Control': 'no-store' });
  };
  const publish = async () => {
    shown.push(`${shown.length + 1}`);
    cursor = await site.append(`${shown.length}`);
    render();
  };
  await publish();

  /** @type {Page[]} */
  let tabs = [await open(), await open()];
  /** @type {Record<string, () => Promise<unknown>>} */
  const acts = {
    publish,
    burst: async () => {
      for (let n = 0; n < 5; n += 1) await publish();
    },
    open: async () => tabs.length < MAX_TABS && tabs.push(await open()),
    close: async () => {
      if (tabs.length < 2) return;
      const tab = pick(tabs);
      tabs = tabs.filter((other) => other !== tab);
      await tab.close();
    },
    crash: async () => {
      if (tabs.length < 2) return;
      const tab = pick(tabs);
      tabs = tabs.filter((other) => other !== tab);
      let hasCrashed = false;
      tab.once('crash', () => {
        hasCrashed = true;
      });
      const session = await context.newCDPSession(tab);
      // A page that loads itself anew may miss it, and one that does not does not live to answer.
      const crash = () => {
        if (!hasCrashed) session.send('Page.crash').catch(() => {});
        return hasCrashed;
      };
      await until(crash, Boolean, 'a tab that has crashed');
    },
    hide: () => pick(tabs).evaluate(setHidden, true),
    show: () => pick(tabs).evaluate(setHidden, false),
    reload: () => pick(tabs).reload(),
    ...(client !== 'plain' && {
      morph: () => pick(tabs).click('#morph'),
      boost: () => pick(tabs).click('#boost'),
      process: () =>
        pick(tabs).evaluate(() => {
          const element = document.getElementById('sse-connection');
          if (element) element.className = `${Math.random()}`;
          window.htmx.process(document.body);
        }),
    }),
    cut: async () => site.proxy.cut(),
    stall: async () => site.proxy.stall(),
    refuse: async () => {
      site.proxy.faults(answer(503), answer(503));
      site.proxy.cut();
    },
    ...(mayRestart && {
      restart: async () => {
        await site.restart();
        await publish(); // pages that are rendered from now on need a cursor of the new log
      },
    }),
    wait: () => new Promise((resolve) => setTimeout(resolve, random() * 300)),
  };
  for (let step = 0; step < steps; step += 1) {
    const name = pick(Object.keys(acts));
    trail.push(name);
    try {
      await acts[name]?.();
    } catch (error) {
      if (!isReload(error)) throw error;
    }
  }

  // Ends all faults, because further refusals would make waits longer than the time limit. Then everything is
  // shown, and one more event reaches all.
  site.proxy.mend();
  for (const tab of tabs) {
    const show = () =>
      tab.evaluate(setHidden, false).then(
        () => true,
        (error) => !isReload(error),
      );
    await until(show, Boolean, 'a page that does not load itself anew');
  }
  await publish();
  const wanted = shown.join();
  /** Content that was on its way may still take the place of what has been right, for as long as its stream needs. */
  const shows = async (/** @type {Page} */ tab, /** @type {number} */ n) => {
    await until(
      () => logOf(tab).catch(() => []),
      (log) => log.join() === wanted,
      `tab ${n} shows ${wanted}`,
    );
  };
  try {
    for (const [n, tab] of tabs.entries()) await shows(tab, n);
    await site.hasConnections(transport === 'direct' ? tabs.length : 1);
    for (const [n, tab] of tabs.entries()) await shows(tab, n);
  } catch (error) {
    throw new Error(`seed ${seed}: ${trail.join(' ')}`, { cause: error });
  }
}
