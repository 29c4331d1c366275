// What a page does whose worker is slow, or dead.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Subscription } from '../scripts/subscription.js';
import { WorkerTransport } from '../scripts/worker-client.js';

/** A worker, as the page sees it: what it was told, and how it answers. */
class Worker {
  /** @type {{does?: string, id?: string, cursor?: string}[]} */
  told = [];
  isClosed = false;
  /** @type {((event: {data: object}) => void) | undefined} */
  #listener;

  /** @param {string} name */
  constructor(name) {
    this.name = name;
    const worker = this;
    this.port = {
      postMessage: (/** @type {{does?: string}} */ word) => worker.told.push(word),
      close: () => {
        worker.isClosed = true;
      },
      set onmessage(/** @type {(event: {data: object}) => void} */ listener) {
        worker.#listener = listener;
      },
    };
  }

  /** @param {object} word */
  say(word) {
    if (!this.isClosed) this.#listener?.({ data: word });
  }

  /** Joins and leaves since this was asked last. */
  get news() {
    return this.told.splice(0).flatMap(({ does, id = '' }) => (does ? [`${does} ${id}`.trim()] : []));
  }
}

const OPTIONS = { events: 1, characters: 1, reconnectDelay: 1, heartbeatTimeout: null };

/** A page with one subscription, and the workers that it has asked for. @param {import('node:test').TestContext} t */
function page(t) {
  mock.timers.enable({ apis: ['setTimeout'] });
  /** @type {Worker[]} */
  const workers = [];
  class SharedWorker extends Worker {
    /** @param {string} _url @param {{name: string}} how */
    constructor(_url, { name }) {
      super(name);
      workers.push(this);
    }
  }
  Object.assign(globalThis, { SharedWorker });
  t.after(() => {
    mock.timers.reset();
    Reflect.deleteProperty(globalThis, 'SharedWorker');
  });
  let failures = 0;
  let returns = 0;
  const transport = new WorkerTransport(
    { worker: '/tabs.js', tab: 'tab', bus: 'bus', options: OPTIONS },
    () => {
      failures += 1;
    },
    () => {
      returns += 1;
    },
  );
  /** @type {string[]} */
  const heard = [];
  const subscription = new Subscription('1', 'url', 'key', 'a-2', {
    onState: () => {},
    onMessage: ({ id }) => heard.push(id),
  });
  transport.join(subscription);
  const event = (/** @type {string} */ id) => {
    return { does: 'tells', id: '1', message: { kind: 'message', id, event: 'e', data: '' } };
  };
  return { transport, workers, subscription, heard, event, failures: () => failures, returns: () => returns };
}

/** The worker of that number, which must be there. @param {Worker[]} workers @param {number} n @returns {Worker} */
function nth(workers, n) {
  const worker = workers[n];
  assert.ok(worker, `worker ${n} of ${workers.length}`);
  return worker;
}

test('a worker that does not greet is left, and another tried', (t) => {
  const { workers } = page(t);
  assert.deepEqual(nth(workers, 0).news, ['joins 1']);
  mock.timers.tick(3_000);
  assert.deepEqual(nth(workers, 0).news, ['goes'], 'it keeps no stream for a page that has left it');
  assert.deepEqual(
    workers.map(({ name }) => name),
    [`sse-kit 0 ${JSON.stringify(OPTIONS)}`, `sse-kit 1 ${JSON.stringify(OPTIONS)}`],
  );
  assert.deepEqual(nth(workers, 1).news, ['joins 1']);
});

test('a worker that greets late has its page back, and the younger ones are left', (t) => {
  const { workers, heard, event, failures } = page(t);
  mock.timers.tick(3_000);
  mock.timers.tick(1_000);
  nth(workers, 2).say({ does: 'greets', lock: '' });
  nth(workers, 2).say(event('a-3'));
  for (const worker of workers) worker.told = [];

  nth(workers, 0).say({ does: 'greets', lock: '' });
  assert.deepEqual(nth(workers, 2).news, ['goes']);
  assert.equal(nth(workers, 2).isClosed, true);
  assert.equal(nth(workers, 0).told[0]?.cursor, 'a-3', 'it goes on where the page is');
  assert.deepEqual(nth(workers, 0).news, ['joins 1']);
  nth(workers, 0).say(event('a-3'));
  nth(workers, 0).say(event('a-4'));
  assert.deepEqual(heard, ['a-3', 'a-4']);
  mock.timers.tick(10_000);
  assert.equal(workers.length, 3, 'its greeting counts');
  assert.equal(failures(), 0);
});

test('a worker that greets late is no reason to leave an older one', (t) => {
  const { workers } = page(t);
  mock.timers.tick(3_000);
  mock.timers.tick(1_000);
  nth(workers, 1).say({ does: 'greets', lock: '' });
  assert.equal(nth(workers, 2).isClosed, true);
  nth(workers, 0).say({ does: 'greets', lock: '' });
  assert.equal(nth(workers, 1).isClosed, true);
  nth(workers, 1).say({ does: 'greets', lock: '' });
  nth(workers, 2).say({ does: 'greets', lock: '' });
  assert.equal(nth(workers, 0).isClosed, false);
  assert.equal(workers.length, 3);
});

test('a page that has gone does not come back to a worker that greets late', (t) => {
  const { transport, workers } = page(t);
  mock.timers.tick(3_000);
  transport.suspend();
  for (const worker of workers) worker.told = [];
  for (const worker of workers) worker.say({ does: 'greets', lock: '' });
  mock.timers.tick(60_000);
  assert.deepEqual(
    workers.map(({ news }) => news),
    [[], []],
  );
});

test('a page does without a worker once six have not greeted', (t) => {
  const { workers, failures } = page(t);
  for (let n = 0; n < 6; n += 1) mock.timers.tick(3_000);
  assert.equal(workers.length, 6);
  assert.equal(failures(), 1);
});

/** A worker that answers no ping is dead to its page: three in a row, and the fourth's time is over. */
const DEATH_MS = 4 * 20_000;

test('a page that does without a worker has it back when one greets, and the oldest in the end', (t) => {
  const { transport, workers, subscription, heard, event, failures, returns } = page(t);
  for (let n = 0; n < 6; n += 1) mock.timers.tick(3_000);
  transport.suspend(); // as what listens goes another way
  for (const worker of workers) worker.told = [];

  nth(workers, 3).say({ does: 'greets', lock: '' });
  assert.deepEqual([failures(), returns()], [1, 1]);
  transport.join(subscription);
  assert.deepEqual(nth(workers, 3).news, ['joins 1']);
  nth(workers, 5).say({ does: 'greets', lock: '' });
  assert.deepEqual(nth(workers, 5).news, []);
  nth(workers, 0).say({ does: 'greets', lock: '' });
  assert.deepEqual([nth(workers, 3).news, nth(workers, 3).isClosed], [['goes'], true]);
  assert.deepEqual(nth(workers, 0).news, ['joins 1']);
  nth(workers, 0).say(event('a-3'));
  assert.deepEqual(heard, ['a-3']);
  mock.timers.tick(10_000);
  assert.equal(workers.length, 6, 'its greeting counts');
  assert.deepEqual([failures(), returns()], [1, 1]);
});

test('a page that is back asks for the worker that greeted while it was away', (t) => {
  const { transport, workers, subscription } = page(t);
  mock.timers.tick(3_000);
  transport.suspend();
  nth(workers, 0).say({ does: 'greets', lock: '' });
  transport.join(subscription);
  assert.equal(nth(workers, 2).name, nth(workers, 0).name);
});

test('deaths count only one after the other', (t) => {
  const { workers, failures } = page(t);
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  for (let n = 0; n < 20; n += 1) {
    now += 1;
    nth(workers, n).say({ does: 'greets', lock: '' });
    now += DEATH_MS;
    // In steps: node's mock sets a timer of a timer from where the step ends.
    for (let passed = 0; passed < DEATH_MS; passed += 1_000) mock.timers.tick(1_000);
    assert.equal(workers.length, n + 2, `after ${n + 1} that lived for long`);
  }
  assert.equal(failures(), 0);
});

test('a worker that took its page for gone is told again of all that it does not know', (t) => {
  const { transport, workers } = page(t);
  const worker = nth(workers, 0);
  worker.say({ does: 'greets', lock: '' });
  const listener = { onState: () => {}, onMessage: () => {} };
  transport.join(new Subscription('2', 'url', 'key', '', listener));
  worker.told = [];
  worker.say({ does: 'pongs', subscriptions: 2 });
  assert.deepEqual(worker.news, []);
  worker.say({ does: 'pongs', subscriptions: 1 });
  assert.deepEqual(worker.news, ['joins 1', 'joins 2']);
});
