// The job board, in a browser, on both versions of htmx.
import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { digestOf, endless, folderOf } from './folders.js';
import { assets, launchBrowser, startExample } from './launch.js';
import { claimPort } from './port.js';
import { answer, startProxy } from './proxy.js';

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

// Root may read everything, unless it gives that up.
const prefix = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-dac_override,-dac_read_search'] : [];

/**
 * A server of its own for a test.
 *
 * @param {import('node:test').TestContext} t
 * @param {{listen?: string, options?: string[]}} how where it listens, and what else it is told
 */
async function serve(t, { listen, options = ['--assets', assets] } = {}) {
  const server = await startExample(t, 'jobs', ['--heartbeat', '1', ...options], { listen, prefix });
  /** @type {(path: string, fields?: Record<string, string>, headers?: Record<string, string>) => Promise<Response>} */
  const post = (path, fields = {}, headers = {}) =>
    fetch(server.base + path, { method: 'POST', body: new URLSearchParams(fields), headers, redirect: 'manual' });
  return { ...server, post };
}

/**
 * Creates a context whose pages' errors are kept in `complaints`, and fail the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {{base: string}} server
 * @param {number} version
 */
async function tabs(t, server, version) {
  const context = await browser.newContext();
  t.after(() => context.close());
  /** @type {string[]} */
  const complaints = [];
  const openTab = async () => {
    const page = await context.newPage();
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(`${server.base}/?htmx=${version}`);
    await page.waitForSelector('#connection-status[data-state="live"]');
    return page;
  };
  return { openTab, complaints, context };
}

/** @type {(job: number, state: string) => string} */
const inState = (job, state) => `#job-${job}[data-state="${state}"]`;

/**
 * @param {import('playwright-core').Page} page
 * @param {string} folder
 */
async function start(page, folder) {
  await page.fill('#path', folder);
  await page.click('#new-job button');
}

for (const version of [4, 2]) {
  describe(`htmx ${version}`, () => {
    test('two tabs see a job from its start to its end, in step', async (t) => {
      const server = await serve(t);
      const files = Object.fromEntries([...Array(200).keys()].map((n) => [`${n % 7}/${n}`, 'x'.repeat(n * 20)]));
      const folder = await folderOf(t, files);
      const { openTab, complaints } = await tabs(t, server, version);
      const pages = [await openTab(), await openTab()];
      for (const page of pages) await page.evaluate(recordHistory);
      await start(pages[0], folder);

      for (const page of pages) {
        await page.waitForSelector(inState(1, 'done'));
        assert.equal(await page.textContent('#job-1 .digest'), digestOf(files));
        assert.equal(await page.getAttribute('#job-1 progress', 'value'), '1000');
        const { states, values } = await page.evaluate(() => window.recorded);
        assert.deepEqual(
          states,
          ['queued', 'running', 'done'].filter((state) => states.includes(state)),
        );
        assert.deepEqual(
          values,
          values.toSorted((/** @type {number} */ a, /** @type {number} */ b) => a - b),
        );
      }
      const [one, other] = await Promise.all(pages.map((page) => page.innerHTML('#jobs')));
      assert.equal(one, other);
      assert.deepEqual(complaints, []);
    });

    test('a late tab shows the present, and a job is cancelled from another tab', async (t) => {
      const server = await serve(t);
      const folder = await folderOf(t, {});
      await endless(folder);
      const { openTab, complaints } = await tabs(t, server, version);
      const first = await openTab();
      await start(first, folder);
      await first.waitForSelector(inState(1, 'running'));
      const late = await openTab();
      assert.equal(await late.getAttribute('#job-1', 'data-state'), 'running');
      await late.click('#job-1-cancel');
      for (const page of [first, late]) {
        await page.waitForSelector(inState(1, 'cancelled'));
        assert.equal(await page.locator('button#job-1-cancel').count(), 0);
      }
      assert.deepEqual(complaints, []);
    });

    test('what cannot be read is listed, and names are only ever text', async (t) => {
      const server = await serve(t);
      const hostile = '<img src=x onerror="document.title=1">';
      const folder = await folderOf(t, { a: 'a', [hostile]: 'b', 'line\nfeed': 'c' });
      await chmod(join(folder, hostile), 0);
      const { openTab, complaints } = await tabs(t, server, version);
      const page = await openTab();
      await start(page, folder);
      await page.waitForSelector(inState(1, 'done'));
      await page.click('#job-1-errors summary');
      assert.deepEqual(await page.locator('#job-1-error-list .path').allTextContents(), [hostile]);
      assert.match((await page.textContent('#job-1-error-list')) ?? '', /Permission denied/);

      await start(page, `/no/such/${hostile}`);
      await page.waitForSelector(inState(2, 'failed'));
      assert.equal(await page.textContent('#job-2 .path'), `/no/such/${hostile}`);
      assert.equal(await page.textContent('#job-2 .reason'), 'there is no such folder');
      assert.equal(await page.locator('img').count(), 0);
      assert.equal(await page.title(), 'Jobs');
      assert.deepEqual(complaints, []);
    });

    test('focus and an open list survive what changes around them', async (t) => {
      const server = await serve(t);
      const folder = await folderOf(t, { 'a locked file': '' });
      await chmod(join(folder, 'a locked file'), 0);
      await endless(folder);
      const { openTab, complaints } = await tabs(t, server, version);
      const page = await openTab();
      await start(page, folder);
      await page.waitForSelector('#job-1-error-list li', { state: 'attached' });
      await page.click('#job-1-errors summary');
      await page.focus('#job-1-cancel');
      // Progress, a new job, and its end.
      const bar = await page.innerHTML('#job-1-bar');
      await page.waitForFunction((old) => document.querySelector('#job-1-bar')?.innerHTML !== old, bar);
      await server.post('/jobs', { path: '/no/such' });
      await page.waitForSelector(inState(2, 'failed'));
      assert.equal(await page.evaluate(() => document.activeElement?.id), 'job-1-cancel');
      assert.equal(await page.getAttribute('#job-1-errors', 'open'), '');

      await page.keyboard.press('Enter');
      await page.waitForSelector(inState(1, 'cancelled'));
      const focused = await page.evaluate(() => document.activeElement?.textContent);
      assert.equal(focused, 'Cancelled', 'the button is gone, and its job is not');
      assert.equal(await page.getAttribute('#job-1-errors', 'open'), '', 'nor does its end shut it');
      assert.deepEqual(await page.locator('#jobs > article').evaluateAll((jobs) => jobs.map((job) => job.id)), [
        'job-2',
        'job-1',
      ]);
      assert.deepEqual(complaints, []);
    });

    test('a page that is told again what it shows already stays as it is', async (t) => {
      const server = await serve(t);
      const folder = await folderOf(t, { a: 'a', b: 'b' });
      const beginning = cursorOf(await (await fetch(server.base)).text());
      const { openTab, complaints } = await tabs(t, server, version);
      const watcher = await openTab();
      for (const path of [folder, '/no/such', folder]) await server.post('/jobs', { path });
      await watcher.waitForSelector(inState(1, 'done'));
      await watcher.waitForSelector(inState(2, 'failed'));
      await watcher.waitForSelector(inState(3, 'done'));

      // The current content with the first cursor: the whole history arrives once more.
      const context = await browser.newContext();
      t.after(() => context.close());
      const page = await context.newPage();
      page.on('console', (message) => complaints.push(message.text()));
      await page.addInitScript(recordIds);
      let present;
      await page.route(`${server.base}/?htmx=${version}`, async (route) => {
        const response = await route.fetch();
        const html = await response.text();
        present = cursorOf(html);
        await route.fulfill({ response, body: html.replace(present, beginning) });
      });
      await page.goto(`${server.base}/?htmx=${version}`);
      await page.waitForFunction((id) => window.swapped.includes(id), present);
      assert.ok((await page.evaluate(() => window.swapped.length)) >= 6, 'three jobs began, and three ended');
      assert.equal(await page.innerHTML('#jobs'), await watcher.innerHTML('#jobs'));
      assert.deepEqual(complaints, []);
    });

    test('a page finds its way back to a server that was started anew', async (t) => {
      const listen = `127.0.0.1:${await claimPort(t)}`;
      const first = await serve(t, { listen });
      const { openTab } = await tabs(t, first, version);
      const page = await openTab();
      await first.post('/jobs', { path: '/no/such' });
      await page.waitForSelector(inState(1, 'failed'));
      assert.equal(await first.stop(), 0, 'it had said goodbye, and the page had gone');
      await page.waitForSelector('#connection-status[data-state="reconnecting"]');
      await serve(t, { listen });
      // Its jobs are others, so the page must reload.
      await page.waitForSelector('#jobs:not(:has(article))', { state: 'attached' });
      await page.waitForSelector('#connection-status[data-state="live"]');
    });

    test('a page goes on with a server that was started anew on its store, and so do the jobs', async (t) => {
      const store = join(await folderOf(t, {}), 'store');
      const options = ['--assets', assets, '--store', store];
      const listen = `127.0.0.1:${await claimPort(t)}`;
      const first = await serve(t, { listen, options });
      const { openTab } = await tabs(t, first, version);
      const page = await openTab();
      const folder = await folderOf(t, {});
      await endless(folder);
      await first.post('/jobs', { path: '/no/such' });
      await first.post('/jobs', { path: folder });
      await page.waitForSelector(inState(1, 'failed'));
      await page.waitForSelector(inState(2, 'running'));
      // It is lost with the page.
      await page.fill('#path', '/half/typed');
      await first.stop();
      await page.waitForSelector('#connection-status[data-state="reconnecting"]');
      const second = await serve(t, { listen, options });
      await second.post('/jobs', { path: '/nor/this' });
      await page.waitForSelector(inState(3, 'failed'));
      second.kill();
      await page.waitForSelector('#connection-status[data-state="reconnecting"]');
      const third = await serve(t, { listen, options });
      await page.waitForSelector('#connection-status[data-state="live"]');
      await page.waitForSelector(inState(2, 'running'));
      await third.post('/jobs/2/cancel');
      await page.waitForSelector(inState(2, 'cancelled'));
      assert.equal(await page.inputValue('#path'), '/half/typed');
      const later = await tabs(t, third, version).then(({ openTab }) => openTab());
      /** @type {(page: import('playwright-core').Page) => Promise<string[]>} */
      const shown = (page) =>
        page.locator('#jobs > article').evaluateAll((all) => all.map((job) => `${job.id} ${job.dataset.state}`));
      assert.deepEqual(await shown(page), ['job-3 failed', 'job-2 cancelled', 'job-1 failed']);
      assert.deepEqual(await shown(later), await shown(page));
    });

    test('every tab shows how the connection is that all of them share', async (t) => {
      const server = await serve(t);
      const proxy = await startProxy(t, server.base);
      const { openTab } = await tabs(t, proxy, version);
      const pages = [await openTab(), await openTab()];
      /** @param {string} state */
      const allAre = async (state) => {
        for (const page of pages) await page.waitForSelector(`#connection-status[data-state="${state}"]`);
      };
      assert.equal(proxy.open, 1);
      proxy.fault(answer(503));
      proxy.cut();
      await allAre('reconnecting');
      proxy.fault();
      await allAre('live');
      proxy.fault(answer(204));
      proxy.cut();
      await allAre('closed');
      const asked = proxy.events.length;
      await wait(3_000);
      assert.equal(proxy.events.length, asked, 'nobody asks again');
    });

    test('a page for which there is no room says so, and comes when there is', async (t) => {
      const server = await serve(t, { options: ['--assets', assets, '--max-connections', '1'] });
      const { openTab, complaints } = await tabs(t, server, version);
      const first = await openTab();
      // In a separate profile, because tabs of one browser would share the connection.
      const elsewhere = await browser.newContext();
      t.after(() => elsewhere.close());
      const second = await elsewhere.newPage();
      await second.goto(`${server.base}/?htmx=${version}`);
      await second.waitForSelector('#connection-status[data-state="reconnecting"]');
      await first.close();
      await second.waitForSelector('#connection-status[data-state="live"]');
      assert.deepEqual(complaints, []);
    });

    test('without files of its own a page takes htmx from the CDN, with integrity', async (t) => {
      const server = await serve(t, { options: [] });
      const { openTab, complaints, context } = await tabs(t, server, version);
      const asked = [];
      await context.route('https://cdn.jsdelivr.net/npm/**', (route) => {
        asked.push(route.request().url());
        // What the CDN serves is what is in the package.
        const path = new URL(route.request().url()).pathname;
        const [, name = '', file = ''] = path.match(/npm\/([^@]+)@[^/]+\/(.+)$/) ?? [];
        const folder = name === 'htmx.org' && version === 2 ? 'htmx2' : name;
        const headers = { 'Access-Control-Allow-Origin': '*' };
        return route.fulfill({ path: join(assets, folder, file), contentType: 'text/javascript', headers });
      });
      const page = await openTab();
      assert.equal(asked.length, 2);
      assert.equal(await page.locator('script[src]:not([integrity])').count(), 0);
      assert.deepEqual(complaints, []);
    });

    test('a refusal is shown, and goes when it no longer holds', async (t) => {
      const server = await serve(t);
      const { openTab } = await tabs(t, server, version);
      const page = await openTab();
      await page.evaluate(() => document.getElementById('path')?.removeAttribute('required'));
      await start(page, ' ');
      await page.waitForFunction(() => document.getElementById('refusal')?.textContent?.startsWith('Which folder?'));
      await start(page, '/no/such');
      await page.waitForSelector(inState(1, 'failed'));
      await page.waitForFunction(() => document.getElementById('refusal')?.textContent === '');
    });
  });
}

test('forms work without script, and not from elsewhere', async (t) => {
  const server = await serve(t);
  const started = await server.post('/jobs', { path: '/no/such' });
  assert.deepEqual([started.status, started.headers.get('location')], [303, '/#job-1']);
  const cancelled = await server.post('/jobs/1/cancel');
  assert.deepEqual([cancelled.status, cancelled.headers.get('location')], [303, '/#job-1']);
  assert.match(await (await fetch(server.base)).text(), /id="job-1"/);

  assert.equal((await server.post('/jobs', { path: '/' }, { 'Sec-Fetch-Site': 'cross-site' })).status, 403);
  assert.equal((await server.post('/jobs', { path: '/' }, { Origin: 'http://elsewhere.test' })).status, 403);
  assert.equal((await server.post('/jobs', { path: 'x'.repeat(70_000) })).status, 413);
  assert.equal((await server.post('/jobs/2/cancel')).status, 404);
});

/** In a page: keeps the states that job 1 goes through, and the values of its bar. */
function recordHistory() {
  /** @type {{states: string[], values: number[]}} */
  const recorded = { states: [], values: [] };
  window.recorded = recorded;
  /** @type {<T>(list: T[], value?: T) => void} */
  const note = (list, value) => {
    if (value !== undefined && value !== list.at(-1)) list.push(value);
  };
  new MutationObserver(() => {
    const job = document.getElementById('job-1');
    note(recorded.states, job?.dataset.state);
    const value = job?.querySelector('progress')?.getAttribute('value');
    note(recorded.values, value == null ? undefined : Number(value));
  }).observe(document.body, { subtree: true, childList: true, attributes: true });
}

/** In a page: keeps the ids of the messages that have been swapped. */
function recordIds() {
  window.swapped = [];
  /** @type {(name: string, act: (detail: any) => void) => void} */
  const on = (name, act) => document.addEventListener(name, (event) => act(/** @type {CustomEvent} */ (event).detail));
  on('htmx:sseMessage', (detail) => window.swapped.push(detail.lastEventId));
  on('htmx:sse:after:message', (detail) => {
    // htmx 4 dispatches this for named events too, which it does not swap.
    if (!detail.message.event) window.swapped.push(detail.message.id);
  });
}

/**
 * The cursor that a page was rendered with.
 *
 * @param {string} html
 */
function cursorOf(html) {
  return html.match(/last_event_id=([^"]+)"/)?.[1] ?? '';
}
