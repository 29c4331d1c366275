import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isFinal, isStream, retryAfter } from '../scripts/answer.js';

test('204 and most client errors are final', () => {
  for (const status of [204, 400, 401, 403, 404, 405, 410, 422]) assert.ok(isFinal(status), `${status}`);
  for (const status of [undefined, 0, 200, 302, 408, 425, 429, 500, 502, 503, 504]) {
    assert.ok(!isFinal(status), `${status}`);
  }
});

test('only an event stream is one', () => {
  const is = (/** @type {string} */ type) => isStream(new Headers({ 'Content-Type': type }));
  assert.ok(is('text/event-stream') && is('text/event-stream; charset=utf-8') && is('Text/Event-Stream'));
  assert.ok(!is('text/html') && !is('text/event-streams') && !isStream(new Headers()));
});

test('Retry-After is seconds or a date, and has a bound', (t) => {
  t.mock.method(Date, 'now', () => Date.UTC(2026, 0, 1));
  const after = (/** @type {string} */ value) => retryAfter(new Headers({ 'Retry-After': value }));
  assert.equal(after('20'), 20_000);
  assert.equal(after('Thu, 01 Jan 2026 00:00:07 GMT'), 7000);
  assert.equal(after('Wed, 31 Dec 2025 00:00:00 GMT'), 0);
  assert.equal(after('99999'), 300_000);
  assert.equal(after('soon'), 0);
  assert.equal(retryAfter(undefined), 0);
});
