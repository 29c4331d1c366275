// Streams that the test answers itself, in each order of a few microtasks.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser } from './launch.js';
import { until } from './patience.js';
import { connect, hasLog, log, openProfile, startSite } from './site.js';

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

/** Holds a page's requests for streams in `held`, for the test to answer. It runs in the page. */
function holdStreams() {
  /** @type {object[]} */
  const held = [];
  const { fetch } = window;
  Object.assign(window, { held });
  window.fetch = (url, options) => {
    if (!String(url).includes('/events')) return fetch(url, options);
    return new Promise((resolve, reject) => {
      /** @type {ReadableStreamDefaultController} */
      let controller;
      const body = new ReadableStream({
        start(its) {
          controller = its;
        },
        cancel() {
          stream.isOpen = false;
        },
      });
      const stream = {
        after: new Headers(options?.headers).get('Last-Event-ID'),
        isOpen: true,
        answer: () => resolve(new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })),
        /** @param {string} text */
        say: (text) => controller.enqueue(new TextEncoder().encode(text)),
        end: () => controller.close(),
      };
      options?.signal?.addEventListener('abort', () => {
        stream.isOpen = false;
        const aborted = new DOMException('aborted', 'AbortError');
        controller.error(aborted);
        reject(aborted);
      });
      held.push(stream);
    });
  };
}

test('B4: a forgotten try and the stream in its place may be answered in any order', async (t) => {
  const connected = (/** @type {string} */ more) =>
    `<main id="main">${log()}${connect(4, '/events?last_event_id=a-1', more)}</main>`;
  const site = await startSite(t, { client: 4, mode: 'bare', htmx: { sse: { reconnectDelay: 600_000 } } });
  site.page('/a', `${connected('')}<button hx-get="/region" hx-target="#main" hx-swap="outerMorph">b</button>`);
  site.serve('/region', connected('hx-sync="this:queue all"'));
  const { context, open, complaints } = await openProfile(t, browser, site, 'direct');
  await context.addInitScript(holdStreams);
  const tab = await open();
  // After how many microtasks the forgotten try is answered, and the event comes.
  for (let turn = 0; turn < 32; turn += 1) {
    const [late, lag] = [turn % 4, turn >> 2];
    await tab.reload();
    await tab.waitForFunction(() => window.held.length === 1);
    await tab.evaluate(async () => {
      const [first] = window.held;
      first.answer();
      first.say('id: a-2\ndata: <i>2</i>\n\n');
      first.end();
      // The second is that of the try that waits.
      for (let n = 0; n < 2; n += 1) {
        await new Promise((done) => addEventListener('htmx:sse:before:connection', done, { once: true }));
      }
    });
    await tab.click('button');
    await tab.waitForFunction(() => window.held.length === 3);
    await tab.evaluate(
      async ([late, lag]) => {
        const [, one, other] = window.held;
        const [anew, forgotten] = one.after ? [other, one] : [one, other];
        anew.answer();
        for (let n = 0; n < 8; n += 1) {
          await null;
          if (n === late) forgotten.answer();
          if (n === lag) anew.say('id: a-2\ndata: <i>2</i>\n\n');
        }
      },
      [late, lag],
    );
    await hasLog(tab, ['2']);
    await until(
      () => tab.evaluate(() => window.held.filter((/** @type {any} */ stream) => stream.isOpen).length),
      (open) => open === 1,
      `one open stream after ${late} and ${lag} microtasks`,
    );
  }
  assert.deepEqual(complaints, []);
});
