// The stream against a server that does what the test says.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { SharedStream } from '../scripts/shared-stream.js';

/** @typedef {import('../scripts/protocol.js').SharedMessage} SharedMessage */

/** A listener that throws is reported. @type {unknown[]} */
let reported = [];

beforeEach(() => {
  reported = [];
  Object.assign(globalThis, { reportError: (/** @type {unknown} */ error) => reported.push(error) });
  mock.timers.enable({ apis: ['setTimeout'] });
});
afterEach(() => mock.timers.reset());

/** Lets everything happen that waits for nothing but its turn. */
async function settle() {
  for (let n = 0; n < 30; n += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A server, and what it was asked. */
function server() {
  /** @type {{cursor: string | null, signal: AbortSignal, send: (text: string) => unknown, end: () => void}[]} */
  const requests = [];
  /** @type {Response | undefined} */
  let other;
  /** @type {any} */
  const fetch = async (/** @type {string} */ _url, /** @type {RequestInit} */ { headers, signal }) => {
    /** @type {ReadableStreamDefaultController<Uint8Array> | undefined} */
    let controller;
    const body = new ReadableStream({ start: (its) => (controller = its) });
    signal?.addEventListener('abort', () => controller?.error(new DOMException('', 'AbortError')));
    requests.push({
      cursor: new Headers(headers).get('Last-Event-ID'),
      signal: /** @type {AbortSignal} */ (signal),
      send: (text) => !signal?.aborted && controller?.enqueue(new TextEncoder().encode(text)),
      end: () => controller?.close(),
    });
    return other ?? new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
  };
  const answer = (/** @type {Response | undefined} */ response) => {
    other = response;
  };
  return { fetch, requests, answer };
}

const OPTIONS = { events: 3, characters: 1000, reconnectDelay: 500, heartbeatTimeout: null };

/** @param {string} cursor */
const hello = (cursor) => `event: sse-kit:hello\nid: ${cursor}\ndata: {"cursor":"${cursor}","heartbeat_ms":1000}\n\n`;
/** @param {string} id */
const event = (id) => `id: ${id}\ndata: x\n\n`;

/** @param {SharedStream} stream @param {string} who @param {string} cursor */
function join(stream, who, cursor) {
  /** @type {string[]} */
  const heard = [];
  stream.join(who, cursor, (message) =>
    heard.push(message.kind === 'state' ? message.state : `${message.event} ${message.id}`),
  );
  return heard;
}

/** @param {ReturnType<typeof server>} from */
async function opened(from) {
  const stream = new SharedStream('/events', OPTIONS, from.fetch);
  const first = join(stream, '1', 'a-5');
  mock.timers.tick(20);
  await settle();
  from.requests[0]?.send(hello('a-5'));
  await settle();
  return { stream, first };
}

test('tabs that come at once are gathered, and the one furthest behind is served', async () => {
  const { fetch, requests } = server();
  const stream = new SharedStream('/events', OPTIONS, fetch);
  for (const [n, cursor] of ['a-7', 'a-5', '', 'a-9'].entries()) join(stream, `${n}`, cursor);
  mock.timers.tick(20);
  await settle();
  assert.deepEqual(
    requests.map(({ cursor }) => cursor),
    ['a-5'],
  );
});

test('who comes later has what it lacks from the buffer', async () => {
  const from = server();
  const { stream, first } = await opened(from);
  from.requests[0]?.send(event('a-6') + event('a-7'));
  await settle();
  assert.deepEqual(first, ['connecting', 'live', 'sse-kit:hello a-5', 'message a-6', 'message a-7']);
  assert.deepEqual(join(stream, '2', 'a-6'), ['live', 'sse-kit:hello a-6', 'message a-7']);
  assert.deepEqual(join(stream, '3', ''), ['live', 'sse-kit:hello a-7'], 'or the position of now');
  assert.deepEqual(join(stream, '4', 'b-9'), ['live', 'sse-kit:hello a-7'], 'by which it sees that it is lost');
  assert.equal(from.requests.length, 1);
});

test('heartbeats move the cursor, and take no place in the buffer', async () => {
  const from = server();
  const { stream, first } = await opened(from);
  const heartbeat = (/** @type {string} */ id) => `id: ${id}\nevent: sse-kit:heartbeat\ndata: {}\n\n`;
  from.requests[0]?.send(event('a-6'));
  for (let n = 7; n < 17; n += 1) from.requests[0]?.send(heartbeat(`a-${n}`));
  await settle();
  assert.equal(first.at(-1), 'sse-kit:heartbeat a-16');
  assert.deepEqual(join(stream, '2', 'a-5'), ['live', 'sse-kit:hello a-5', 'message a-6']);
  assert.deepEqual(join(stream, '3', ''), ['live', 'sse-kit:hello a-16']);
  assert.equal(from.requests.length, 1);
});

test('for who is before the buffer the stream is opened from there, and nothing comes in between', async () => {
  const from = server();
  const { stream } = await opened(from);
  const late = join(stream, '2', 'a-2');
  from.requests[0]?.send(event('a-6'));
  await settle();
  assert.deepEqual(late, ['live']);
  assert.ok(from.requests[0]?.signal.aborted);
  mock.timers.tick(20);
  await settle();
  assert.equal(from.requests[1]?.cursor, 'a-2');
  from.requests[1]?.send(hello('a-2') + event('a-3'));
  await settle();
  assert.deepEqual(late, ['live', 'live', 'sse-kit:hello a-2', 'message a-3']);
});

test('a lost stream is asked for again from where it was', async () => {
  const from = server();
  const { first } = await opened(from);
  from.requests[0]?.send(event('a-6'));
  await settle();
  from.requests[0]?.end();
  await settle();
  assert.equal(first.at(-1), 'reconnecting');
  mock.timers.tick(500);
  await settle();
  assert.equal(from.requests[1]?.cursor, 'a-6');
  assert.equal(first.at(-1), 'live');
});

test('a stream without a sign of life is dead', async () => {
  const from = server();
  const { first } = await opened(from);
  mock.timers.tick(2400);
  from.requests[0]?.send(':\n\n');
  await settle();
  mock.timers.tick(2400);
  await settle();
  assert.equal(first.at(-1), 'sse-kit:hello a-5', 'a comment is one');
  mock.timers.tick(200);
  await settle();
  assert.equal(first.at(-1), 'stale');
  mock.timers.tick(1000);
  await settle();
  assert.equal(first.at(-1), 'reconnecting');
});

test('a last word is a last word, for all who come soon', async () => {
  for (const status of [204, 400, 401, 403, 404, 410]) {
    const from = server();
    from.answer(new Response(null, { status }));
    const stream = new SharedStream('/events', OPTIONS, from.fetch);
    const first = join(stream, '1', '');
    mock.timers.tick(20);
    await settle();
    assert.deepEqual(first, ['connecting', 'closed']);
    assert.deepEqual(join(stream, '2', ''), ['closed']);
    mock.timers.tick(60_000);
    await settle();
    assert.equal(from.requests.length, 1, `${status}`);
  }
});

test('the server can close a stream for good', async () => {
  const from = server();
  const { first } = await opened(from);
  from.requests[0]?.send('event: sse-kit:close\ndata: {}\n\n');
  from.requests[0]?.send(event('a-6'));
  await settle();
  assert.deepEqual(first.slice(-2), ['sse-kit:close ', 'closed']);
  mock.timers.tick(60_000);
  await settle();
  assert.equal(from.requests.length, 1);
});

test('what is no stream is asked for again, and never read', async () => {
  const html = () => new Response('data: x\n\n', { headers: { 'Content-Type': 'text/html' } });
  for (const answer of [html, () => new Response('', { status: 503 }), () => new Response('', { status: 429 })]) {
    const from = server();
    from.answer(answer());
    const stream = new SharedStream('/events', OPTIONS, from.fetch);
    const first = join(stream, '1', 'a-1');
    mock.timers.tick(20);
    await settle();
    assert.deepEqual(first, ['connecting', 'reconnecting']);
    from.answer(undefined);
    mock.timers.tick(500);
    await settle();
    assert.deepEqual(first, ['connecting', 'reconnecting', 'live']);
    assert.equal(from.requests[1]?.cursor, 'a-1');
  }
});

test('nobody gets what came before a new epoch', async () => {
  const from = server();
  const { stream, first } = await opened(from);
  from.requests[0]?.send(event('a-6'));
  from.requests[0]?.send('event: sse-kit:gap\nid: b-3\ndata: {"to":"b-3","reason":"unknown-epoch"}\n\n');
  await settle();
  assert.equal(first.at(-1), 'sse-kit:gap b-3');
  assert.deepEqual(join(stream, '2', 'a-5'), ['live', 'sse-kit:hello b-3']);
  assert.deepEqual(join(stream, '3', 'b-3'), ['live', 'sse-kit:hello b-3']);
});

test('a listener that throws takes the stream from nobody', async () => {
  const from = server();
  const { stream, first } = await opened(from);
  stream.listen('bad', () => {
    throw new Error('bad');
  });
  const other = join(stream, '3', 'a-5');
  from.requests[0]?.send(event('a-6'));
  await settle();
  assert.deepEqual([first.at(-1), other.at(-1)], ['message a-6', 'message a-6']);
  assert.equal(from.requests.length, 1);
  assert.deepEqual(reported.map(String), ['Error: bad']);
});

test('a server that goes on in a new epoch is none that nobody knows', async () => {
  const from = server();
  const { stream, first } = await opened(from);
  from.requests[0]?.send(event('a-6') + event('a-7'));
  await settle();
  from.requests[0]?.end();
  await settle();
  mock.timers.tick(1000);
  await settle();
  assert.equal(from.requests[1]?.cursor, 'a-7');
  from.requests[1]?.send(
    'event: sse-kit:hello\nid: d-7\ndata: {"cursor":"d-7","continues":["a-9"],"heartbeat_ms":1000}\n\n',
  );
  from.requests[1]?.send(event('d-8'));
  await settle();
  assert.equal(first.at(-1), 'message d-8');
  assert.deepEqual(join(stream, '2', 'a-6'), ['live', 'sse-kit:hello a-6', 'message a-7', 'message d-8']);
  assert.deepEqual(join(stream, '3', 'a-8'), ['live', 'sse-kit:hello a-8']);
  assert.deepEqual(join(stream, '4', 'd-7'), ['live', 'sse-kit:hello d-7', 'message d-8']);
  // The log goes on in yet another one, without a word.
  from.requests[1]?.send(event('e-9'));
  await settle();
  assert.deepEqual(join(stream, '5', 'e-8'), ['live', 'sse-kit:hello e-8', 'message e-9']);
  assert.deepEqual(join(stream, '6', 'd-7'), ['live', 'sse-kit:hello d-7', 'message d-8', 'message e-9']);
  assert.deepEqual(join(stream, '7', 'a-10'), ['live', 'sse-kit:hello e-9'], 'it has seen what was lost');
  assert.equal(from.requests.length, 2);
});
