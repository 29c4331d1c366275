import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../scripts/connect.js';

/** Connects to an answer, and says what happened. @param {string} body @param {{receive?: (data: string) => void, init?: ResponseInit}} [how] */
async function read(body, { receive = () => {}, init } = {}) {
  const control = new AbortController();
  let isCancelled = false;
  const stream = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode(body)),
    cancel: () => {
      isCancelled = true;
    },
  });
  const headers = { 'Content-Type': 'text/event-stream' };
  /** @type {any} */
  const fetch = async (/** @type {string} */ _, /** @type {RequestInit} */ { signal }) => {
    signal?.addEventListener('abort', () => stream.locked || stream.cancel());
    return new Response(stream, { headers, ...init });
  };
  /** @type {string[]} */
  const seen = [];
  const ending = connect('/', {
    fetch,
    init: {},
    control,
    opened: () => seen.push('open'),
    alive: () => {},
    receive: ({ data }) => {
      seen.push(data);
      if (data === 'last') control.abort();
      receive(data);
    },
  });
  return { ending: await ending, seen, isCancelled: () => isCancelled };
}

/** @param {string[]} events */
const events = (...events) => events.map((event) => `data: ${event}\n\n`).join('');

test('nothing comes after the end, though it is there already', async () => {
  const { seen } = await read(events('1', 'last', '3', '4'));
  assert.deepEqual(seen, ['open', '1', 'last']);
});

test('an exception of a handler is reported, and changes nothing else', async () => {
  /** @type {unknown[]} */
  const reported = [];
  Object.assign(globalThis, { reportError: (/** @type {unknown} */ error) => reported.push(error) });
  const { seen } = await read(events('1', '2', 'last'), {
    receive: (data) => {
      throw new Error(data);
    },
  });
  assert.deepEqual(seen, ['open', '1', '2', 'last']);
  assert.deepEqual(reported.map(String), ['Error: 1', 'Error: 2', 'Error: last']);
});

test('what is refused is not read', async () => {
  for (const [status, isFinal] of /** @type {const} */ ([
    [404, true],
    [503, false],
  ])) {
    const { ending, seen } = await read(events('1'), { init: { status, headers: { 'Retry-After': '3' } } });
    assert.deepEqual(ending, { reason: `status ${status}`, status, isFinal, retryAfter: 3000 });
    assert.deepEqual(seen, []);
  }
  const page = await read(events('1'), { init: { headers: { 'Content-Type': 'text/html' } } });
  assert.equal(page.ending.reason, 'the answer is no stream');
  assert.ok(page.isCancelled());
});
