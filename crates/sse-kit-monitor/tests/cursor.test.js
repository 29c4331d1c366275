import assert from 'node:assert/strict';
import { test } from 'node:test';
import { later, resuming } from '../scripts/cursor.js';

test('within an epoch the larger offset is later', () => {
  assert.equal(later('5f-9', '5f-10'), '5f-10');
  assert.equal(later('5f-10', '5f-9'), '5f-10');
  assert.equal(later('5f-9007199254740993', '5f-9007199254740992'), '5f-9007199254740993');
});

test('what cannot be compared is replaced', () => {
  assert.equal(later('', '5f-1'), '5f-1');
  assert.equal(later('5f-9', '60-1'), '60-1');
  assert.equal(later('abc', 'abd'), 'abd');
  assert.equal(later('17', '3'), '3');
});

test('an event without an id moves nothing', () => {
  assert.equal(later('5f-1', ''), '5f-1');
  assert.equal(later('', ''), '');
});

test('a cursor takes the place of the one that a page was rendered with', () => {
  const base = 'http://a.test/page';
  assert.equal(resuming('/e?topic=a', '', base), '/e?topic=a');
  assert.equal(resuming('/e?topic=a', '5f-1', base), 'http://a.test/e?topic=a&last_event_id=5f-1');
  assert.equal(resuming('e?last_event_id=5f-0&x=1', '5f-1', base), 'http://a.test/e?last_event_id=5f-1&x=1');
});
