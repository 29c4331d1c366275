import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Subscription } from '../scripts/subscription.js';

/** @type {(id: string, event?: string, data?: object) => import('../scripts/protocol.js').StreamMessage} */
const message = (id, event = 'e', data = {}) => ({ kind: 'message', id, event, data: JSON.stringify(data) });

/** @param {string} cursor */
function subscribe(cursor) {
  /** @type {[string, string, any][]} */
  const heard = [];
  const subscription = new Subscription('1', 'url', 'key', cursor, {
    onState: () => {},
    onMessage: ({ event, id, data }) => heard.push([event, id, JSON.parse(data)]),
  });
  const names = () => heard.map(([event, id]) => `${event} ${id}`.trim());
  return { subscription, heard, names };
}

test('every event comes once', () => {
  const { subscription, names } = subscribe('a-2');
  for (const id of ['a-1', 'a-2', 'a-3', 'a-3', '', 'a-4', 'a-3', '']) subscription.receive(message(id));
  assert.deepEqual(names(), ['e a-3', 'e', 'e a-4', 'e']);
  assert.equal(subscription.cursor, 'a-4');
});

test('a heartbeat behind this page is a sign of life, and takes it nowhere', () => {
  const { subscription, names } = subscribe('a-7');
  for (const id of ['a-5', '', 'a-9']) subscription.receive(message(id, 'sse-kit:heartbeat'));
  assert.deepEqual(names(), ['sse-kit:heartbeat', 'sse-kit:heartbeat', 'sse-kit:heartbeat a-9']);
  assert.equal(subscription.cursor, 'a-9');
});

test('a hello is for this page: its cursor, and no connection that is that of all', () => {
  const { subscription, heard } = subscribe('a-7');
  subscription.receive(message('a-2', 'sse-kit:hello', { cursor: 'a-2', connection: 'c', heartbeat_ms: 9 }));
  assert.deepEqual(heard, [['sse-kit:hello', 'a-7', { cursor: 'a-7', connection: '', heartbeat_ms: 9 }]]);
});

test('who has seen nothing begins where the stream is', () => {
  const { subscription, names } = subscribe('');
  subscription.receive(message('a-5', 'sse-kit:hello'));
  subscription.receive(message('a-5'));
  subscription.receive(message('a-6'));
  assert.deepEqual(names(), ['sse-kit:hello a-5', 'e a-6']);
});

test('who has seen nothing gets neither the events nor the gap of those that have', () => {
  const { subscription, names } = subscribe('');
  subscription.receive(message('a-2', 'sse-kit:hello', { newest: 'a-5' }));
  for (const id of ['a-3', 'a-5', 'a-6']) subscription.receive(message(id));
  assert.deepEqual(names(), ['sse-kit:hello a-5', 'e a-6']);

  // A stream that begins with a gap has a hello without an id.
  const { subscription: other, heard, names: othersNames } = subscribe('');
  other.receive(message('', 'sse-kit:hello', { cursor: 'a-5', newest: 'a-5' }));
  other.receive(message('', 'sse-kit:gap', { to: 'a-3', reason: 'trimmed' }));
  other.receive(message('a-5', 'sse-kit:gap', { to: 'a-5', reason: 'unknown-epoch' }));
  for (const id of ['a-4', 'a-6']) other.receive(message(id));
  assert.deepEqual(othersNames(), ['sse-kit:hello a-5', 'e a-6']);
  assert.deepEqual(heard[0]?.[2], { cursor: 'a-5', connection: '' });
});

test('who has seen nothing begins where the stream is, long after it was opened', () => {
  for (const id of ['a-9', 'b-1']) {
    const { subscription, names } = subscribe('');
    subscription.receive(message(id, 'sse-kit:hello', { newest: 'a-5' }));
    assert.deepEqual(names(), [`sse-kit:hello ${id}`]);
  }
});

test('who is of another epoch, or before where the stream is, is told of a gap', () => {
  for (const cursor of ['b-9', 'a-1']) {
    const { subscription, heard, names } = subscribe(cursor);
    subscription.receive(message('a-5', 'sse-kit:hello'));
    assert.deepEqual(names(), ['sse-kit:hello', 'sse-kit:gap a-5']);
    assert.deepEqual(heard[1]?.[2], { from: cursor, to: 'a-5', reason: 'unknown-epoch' });
    assert.equal(subscription.cursor, 'a-5');
  }
});

test('a hello before a gap says nothing of where we are', () => {
  const { subscription, names } = subscribe('b-9');
  subscription.receive(message('', 'sse-kit:hello'));
  subscription.receive(message('a-5', 'sse-kit:gap', { to: 'a-5', reason: 'unknown-epoch' }));
  assert.deepEqual(names(), ['sse-kit:hello', 'sse-kit:gap a-5']);
});

test('a gap of others is passed over', () => {
  const { subscription, names } = subscribe('a-5');
  subscription.receive(message('', 'sse-kit:gap', { to: 'a-5', reason: 'trimmed' }));
  assert.deepEqual(names(), []);
  subscription.receive(message('', 'sse-kit:gap', { to: 'a-6', reason: 'trimmed' }));
  subscription.receive(message('a-3', 'sse-kit:gap', { to: 'a-3', reason: 'future' }));
  assert.deepEqual(names(), ['sse-kit:gap', 'sse-kit:gap a-3']);
  assert.equal(subscription.cursor, 'a-3');
});

test('who is of an epoch that goes on in another goes on, unless it has seen what was lost', () => {
  const hello = message('c2-5', 'sse-kit:hello', { cursor: 'c2-5', continues: ['c1-10'] });
  for (const cursor of ['c1-5', 'c1-7', 'c1-10']) {
    const { subscription, heard, names } = subscribe(cursor);
    const here = cursor.replace('c1', 'c2');
    subscription.receive(hello);
    assert.deepEqual(names(), [`sse-kit:hello ${here}`]);
    assert.equal(heard[0]?.[2].cursor, here);
    for (let n = 6; n < 12; n += 1) subscription.receive(message(`c2-${n}`));
    assert.equal(names()[1], `e c2-${Number(cursor.slice(3)) + 1}`, 'and nothing comes twice');
    assert.equal(subscription.cursor, 'c2-11');
  }
  const { subscription, names } = subscribe('c1-11');
  subscription.receive(hello);
  assert.deepEqual(names(), ['sse-kit:hello', 'sse-kit:gap c2-5']);
});
