// The test page of sse-kit-test against both versions of htmx: the same pages, sent the same events, show the
// same. They come from the crate's example `corpus`, with what its test page made of them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launchBrowser, writtenMarkup } from './launch.js';
import { PATIENCE_MS } from './patience.js';
import { serveStream } from './stream-server.js';

/**
 * @typedef {{name: string, connect: string, stage: string, events: {data: string, name: string | null}[], shown: string}} Case
 */

const program = join(process.env.SSE_KIT_BIN_DIR ?? '', 'examples/corpus');
const output = execFileSync(program, { encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'inherit'] });
/** @type {Record<'2' | '4', Case[]>} */
const corpus = JSON.parse(output);
const markup = writtenMarkup();

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

/** The number of cases that share a page, so that few pages are opened. */
const TOGETHER = 60;

/**
 * In a page: inserts a stage, as if it had been loaded with the page.
 *
 * @param {string} html
 */
function setStage(html) {
  const stage = /** @type {HTMLElement} */ (document.getElementById('stage'));
  stage.innerHTML = html;
  /** @type {any} */ (window).htmx.process(stage);
  /** @type {any} */ (window).swapped = new Promise((done) => {
    /** @type {any} */ (window).done = done;
  });
}

/** In a page: returns the stage after all swaps, without the attributes and classes of htmx. */
async function readStage() {
  await /** @type {any} */ (window).swapped;
  const stage = /** @type {HTMLElement} */ (document.getElementById('stage')?.cloneNode(true));
  for (const element of stage.querySelectorAll('*')) {
    element.removeAttribute('data-htmx-powered');
    if (element.getAttribute('class') === '') element.removeAttribute('class');
  }
  return stage.innerHTML;
}

/**
 * Returns the result of a promise, within the time limit of a test.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {string} what is waited for
 * @returns {Promise<T>}
 */
function within(promise, what) {
  /** @type {NodeJS.Timeout} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for: ${what}`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Some versions of Chromium drop the comments of what htmx parses. @param {string} html */
const withoutComments = (html) => html.replace(/<!--.*?-->/g, '');

for (const version of /** @type {const} */ ([4, 2])) {
  describe(`htmx ${version}`, () => {
    for (const connect of new Set(corpus[version].map(({ connect }) => connect))) {
      const cases = corpus[version].filter((one) => one.connect === connect);
      test(`a test page is what a browser makes of it:${connect}`, async (t) => {
        for (let from = 0; from < cases.length; from += TOGETHER) {
          await compare(t, version, connect, cases.slice(from, from + TOGETHER));
        }
      });
    }
  });
}

/**
 * Sends the events of the cases, one after another, to one page, and compares.
 *
 * @param {import('node:test').TestContext} t
 * @param {2 | 4} version
 * @param {string} connect
 * @param {Case[]} cases
 */
async function compare(t, version, connect, cases) {
  const body = `<div id="stream"${connect}><div id="stage"></div></div>`;
  const server = await serveStream(t, { version, head: markup[version].head, body });
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.addInitScript(() => {
    // An event of this name comes last: what was sent before it has been swapped.
    const done = () => /** @type {any} */ (window).done();
    document.addEventListener('test:done', done, true);
    document.addEventListener('htmx:sseOpen', (event) => {
      /** @type {any} */ (event).detail.source.addEventListener('test:done', done);
    });
  });
  await page.goto(server.base);
  await server.streams(1);
  const differences = [];
  for (const { name, stage, events, shown } of cases) {
    await page.evaluate(setStage, stage);
    for (const { data, name: event } of events) server.send(data, event ?? '');
    server.send('x', 'test:done');
    const read = await within(page.evaluate(readStage), `${name}\n${complaints.join('\n')}`);
    const [inBrowser, testPage] = [read, shown].map(withoutComments);
    if (inBrowser !== testPage) differences.push({ name, stage, sent: events, inBrowser, testPage });
  }
  assert.deepEqual(differences, []);
  assert.deepEqual(complaints, []);
  await context.close();
}
