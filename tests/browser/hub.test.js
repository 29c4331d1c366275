// The hub with third-party clients: JavaScript parsers, and its status page in a browser.
// `@microsoft/fetch-event-source` is not among them: it loses empty lines at the beginning of data.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { EventSource } from 'eventsource';
import { createParser } from 'eventsource-parser';
import { launchBrowser, startExample } from './launch.js';

const corpus = new URL('../../crates/sse-kit-event/tests/awkward-bodies.json', import.meta.url);
/** @type {string[]} */
const bodies = JSON.parse(await readFile(corpus, 'utf8'));

/**
 * What the standard makes of line ends.
 *
 * @param {string} text
 */
const normalised = (text) => text.replace(/\r\n|\r/g, '\n');
const expected = bodies.map(normalised);

/** The ways in which a hub sends streams, and the `Content-Encoding` of each. */
const WAYS = [
  { way: 'on the fast path', options: [], encoding: null },
  { way: 'by hyper, in gzip', options: ['--hyper-streams', '--gzip'], encoding: 'gzip' },
  { way: 'in gzip over several events', options: ['--gzip', '--gzip-window'], encoding: 'gzip' },
];

/**
 * Starts a hub whose history holds all bodies.
 *
 * @param {import('node:test').TestContext} t
 * @param {string[]} options
 */
async function startHub(t, options) {
  const { base } = await startExample(t, 'hub', ['--history', '1000', '--queue', '1000', ...options]);
  /** @type {(query: string, body: string) => Promise<{id: string}>} */
  const publish = async (query, body) => {
    const response = await fetch(`${base}/publish?${query}`, { method: 'POST', body });
    assert.equal(response.status, 200);
    return response.json();
  };
  return { base, publish };
}

/**
 * Subscribes by `listen(url, onData)`, publishes all bodies, and compares what arrives.
 *
 * @param {import('node:test').TestContext} t
 * @param {string[]} options of the hub
 * @param {(url: string, onData: (data: string) => void) => Promise<() => void>} listen
 */
async function readsAllBodies(t, options, listen) {
  const { base, publish } = await startHub(t, options);
  /** @type {string[]} */
  const received = [];
  /** @type {(value?: unknown) => void} */
  let done;
  const all = new Promise((resolve) => {
    done = resolve;
  });
  const stop = await listen(`${base}/events?topic=a`, (data) => {
    received.push(data);
    if (received.length === bodies.length) done();
  });
  t.after(stop);
  for (const body of bodies) await publish('topic=a&event=e', body);
  await all;
  const wrong = received.map((data, n) => (data === expected[n] ? null : [n, data.slice(0, 80)]));
  assert.deepEqual(wrong.filter(Boolean), []);
}

for (const { way, options, encoding } of WAYS) {
  test(`eventsource-parser reads ${bodies.length} awkward bodies as they were, ${way}`, async (t) => {
    await readsAllBodies(t, options, async (url, onData) => {
      const control = new AbortController();
      const response = await fetch(url, { signal: control.signal });
      assert.equal(response.headers.get('content-encoding'), encoding);
      const parser = createParser({ onEvent: (event) => event.event === 'e' && onData(event.data) });
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      assert.ok(reader);
      (async () => {
        for (;;) {
          const { value, done } = await reader.read();
          if (done) return;
          parser.feed(value);
        }
      })().catch(() => {}); // aborted, when the test is over
      return () => control.abort();
    });
  });

  test(`the npm package eventsource reads them too, ${way}`, async (t) => {
    await readsAllBodies(t, options, async (url, onData) => {
      const events = new EventSource(url);
      events.addEventListener('e', (event) => onData(event.data));
      await new Promise((resolve) => events.addEventListener('open', resolve));
      return () => events.close();
    });
  });

  test(`EventSource and fetch of Chromium read them too, ${way}`, async (t) => {
    const browser = await launchBrowser();
    t.after(() => browser.close());
    const page = await browser.newPage();
    const { base, publish } = await startHub(t, options);
    await page.goto(`${base}/`); // for its origin
    const seen = await page.evaluate(async () => {
      window.received = [];
      window.source = new EventSource('/events?topic=a');
      window.source.addEventListener('e', (/** @type {MessageEvent} */ event) =>
        window.received.push([event.lastEventId, event.data]),
      );
      const opened = new Promise((resolve) => window.source.addEventListener('open', resolve));
      const response = await fetch('/events?topic=a');
      window.fetched = '';
      response.body?.pipeThrough(new TextDecoderStream()).pipeTo(
        new WritableStream({
          write(text) {
            window.fetched += text;
          },
        }),
      );
      await opened;
      return response.headers.get('content-encoding');
    });
    assert.equal(seen, encoding);
    /** @type {string[]} */
    const ids = [];
    for (const body of bodies) ids.push((await publish('topic=a&event=e', body)).id);
    await page.waitForFunction((count) => window.received.length === count, bodies.length);
    assert.deepEqual(
      await page.evaluate(() => window.received),
      expected.map((data, n) => [ids[n], data]),
    );
    await page.waitForFunction((last) => window.fetched.endsWith(`id: ${last}\n\n`), ids.at(-1));
    /** @type {string[]} */
    const fetched = [];
    createParser({ onEvent: ({ event, data }) => event === 'e' && fetched.push(data) }).feed(
      await page.evaluate(() => window.fetched),
    );
    assert.deepEqual(fetched, expected);
  });
}

test('an event that refers to those before it is read before the next is published', async (t) => {
  const { base, publish } = await startHub(t, ['--gzip', '--gzip-window']);
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`${base}/`);
  await page.evaluate(async () => {
    window.received = [];
    window.source = new EventSource('/events?topic=a');
    window.source.addEventListener('e', (/** @type {MessageEvent} */ event) =>
      window.received.push([event.lastEventId, event.data]),
    );
    await new Promise((resolve) => window.source.addEventListener('open', resolve));
  });
  const control = new AbortController();
  t.after(() => control.abort());
  const { body } = await fetch(`${base}/events?topic=a`, { signal: control.signal });
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.ok(reader);
  let fetched = '';
  for (let percent = 0; percent < 30; percent++) {
    const bar = `<progress id="job-17" max="100" value="${percent}">${percent} % of 4,211 files</progress>`;
    const { id } = await publish('topic=a&event=e', bar);
    await page.waitForFunction((count) => window.received.length === count, percent + 1);
    assert.deepEqual(await page.evaluate(() => window.received.at(-1)), [id, bar]);
    while (!fetched.endsWith(`data: ${bar}\nid: ${id}\n\n`)) {
      const { value, done } = await reader.read();
      assert.ok(!done);
      fetched += value;
    }
  }
});

test('a page listens with a token in a cookie', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hub-'));
  t.after(() => rm(folder, { recursive: true }));
  const key = join(folder, 'jwt.key');
  await writeFile(key, 'a secret of the tests, as long as it has to be');
  const options = ['--jwt-key-file', key, '--jwt-cookie', 'hub_token'];
  const { base } = await startExample(t, 'hub', options);
  /** @param {object} claims */
  const token = (claims) => {
    const parts = [{ alg: 'HS256' }, claims].map((part) => Buffer.from(JSON.stringify(part)));
    const text = parts.map((part) => part.toString('base64url')).join('.');
    const hmac = createHmac('sha256', 'a secret of the tests, as long as it has to be');
    return `${text}.${hmac.update(text).digest('base64url')}`;
  };
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`${base}/`);
  const status = () =>
    page.evaluate(async () => {
      const response = await fetch('/events?topic=news', { method: 'HEAD' });
      return response.status;
    });
  assert.equal(await status(), 401);
  await page.evaluate(
    (cookie) => {
      // biome-ignore lint/suspicious/noDocumentCookie: as the guide shows it
      document.cookie = cookie;
    },
    `hub_token=${token({ subscribe: ['news'] })}; path=/; samesite=strict`,
  );
  await page.evaluate(async () => {
    window.received = [];
    window.source = new EventSource('/events?topic=news');
    window.source.addEventListener('message', (/** @type {MessageEvent} */ event) =>
      window.received.push([event.lastEventId, event.data]),
    );
    await new Promise((resolve) => window.source.addEventListener('open', resolve));
  });
  const headers = { authorization: `Bearer ${token({ publish: ['news'] })}` };
  const url = `${base}/publish?topic=news`;
  const response = await fetch(url, { method: 'POST', body: 'hello', headers });
  assert.equal((await response.json()).receivers, 1);
  await page.waitForFunction(() => window.received.length === 1);
  assert.equal(await page.evaluate(() => window.received[0]?.[1]), 'hello');
});

test('the status page follows what happens', async (t) => {
  const { base, publish } = await startHub(t, []);
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(`${base}/`);
  await page.waitForSelector('#connection[data-state="live"]');
  for (let n = 0; n < 7; n += 1) await publish('topic=a', 'x');
  await page.waitForFunction(() =>
    [...document.querySelectorAll('dl div')].some((row) => row.textContent?.trim() === 'Published7'),
  );
  assert.equal(await page.locator('svg polyline').count(), 1);
  assert.deepEqual(complaints, []);
});
