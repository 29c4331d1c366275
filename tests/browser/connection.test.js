// sse-kit-connection.js, on both versions of htmx.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launchBrowser, launchWholeBrowser, writtenMarkup } from './launch.js';
import { serveStream } from './stream-server.js';

const markup = writtenMarkup();

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

/**
 * Starts a server whose page has this body, and creates a tab that has not opened it yet.
 *
 * @param {import('node:test').TestContext} t
 * @param {number} version of htmx
 * @param {string} body
 * @param {string} head
 * @param {import('playwright-core').Browser} opened the browser, if it is another
 */
async function prepare(t, version, body, head = markup[version].head, opened = browser) {
  const server = await serveStream(t, { version, head, body });
  const context = await opened.newContext();
  t.after(() => context.close());
  return { server, page: await context.newPage() };
}

/** In a page: returns whether the element has closed its connection. */
function isGivenUp() {
  const element = /** @type {any} */ (document.getElementById('stream'));
  const source = element['htmx-internal-data']?.sseEventSource;
  return source ? source.readyState === EventSource.CLOSED : !element._htmx?.sse;
}

for (const version of [4, 2]) {
  const written = markup[version];

  describe(`htmx ${version}`, () => {
    test('a page in the back/forward cache has no connection, and goes on where it was', async (t) => {
      const whole = await launchWholeBrowser();
      t.after(() => whole.close());
      const { server, page } = await prepare(t, version, written.named, written.head, whole);
      await page.goto(server.base);
      await server.streams(1);
      server.send('<i>1</i>', 'a');
      await page.waitForSelector('#one > i');
      await page.evaluate(() => {
        const left = /** @type {any} */ (window);
        addEventListener('pageshow', ({ persisted }) => {
          left.persisted = persisted;
        });
      });

      await page.goto(`${server.base}/elsewhere`);
      await server.streams(0);
      assert.equal(server.requests.length, 1);

      // A page from the back/forward cache is not loaded again.
      await page.goBack({ waitUntil: 'commit' });
      await page.waitForFunction(() => /** @type {any} */ (window).persisted === true);
      await server.streams(1, 2);
      const { url, lastEventId } = server.requests[1];
      assert.equal(lastEventId ?? new URL(url, server.base).searchParams.get('last_event_id'), '1-1');
      server.send('<i>2</i>', 'größer b');
      server.send('x', 'job:done');
      await page.waitForSelector('#four > b');
      assert.equal(await page.textContent('#one'), '12');
    });

    test('a leave that is cancelled closes nothing', async (t) => {
      const { server, page } = await prepare(t, version, `<button>b</button>${written.named}`);
      await page.goto(server.base);
      await server.streams(1);
      await page.evaluate(() => addEventListener('beforeunload', (event) => event.preventDefault()));
      // A browser shows the dialog only after a user gesture.
      await page.click('button');
      const asked = new Promise((resolve) => {
        page.once('dialog', async (dialog) => {
          await dialog.dismiss();
          resolve(dialog.type());
        });
      });
      await page.evaluate(() => void location.assign('/elsewhere'));
      assert.equal(await asked, 'beforeunload');
      server.send('<i>1</i>', 'a');
      await page.waitForSelector('#one > i');
      assert.equal(server.requests.length, 1);
    });

    test('without reconnecting, a stream that ends is over', async (t) => {
      const { server, page } = await prepare(t, version, written.once);
      await page.goto(server.base);
      await server.streams(1);
      server.send('<i>1</i>');
      await page.waitForSelector('#stream > i');
      server.end();
      await page.waitForFunction(isGivenUp);
      assert.equal(server.requests.length, 1);
    });

    test('without reconnecting, an error is the end too', async (t) => {
      const { server, page } = await prepare(t, version, written.once);
      server.answer(500);
      await page.clock.install();
      const answered = page.waitForResponse('**/events');
      await page.goto(server.base);
      await answered;
      await page.waitForFunction(isGivenUp);
      await page.clock.runFor(200_000);
      await page.evaluate(() => fetch('/answer'));
      assert.equal(server.requests.length, 1);
      assert.equal(await page.textContent('#stream'), '', 'nor is the page of the error shown');
    });

    test('the script may stand twice, before htmx, and without it', async (t) => {
      const [, own] = written.head.match(/(<script data-sse-kit="sse-kit-connection".*?<\/script>)/);
      const { server, page } = await prepare(t, version, written.unnamed, own + own + written.head);
      /** @type {Error[]} */
      const errors = [];
      page.on('pageerror', (error) => errors.push(error));
      await page.goto(server.base);
      await server.streams(1);
      server.send('<i>1</i>');
      await page.waitForSelector('#stream > i');
      await page.goto(`${server.base}/elsewhere`);
      await server.streams(0);
      assert.deepEqual(errors, []);
    });
  });
}
