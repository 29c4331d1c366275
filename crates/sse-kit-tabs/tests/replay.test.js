import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplayBuffer } from '../scripts/replay.js';

/** @type {(id: string, data?: string, event?: string) => import('../scripts/protocol.js').StreamMessage} */
const message = (id, data = '', event = 'e') => ({ kind: 'message', id, event, data });

/** @type {(buffer: ReplayBuffer, cursor: string) => string[] | undefined} */
const after = (buffer, cursor) => buffer.after(cursor)?.map(({ id, event }) => id || event);

/** @param {number} last @param {number} [events] */
function filled(last, events = 3) {
  const buffer = new ReplayBuffer(events, 100);
  buffer.restart('a-0');
  for (let n = 1; n <= last; n += 1) buffer.push(message(`a-${n}`));
  return buffer;
}

test('what came after a cursor is there, or null', () => {
  const buffer = filled(5);
  assert.deepEqual(after(buffer, 'a-2'), ['a-3', 'a-4', 'a-5']);
  assert.deepEqual(after(buffer, 'a-5'), []);
  assert.deepEqual(after(buffer, 'a-9'), [], 'a page may know more than the stream has said');
  assert.equal(after(buffer, 'a-1'), undefined);
  assert.equal(after(buffer, 'b-3'), undefined);
  assert.deepEqual(after(buffer, ''), [], 'who has seen nothing lacks nothing');
});

test('the characters are bounded too, and an event that is too big is not kept', () => {
  const buffer = new ReplayBuffer(10, 10);
  buffer.restart('a-0');
  buffer.push(message('a-1', '12345'));
  buffer.push(message('a-2', '123456'));
  assert.deepEqual(after(buffer, 'a-1'), ['a-2']);
  assert.equal(after(buffer, 'a-0'), undefined);
  buffer.push(message('a-3', '12345678901'));
  assert.equal(after(buffer, 'a-2'), undefined);
  assert.deepEqual(after(buffer, 'a-3'), []);
});

test('a gap concerns who is before its end', () => {
  const buffer = filled(0, 2);
  buffer.push(message('', '{"to":"a-5"}', 'sse-kit:gap'));
  buffer.push(message('a-3'));
  assert.deepEqual(after(buffer, 'a-1'), ['sse-kit:gap', 'a-3']);
  assert.deepEqual(after(buffer, 'a-4'), ['sse-kit:gap']);
  assert.deepEqual(after(buffer, 'a-5'), []);
  buffer.push(message('a-6'));
  buffer.push(message('a-7'));
  assert.equal(after(buffer, 'a-4'), undefined, 'the gap is forgotten, but not that it was');
  assert.deepEqual(after(buffer, 'a-5'), ['a-6', 'a-7']);
});

test('ids without an order are found', () => {
  const buffer = new ReplayBuffer(3, 100);
  for (const id of ['x', 'z', 'y']) buffer.push(message(id));
  assert.deepEqual(after(buffer, 'x'), ['z', 'y']);
  assert.equal(after(buffer, 'w'), undefined);
});
