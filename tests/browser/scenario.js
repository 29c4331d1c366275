// Scenarios: each with a hub, a proxy and a page of its own.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser, launchWholeBrowser } from './launch.js';
import { keep, openPage, servedScript, startHub } from './monitored.js';

/**
 * @typedef {import('./monitored.js').Dialect} Dialect
 * @typedef {Parameters<typeof openPage>[1]} PageOptions
 * @typedef {Awaited<ReturnType<typeof startHub>>} Hub
 * @typedef {{hub: Hub, open: (how?: Partial<PageOptions>) => Promise<Awaited<ReturnType<typeof openPage>>>, note: (figure: string) => void}} Stage
 */

/** @type {import('playwright-core').Browser} */
let browser;
/** @type {string} */
let script;
before(async () => {
  browser = await launchBrowser();
  script = await servedScript();
});
after(() => browser.close());

/**
 * Runs a scenario in its own page; stores artifacts if it fails.
 *
 * @param {Dialect} dialect
 * @param {string} name
 * @param {(stage: Stage) => Promise<void>} act
 * @param {{options?: string[], isWhole?: boolean}} how options of the hub, and whether the browser is the whole one
 */
export function scenario(dialect, name, act, { options, isWhole = false } = {}) {
  test(`${label(dialect)}: ${name}`, async (t) => {
    const hub = await startHub(t, options);
    const opener = isWhole ? await launchWholeBrowser() : browser;
    if (isWhole) t.after(() => opener.close());
    /** @type {Awaited<ReturnType<typeof openPage>> | undefined} */
    let opened;
    const open = async (how = {}) => {
      opened = await openPage(t, { browser: opener, script, proxy: hub.proxy, dialect, ...how });
      return opened;
    };
    try {
      await act({ hub, open, note: (figure) => t.diagnostic(figure) });
      assert.deepEqual(opened?.complaints, [], 'the page does not complain, of its policy neither');
    } catch (error) {
      if (opened) await keep(`${label(dialect)} ${name}`, opened.page, hub.stats, hub.proxy.events);
      throw error;
    }
  });
}

/** @param {Dialect} dialect */
export function label(dialect) {
  return dialect === 'plain' ? 'without htmx' : `htmx ${dialect}`;
}
