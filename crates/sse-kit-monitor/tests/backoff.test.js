import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff } from '../scripts/backoff.js';

test('each wait is at most half as long again as the one before, and at least half of that', () => {
  const longest = [0, 1, 2, 3].map((failures) => backoff(failures, 1000, 1));
  const shortest = [0, 1, 2, 3].map((failures) => backoff(failures, 1000, 0));
  assert.deepEqual(longest, [1000, 1500, 2250, 3375]);
  assert.deepEqual(shortest, [500, 750, 1125, 1687.5]);
});

test('no wait is longer than half a minute, unless the first one is', () => {
  assert.equal(backoff(2000, 1000, 1), 30_000);
  assert.equal(backoff(3, 120_000, 1), 120_000);
});
