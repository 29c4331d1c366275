// A policy, or a frame of another site, refuses features; the scripts use what is left.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { assets, launchBrowser } from './launch.js';
import { until } from './patience.js';
import { connect, hasLog, isIn, log, openProfile, STATUS, startSite } from './site.js';
import { goesBy } from './transport.js';

/** @typedef {import('./site.js').Transport} Transport */

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

const TYPES = "require-trusted-types-for 'script'";

/** In a page without htmx: appends each event to the log as text. */
function appendText() {
  const { url } = document.getElementById('sse-connection')?.dataset ?? {};
  const source = window.SharedEventSource
    ? new window.SharedEventSource(url)
    : window.sseKit.monitor.open('sse-connection', url);
  source.onmessage = (/** @type {MessageEvent} */ { data }) => {
    const item = document.createElement('i');
    item.textContent = data;
    document.getElementById('log')?.append(item);
  };
}

describe('trusted types are required', () => {
  for (const mode of /** @type {const} */ (['monitor', 'tabs'])) {
    for (const { allowed, policies, painted, transport } of [
      { allowed: 'all policies', policies: '', painted: 'B', transport: 'worker' },
      { allowed: 'ours', policies: '; trusted-types sse-kit-monitor sse-kit-tabs', painted: 'B', transport: 'worker' },
      { allowed: 'none of ours', policies: "; trusted-types 'none'", painted: undefined, transport: 'leader' },
    ]) {
      test(`${mode}: ${allowed} may be made`, async (t) => {
        const monitor = { indicators: { live: { html: '<b>on</b>' } } };
        const site = await startSite(t, { client: 'plain', mode, monitor });
        site.page('/a', `${STATUS}${log()}${connect('plain', '/events?topic=a')}`, {
          'Content-Security-Policy': TYPES + policies,
        });
        const { open, complaints } = await openProfile(t, browser, site);
        const page = await open();
        await page.evaluate(appendText);
        await isIn(page, 'live');
        await site.hasConnections(1);
        await site.publish('1');
        await hasLog(page, ['1']);
        const found = await page.evaluate(
          () => document.getElementById('connection-status')?.firstElementChild?.tagName,
        );
        assert.equal(found, painted);
        if (!painted) assert.equal(await page.textContent('#connection-status'), 'live');
        if (mode === 'tabs') await goesBy(page, transport);
        assert.deepEqual(complaints, []);
      });
    }
  }

  for (const mode of /** @type {const} */ (['bare', 'monitor', 'tabs'])) {
    test(`${mode}: htmx 4 with its own extension for that`, async (t) => {
      const site = await startSite(t, { client: 4, mode });
      site.serve(
        '/csp.js',
        await readFile(join(assets, 'htmx.org/dist/ext/hx-csp.min.js'), 'utf8'),
        {},
        'text/javascript',
      );
      const inner = '<p id="named" hx-nonce="n" sse-kit-swap="n" hx-target="this" hx-swap="beforeend"></p>';
      const element = connect(4, '/events?topic=a', 'hx-nonce="n"').replace('></div>', `>${inner}</div>`);
      site.page('/a', `<script nonce="n" src="/csp.js"></script>${STATUS}${log()}${element}`, {
        'Content-Security-Policy': `${TYPES}; trusted-types htmx sse-kit-monitor sse-kit-tabs`,
      });
      const { open, complaints } = await openProfile(t, browser, site);
      const page = await open();
      if (mode !== 'bare') await isIn(page, 'live');
      await site.hasConnections(1);
      await site.publish('named', '?topic=a&event=n');
      await site.append('1');
      await hasLog(page, ['1']);
      assert.equal(await page.textContent('#named'), 'named');
      site.proxy.cut();
      await site.append('2');
      await hasLog(page, ['1', '2']);
      if (mode === 'tabs') await goesBy(page, 'worker');
      assert.deepEqual(complaints, []);
    });
  }
});

describe('a page within another site', () => {
  for (const client of /** @type {const} */ ([4, 2, 'plain'])) {
    for (const refused of [false, true]) {
      test(`htmx ${client}, storage is ${refused ? 'refused' : 'partitioned'}`, async (t) => {
        const site = await startSite(t, { client, mode: 'tabs' });
        site.page('/a', `${STATUS}${log()}${connect(client, '/events?topic=a')}`);
        const { context, open, complaints } = await openProfile(t, browser, site);
        // The same server by another name is another site.
        const other = site.base.replace('127.0.0.1', 'localhost');
        site.serve('/outside', `<!DOCTYPE html><iframe src="${other}/a"></iframe>`);
        if (refused) await context.addInitScript(refuseStorage);
        const own = await open();
        const outer = await open('/outside');
        const frame = /** @type {import('playwright-core').Frame} */ (
          await until(() => outer.frames().find((its) => its.url().startsWith(other)), Boolean, 'the frame')
        );
        await until(() => frame.evaluate(() => window.sseKit?.tabs?.transport).catch(() => ''), Boolean, 'its script');
        if (client === 'plain') for (const tab of [own, frame]) await tab.evaluate(appendText);
        for (const tab of [own, frame]) await isIn(tab, 'live');
        // A storage partition shares nothing with other sites.
        await site.hasConnections(2);
        await site.publish(client === 'plain' ? '1' : '<i>1</i>');
        for (const tab of [own, frame]) await hasLog(tab, ['1']);
        if (refused) await goesBy(frame, 'direct');
        assert.deepEqual(complaints, []);
      });
    }
  }
});

/** In a page: refuses storage, as browsers do in a frame of another site. */
function refuseStorage() {
  if (window.top === window) return;
  const refuse = () => {
    throw new DOMException('refused', 'SecurityError');
  };
  const Refused = class {
    constructor() {
      refuse();
    }
  };
  Object.assign(globalThis, { SharedWorker: Refused, BroadcastChannel: Refused });
  navigator.locks.request = () => Promise.reject(new DOMException('refused', 'SecurityError'));
  for (const name of ['localStorage', 'sessionStorage']) {
    Object.defineProperty(globalThis, name, { get: refuse });
  }
}
