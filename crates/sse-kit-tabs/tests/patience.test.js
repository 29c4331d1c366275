import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patienceWithLeader } from '../scripts/patience.js';

/** @param {number | null} configured @param {number} heartbeat */
const whole = (configured, heartbeat) => {
  const { silence, answer } = patienceWithLeader(configured, heartbeat);
  assert.ok(silence > 0 && answer > 0);
  return silence + answer;
};

test('followers notice within the heartbeat timeout, and at least two seconds', () => {
  assert.equal(whole(4000, 60_000), 4000, 'what the page configures counts');
  assert.equal(whole(null, 1000), 2500, 'or 2.5 heartbeats of the server');
  assert.equal(whole(null, 100), 2000);
  assert.equal(whole(10, 0), 2000);
  for (const heartbeat of [0, 15_000, 1e12]) assert.equal(whole(null, heartbeat), 8000);
  assert.equal(whole(60_000, 1000), 8000);
});

test('a follower hears a heartbeat before it asks', () => {
  for (const heartbeat of [1000, 2000, 3000]) assert.ok(patienceWithLeader(null, heartbeat).silence > heartbeat);
});
