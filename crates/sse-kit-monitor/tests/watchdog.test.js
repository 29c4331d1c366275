import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patience, timeLeft } from '../scripts/watchdog.js';

test('the page has the say, then the server, then a default', () => {
  assert.equal(patience(1000, 15_000), 1000);
  assert.equal(patience(null, 15_000), 37_500);
  assert.equal(patience(null, undefined), 30_000);
});

test('without heartbeats silence means nothing, unless the page says so', () => {
  assert.equal(patience(null, 0), Infinity);
  assert.equal(patience(1000, 0), 1000);
});

test('time is left until the patience is over', () => {
  assert.equal(timeLeft(1000, 1500, 2000), 1500);
  assert.equal(timeLeft(1000, 9000, 2000), 0);
  assert.equal(timeLeft(1000, 1500, Infinity), Infinity);
});
