import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resuming, splitCursor } from '../scripts/stream-url.js';

Object.assign(globalThis, { document: { baseURI: 'http://a.test/app/page' } });

test('a cursor takes the place of the one that a page was rendered with', () => {
  assert.equal(resuming('/e?topic=a', ''), '/e?topic=a');
  assert.equal(resuming('/e?topic=a', '5f-1'), 'http://a.test/e?topic=a&last_event_id=5f-1');
  assert.equal(resuming('e?last_event_id=5f-0&x=1', '5f-1'), 'http://a.test/app/e?x=1&last_event_id=5f-1');
});

test('a stream is known by its URL without the cursor', () => {
  assert.deepEqual(splitCursor('e?last_event_id=5f-0&x=1#f'), { stream: 'http://a.test/app/e?x=1', cursor: '5f-0' });
  assert.deepEqual(splitCursor('/e'), { stream: 'http://a.test/e', cursor: '' });
});
