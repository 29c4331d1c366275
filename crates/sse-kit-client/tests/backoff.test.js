import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../scripts/backoff.js';

/** @param {Backoff} backoff @param {number} count */
const waits = (backoff, count) => Array.from({ length: count }, () => backoff.next());

test('each wait is at most 1.5 times the one before, and at least half of that', () => {
  assert.deepEqual(waits(new Backoff(1000, () => 1), 4), [1000, 1500, 2250, 3375]);
  assert.deepEqual(waits(new Backoff(1000, () => 0), 4), [500, 750, 1125, 1687.5]);
});

test('no wait is longer than half a minute, unless the first one is', () => {
  assert.equal(waits(new Backoff(1000, () => 1), 2000).at(-1), 30_000);
  assert.equal(waits(new Backoff(120_000, () => 1), 3).at(-1), 120_000);
});

test('a stream that lasts begins anew, and one that ends at once does not', (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const backoff = new Backoff(1000, () => 1);
  const lose = (/** @type {number} */ lasted) => {
    backoff.opened();
    now += lasted;
    return backoff.next();
  };
  assert.deepEqual([10, 10, 10, 5000, 10].map(lose), [1000, 1500, 2250, 1000, 1500]);
});

test('a server that says goodbye says when to come back, once', () => {
  const backoff = new Backoff(1000, () => 1);
  waits(backoff, 3);
  backoff.excuse(777);
  assert.deepEqual(waits(backoff, 2), [777, 1500]);
  backoff.excuse(undefined);
  assert.deepEqual(waits(backoff, 2), [1000, 1500]);
  backoff.excuse(0);
  assert.equal(backoff.next(), 100, 'even a server that says 0 is given time');
  backoff.excuse(2 ** 31);
  assert.equal(backoff.next(), 300_000, 'and no longer than five minutes: a timer of more than 2³¹ ms ends at once');
  backoff.excuse(777);
  backoff.opened();
  assert.equal(backoff.next(), 1500, 'a goodbye counts for the stream that it ends');
});

test('what a busy server asks for is the least', () => {
  assert.equal(new Backoff(1000, () => 0).next(4000), 4000);
  assert.equal(new Backoff(1000, () => 1).next(4000), 6000);
});
