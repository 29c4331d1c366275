import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Watchdog } from '../scripts/watchdog.js';

let now = 0;
/** @type {string[]} */
let heard = [];
/** @type {(time: number) => void} */
let pass = () => {};

beforeEach((t) => {
  now = 0;
  heard = [];
  if (!('mock' in t)) throw new Error('each test has mocks of its own');
  t.mock.method(performance, 'now', () => now);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  pass = (time) => {
    now += time;
    t.mock.timers.tick(time);
  };
});

/** @param {number | null} configured */
const watch = (configured) =>
  new Watchdog(
    configured,
    () => heard.push('silent'),
    () => heard.push('dead'),
  );

test('the page has the say, then the server, then a default', () => {
  const watchdog = watch(null);
  assert.equal(watchdog.patience, 30_000);
  watchdog.alive();
  watchdog.expects(15_000);
  assert.equal(watchdog.patience, 37_500);
  watchdog.expects(0);
  assert.equal(watchdog.patience, Number.POSITIVE_INFINITY);
  const configured = watch(1000);
  configured.expects(15_000);
  assert.equal(configured.patience, 1000);
});

test('an answer may take half a minute, whatever the heartbeats', () => {
  const watchdog = watch(null);
  watchdog.alive();
  watchdog.expects(0);
  watchdog.asks();
  pass(30_000);
  assert.deepEqual(heard, ['silent']);
  watchdog.alive();
  pass(1_000_000);
  assert.deepEqual(heard, ['silent']);
});

test('silence is noticed, and death a second later unless there is a sign of life', () => {
  const watchdog = watch(1000);
  watchdog.asks();
  pass(999);
  watchdog.alive();
  pass(1000);
  assert.deepEqual(heard, ['silent']);
  pass(999);
  watchdog.alive();
  pass(1000);
  pass(1000);
  assert.deepEqual(heard, ['silent', 'silent', 'dead']);
});
