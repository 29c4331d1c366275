// The chat, in a browser, on both versions of htmx.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assets, launchBrowser, startExample } from './launch.js';
import { until } from './patience.js';

/** @typedef {import('playwright-core').Page} Page */

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

/**
 * Starts a server for one test. Errors in the pages' consoles fail the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {number} version
 */
async function serve(t, version) {
  const server = await startExample(t, 'chat-axum', ['--heartbeat', '1', '--assets', assets]);
  const context = await browser.newContext();
  t.after(() => context.close());
  /** @type {string[]} */
  const complaints = [];
  /** @type {string[]} */
  const requests = [];
  const open = async (/** @type {string} */ path) => {
    const page = await context.newPage();
    page.on('console', (message) => {
      // htmx 2 logs this for a stream that is cut, as at the end of the test.
      if (message.text() === '[object Event]') return;
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => requests.push(request.url()));
    const before = await connections();
    await page.goto(server.base + path);
    await until(connections, (found) => found > before, 'a connection of the page');
    return page;
  };
  /** @returns {Promise<number>} */
  const connections = async () => (await (await fetch(`${server.base}/stats`)).json()).connections;
  return {
    ...server,
    complaints,
    requests,
    connections,
    openRoom: async (/** @type {string} */ room, /** @type {string} */ nick) => {
      await fetch(`${server.base}/enter`, {
        method: 'POST',
        body: new URLSearchParams({ room, nick }),
        redirect: 'manual',
      });
      return open(`/rooms/${room}?htmx=${version}&nick=${encodeURIComponent(nick)}`);
    },
    openLobby: () => open(`/?htmx=${version}`),
  };
}

/**
 * @param {Page} page
 * @param {string} text
 */
async function say(page, text) {
  await page.fill('#text', text);
  // A click in a background tab would take a second.
  await page.press('#text', 'Enter');
}

/** @param {Page} page */
const lines = (page) => page.locator('#said li').allInnerTexts();
/** @param {Page} page */
const peopleOf = (page) => page.locator('#people tr').allInnerTexts();

/**
 * Waits until a page shows these rows, in this order; fails after five seconds.
 *
 * @param {(page: Page) => Promise<string[]>} read
 * @param {Page} page
 * @param {string[]} expected
 */
async function shows(read, page, expected) {
  let rows;
  for (let tries = 0; tries < 250; tries += 1) {
    rows = (await read(page)).map((text) => text.replaceAll(/\s+/g, ' ').trim());
    if (JSON.stringify(rows) === JSON.stringify(expected)) return;
    await sleep(20);
  }
  assert.deepEqual(rows, expected);
}

for (const version of [4, 2]) {
  describe(`chat on htmx ${version}`, () => {
    test('what is said shows once on every page of the room, in order', async (t) => {
      const server = await serve(t, version);
      const [ada, bob] = [await server.openRoom('tea', 'Ada'), await server.openRoom('tea', 'Bob')];
      const elsewhere = await server.openRoom('coffee', 'Eve');
      const expected = [];
      for (let n = 1; n <= 10; n += 1) {
        const [page, nick] = n % 2 ? [ada, 'Ada'] : [bob, 'Bob'];
        await say(page, `message ${n}`);
        expected.push(`${nick} message ${n}`);
        for (const reader of [ada, bob]) await shows(lines, reader, expected);
        // The response to the form may arrive after the line.
        await shows(async (page) => [await page.inputValue('#text')], page, ['']);
      }
      assert.deepEqual(await lines(elsewhere), []);
      const late = await server.openRoom('tea', 'Cy');
      await shows(lines, late, expected);
      assert.deepEqual(server.complaints, []);
    });

    test('many that come at once are all appended, in order', async (t) => {
      const server = await serve(t, version);
      const page = await server.openRoom('tea', 'Ada');
      for (let n = 1; n <= 100; n += 1) {
        const body = new URLSearchParams({ connection: 'c', nick: 'Bob', text: String(n) });
        assert.ok((await fetch(`${server.base}/rooms/tea/said`, { method: 'POST', body })).ok);
      }
      await shows(
        lines,
        page,
        [...Array(100).keys()].map((n) => `Bob ${n + 1}`),
      );
      assert.deepEqual(server.complaints, []);
    });

    test('a named event keeps the list of who is there', async (t) => {
      const server = await serve(t, version);
      const ada = await server.openRoom('tea', 'Ada');
      await shows(peopleOf, ada, ['Ada']);
      await ada.evaluate(() => {
        window.marked = document.querySelector('#people tr');
      });
      const zoe = await server.openRoom('tea', '<b>Zoë');
      for (const page of [ada, zoe]) await shows(peopleOf, page, ['<b>Zoë', 'Ada'].sort());
      const kept = await ada.evaluate(() => window.marked.isConnected);
      assert.equal(kept, version === 4, 'htmx 4 morphs, and htmx 2 replaces');
      await zoe.close();
      await shows(peopleOf, ada, ['Ada']);
      assert.deepEqual(server.complaints, []);
    });

    test('the lobby follows by rows of a table', async (t) => {
      const server = await serve(t, version);
      const lobby = await server.openLobby();
      const rows = (/** @type {Page} */ page) => page.locator('#rooms tr').allInnerTexts();
      const tea = await server.openRoom('tea', 'Ada');
      await shows(rows, lobby, ['tea 1']);
      await server.openRoom('coffee', 'Bob');
      await shows(rows, lobby, ['coffee 1', 'tea 1']);
      await say(tea, '<i>hello');
      await shows(rows, lobby, ['coffee 1', 'tea 1 Ada <i>hello']);
      await tea.click('.top button');
      await shows(rows, lobby, ['coffee 1']);
      assert.deepEqual(server.complaints, []);
    });

    test('a room that is closed ends its streams for good', async (t) => {
      const server = await serve(t, version);
      const ada = await server.openRoom('tea', 'Ada');
      const bob = await server.openRoom('tea', 'Bob');
      const closed = new URLSearchParams();
      await fetch(`${server.base}/rooms/tea/close`, { method: 'POST', body: closed, redirect: 'manual' });
      for (const page of [ada, bob]) {
        await page.waitForFunction(() => document.getElementById('refusal')?.textContent === 'This room is closed.');
      }
      await until(server.connections, (found) => found === 0, 'no connection');
      const before = server.requests.length;
      await sleep(3000);
      assert.equal(server.requests.length, before, 'nobody comes back');
      assert.deepEqual(server.complaints, []);
    });

    test('what is refused says why', async (t) => {
      const server = await serve(t, version);
      const ada = await server.openRoom('tea', 'Ada');
      await ada.evaluate(() => document.getElementById('text')?.removeAttribute('required'));
      await say(ada, '  ');
      await ada.waitForFunction(() => document.getElementById('refusal')?.textContent === 'Say something first.');
      await say(ada, 'hello');
      await ada.waitForFunction(() => document.getElementById('refusal')?.textContent === '');
      await shows(lines, ada, ['Ada hello']);
    });
  });
}

test('the chat works without script, and not from elsewhere', async (t) => {
  const server = await startExample(t, 'chat-axum', []);
  /** @type {(path: string, fields: Record<string, string>, headers?: Record<string, string>) => Promise<Response>} */
  const post = (path, fields, headers = {}) =>
    fetch(server.base + path, { method: 'POST', body: new URLSearchParams(fields), headers, redirect: 'manual' });
  const typed = { connection: 'c', nick: 'Ada', text: 'hello' };

  const door = await (await fetch(`${server.base}/rooms/tea`)).text();
  assert.match(door, /Your name/);
  assert.equal((await post('/rooms/tea/said', typed)).status, 410, 'nobody has opened it');
  assert.equal((await fetch(`${server.base}/rooms/tea?nick=Ada`)).status, 404, 'a link opens no room');
  const entered = await post('/enter', { room: 'tea', nick: 'Ada' });
  assert.deepEqual([entered.status, entered.headers.get('location')], [303, '/rooms/tea?htmx=4&nick=Ada']);
  const said = await post('/rooms/tea/said', typed);
  assert.deepEqual([said.status, said.headers.get('location')], [303, '/rooms/tea?nick=Ada#said-1']);
  assert.match(await (await fetch(`${server.base}/rooms/tea?nick=Ada`)).text(), /id="said-1"><b>Ada<\/b> <span>hello/);
  assert.equal((await post('/rooms/tea/said', { ...typed, text: ' ' })).status, 422);
  assert.equal((await post('/rooms/tea/said', typed, { 'Sec-Fetch-Site': 'cross-site' })).status, 403);
  assert.equal((await post('/rooms/tea/close', {}, { Origin: 'http://elsewhere.test' })).status, 403);
  assert.equal((await fetch(`${server.base}/rooms/TEA?nick=Ada`)).status, 400);
  assert.equal((await post('/enter', { room: 'a b', nick: 'Ada' })).status, 422);
});
