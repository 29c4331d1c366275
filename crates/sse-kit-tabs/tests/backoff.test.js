import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../scripts/backoff.js';

const LONGEST = 0.999_999;

/** @param {Backoff} backoff @param {number} count */
const waits = (backoff, count) => Array.from({ length: count }, () => Math.round(backoff.next()));

test('waits double, by half or whole, and end at half a minute', () => {
  assert.deepEqual(waits(new Backoff(() => LONGEST), 8), [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  assert.deepEqual(waits(new Backoff(() => 0), 3), [250, 500, 1000]);
});

test('in ten seconds there are at most six requests', () => {
  const backoff = new Backoff(() => 0);
  let requests = 0;
  for (let now = 0; now <= 10_000; now += backoff.next()) requests += 1;
  assert.equal(requests, 6);
});

test('what the server says is done, once to the letter', () => {
  const backoff = new Backoff(() => 0);
  backoff.tell(3000);
  assert.deepEqual(waits(backoff, 4), [3000, 1500, 3000, 6000]);
  backoff.tell(60_000);
  assert.ok(backoff.next() >= 30_000, 'even longer than the longest of our own');
});

test('even a server that says 0 is given time', () => {
  const backoff = new Backoff(() => 0);
  backoff.tell(0);
  assert.deepEqual(waits(backoff, 4), [100, 50, 100, 200]);
});

test('a success begins anew', () => {
  const backoff = new Backoff(() => 0);
  waits(backoff, 5);
  backoff.succeed();
  assert.equal(backoff.next(), 250);
});

test('a time that a busy server asks for is the least', () => {
  assert.equal(new Backoff(() => 0).next(4000), 4000);
  assert.ok(new Backoff(() => LONGEST).next(4000) <= 6000);
});
