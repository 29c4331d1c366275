// The worker, and tabs that go and come back.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { startWorker } from '../scripts/worker.js';

const OPTIONS = { events: 10, characters: 1000, reconnectDelay: 500, heartbeatTimeout: null };

/** After how long a tab without Web Locks, which node lacks, is certainly taken for gone. */
const SILENCE_MS = 200_000;

/** Lets everything happen that waits for nothing but its turn. */
async function settle() {
  for (let n = 0; n < 30; n += 1) await new Promise((resolve) => setImmediate(resolve));
}

test('a tab that was taken for gone is watched again once it is back', async (t) => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  t.after(() => mock.timers.reset());
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const pass = (/** @type {number} */ milliseconds) => {
    for (let passed = 0; passed < milliseconds; passed += 1_000) {
      now += 1_000;
      mock.timers.tick(1_000);
    }
  };
  /** Whether each stream that was asked for is open. @type {AbortSignal[]} */
  const signals = [];
  t.mock.method(globalThis, 'fetch', (/** @type {string} */ _url, /** @type {RequestInit} */ { signal }) => {
    signals.push(/** @type {AbortSignal} */ (signal));
    return new Promise(() => {});
  });
  const areOpen = () => signals.map(({ aborted }) => !aborted);

  Object.assign(globalThis, { addEventListener: () => {} }); // for the network's return
  startWorker();
  t.after(() => {
    for (const name of ['addEventListener', 'onconnect']) Reflect.deleteProperty(globalThis, name);
  });
  /** @type {{does: string}[]} */
  const heard = [];
  /** @type {any} */
  const port = { postMessage: (/** @type {{does: string}} */ word) => heard.push(word), addEventListener: () => {} };
  /** @type {any} */ (globalThis).onconnect({ ports: [port] });
  const say = (/** @type {object} */ data) => port.onmessage({ data });
  const join = { does: 'joins', id: '1', key: 'k', url: '/events', cursor: '' };
  say(OPTIONS);
  say(join);
  pass(1_000);
  await settle();
  assert.deepEqual(areOpen(), [true]);

  pass(SILENCE_MS);
  assert.deepEqual(areOpen(), [false], 'the page was frozen, and is taken for gone');
  say({ does: 'pings' });
  assert.deepEqual(heard.at(-1), { does: 'pongs', subscriptions: 0 });
  say(join);
  pass(1_000);
  await settle();
  assert.deepEqual(areOpen(), [false, true]);

  pass(SILENCE_MS);
  assert.deepEqual(areOpen(), [false, false], 'and it crashed');
});
