import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Connection } from '../scripts/connection.js';

/** What has happened, as `from to`. @type {string[]} */
let changes = [];
let now = 0;

beforeEach((t) => {
  changes = [];
  now = 1000;
  const page = {
    baseURI: 'http://a.test/page',
    getElementById: () => null,
    dispatchEvent: (/** @type {CustomEvent} */ { detail }) => changes.push(`${detail.from} ${detail.to}`),
  };
  Object.assign(globalThis, { document: page });
  Object.defineProperty(globalThis, 'navigator', { value: { onLine: true }, configurable: true });
  if (!('mock' in t)) throw new Error('each test has mocks of its own');
  t.mock.method(performance, 'now', () => now);
  t.mock.method(Math, 'random', () => 1);
  t.mock.timers.enable({ apis: ['setTimeout'] });
});

/** @param {Partial<import('../scripts/connection.js').MonitorConfig>} config */
const make = (config = {}) => {
  const defaults = {
    connection: 'c',
    status: 's',
    autoReconnect: true,
    reconnectDelay: 1000,
    heartbeatTimeout: null,
    gap: /** @type {const} */ ('reload'),
    debug: false,
    overlay: false,
    indicators: {},
  };
  return new Connection({ ...defaults, ...config }, () => {});
};

/** A stream that lasts so long, and is lost; gives how long it is to the next. @param {Connection} connection @param {number} lasted */
const lose = (connection, lasted) => {
  connection.asks();
  connection.opened();
  now += lasted;
  connection.lost('ended');
  return connection.retryDelay();
};

test('streams that end at once are asked for ever less, until one lasts', () => {
  const connection = make();
  assert.deepEqual(
    [10, 10, 10, 5000, 10].map((lasted) => lose(connection, lasted)),
    [1000, 1500, 2250, 1000, 1500],
  );
  assert.equal(connection.reconnects, 4);
});

test('a server that says goodbye says when to come back, once', () => {
  const connection = make();
  lose(connection, 10);
  connection.retry = 777;
  connection.opened();
  connection.hears('shutdown', '{}');
  assert.equal(connection.retryDelay(), 777);
  assert.equal(connection.retryDelay(), 1500);
});

test('who is in a hurry waits no more, once', () => {
  const connection = make();
  connection.asks();
  connection.opened();
  connection.refresh();
  connection.lost('ended');
  assert.deepEqual([connection.retryDelay(), connection.retryDelay()], [0, 1000]);
});

test('silence makes it stale, a sign of life live again, and more silence is the end', (t) => {
  /** @type {number[]} */
  const cuts = [];
  const connection = make({ heartbeatTimeout: 1000 });
  connection.carriedBy({ cut: () => cuts.push(now), hurry: () => {}, stop: () => {} });
  const pass = (/** @type {number} */ time) => {
    now += time;
    t.mock.timers.tick(time);
  };
  connection.asks();
  connection.opened();
  pass(999);
  connection.alive();
  pass(999);
  assert.equal(connection.state, 'live');
  pass(1);
  assert.equal(connection.state, 'stale');
  connection.alive();
  assert.equal(connection.state, 'live');
  pass(1000);
  assert.deepEqual([connection.state, cuts], ['stale', []]);
  pass(1000);
  assert.equal(cuts.length, 1);
});

test('the server says how long silence is, or that it means nothing', (t) => {
  const connection = make();
  connection.asks();
  connection.opened();
  connection.hears('hello', '{"heartbeat_ms":400}');
  assert.equal(connection.patience, 1000);
  connection.hears('hello', '{"heartbeat_ms":0}');
  now += 1_000_000;
  t.mock.timers.tick(1_000_000);
  assert.equal(connection.state, 'live');
  connection.hears('hello', 'no JSON at all');
  assert.equal(connection.patience, Infinity);
});

test('what is closed stays so, whatever is said', () => {
  const connection = make({ autoReconnect: false });
  connection.asks();
  connection.opened();
  connection.lost('ended');
  connection.lost('again');
  connection.ends('too late');
  connection.seen(true, true);
  assert.deepEqual(changes, ['connecting live', 'live closed']);
  assert.equal(connection.closed, 'ended');
});

test('without network it is offline, and a sign of life is believed', () => {
  const connection = make();
  connection.asks();
  connection.opened();
  connection.become('offline', 'offline');
  connection.alive();
  Object.defineProperty(globalThis, 'navigator', { value: { onLine: false }, configurable: true });
  connection.lost('ended');
  assert.deepEqual(changes, ['connecting live', 'live offline', 'offline live', 'live offline']);
});

test('a connection is over when the last source that carries it is', () => {
  const connection = make();
  const transport = () => ({ cut: () => {}, hurry: () => {}, stop: () => {} });
  const [older, newer] = [transport(), transport()];
  connection.carriedBy(older);
  connection.carriedBy(newer);
  connection.opened();
  connection.leaves(newer, 'closed by the page');
  assert.equal(connection.state, 'live');
  assert.equal(connection.transport, older);
  connection.leaves(older, 'closed by the page');
  assert.equal(connection.state, 'closed');
});

test('a hidden page stays paused, however the stream of the other tabs is', () => {
  const connection = make();
  connection.opened();
  connection.seen(true, true);
  for (const state of /** @type {const} */ (['live', 'stale', 'reconnecting'])) connection.shares(state, 'other tabs');
  assert.deepEqual(changes, ['connecting live', 'live paused']);
});

test('a cursor belongs to one stream', () => {
  const connection = make();
  assert.equal(connection.from('/e?topic=a&last_event_id=5f-3'), '5f-3');
  connection.receives('message', '5f-7');
  assert.equal(connection.from('/e?topic=b&last_event_id=5f-4'), '5f-4');
});
