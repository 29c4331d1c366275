import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareCursors, earlier, isSeen, later, noteContinued, noteLineage, renewed } from '../scripts/cursor.js';

test('offsets of one epoch have an order, beyond what a number holds', () => {
  assert.equal(compareCursors('a-1', 'a-1'), 0);
  assert.ok(Number(compareCursors('a-9', 'a-10')) < 0);
  assert.ok(Number(compareCursors('a-10', 'a-9')) > 0);
  assert.ok(Number(compareCursors('a-18446744073709551614', 'a-18446744073709551615')) < 0);
});

test('other ids have none, unless they are the same', () => {
  for (const [one, other] of [
    ['a-1', 'b-1'],
    ['a-1', ''],
    ['', 'a-1'],
    ['1', '2'],
    ['A-1', 'A-2'],
    ['a-1\n', 'a-2'],
  ]) {
    assert.equal(compareCursors(one ?? '', other ?? ''), null, `${one} ${other}`);
  }
  assert.equal(compareCursors('x', 'x'), 0);
});

test('what is not known to be seen is not seen', () => {
  assert.ok(isSeen('a-1', 'a-2') && isSeen('a-2', 'a-2'));
  assert.ok(!isSeen('a-3', 'a-2') && !isSeen('b-1', 'a-2') && !isSeen('a-1', ''));
});

test('the earlier cursor wins, and a known one', () => {
  assert.equal(earlier('a-5', 'a-3'), 'a-3');
  assert.equal(earlier('a-3', 'a-5'), 'a-3');
  assert.equal(earlier('', 'a-5'), 'a-5');
  assert.equal(earlier('a-5', ''), 'a-5');
  assert.equal(earlier('a-5', 'b-1'), 'a-5', 'the first, where nobody can tell');
});

test('the later cursor wins, and what has no order is replaced', () => {
  assert.equal(later('5f-9', '5f-10'), '5f-10');
  assert.equal(later('5f-10', '5f-9'), '5f-10');
  assert.equal(later('', '5f-1'), '5f-1');
  assert.equal(later('5f-9', '60-1'), '60-1');
  assert.equal(later('17', '3'), '3');
  assert.equal(later('5f-1', ''), '5f-1');
});

test('ids of an epoch that goes on in another have an order, up to what both have', () => {
  noteLineage({ cursor: 'e2-20', continues: ['e0-5', 'e1-10'] });
  assert.equal(compareCursors('e1-7', 'e2-7'), 0);
  assert.ok(isSeen('e1-10', 'e2-11') && isSeen('e2-9', 'e1-10') && isSeen('e0-5', 'e1-6'));
  assert.ok(!isSeen('e2-11', 'e1-10') && !isSeen('e1-10', 'e2-9'));
  for (const lost of ['e1-11', 'e0-6', 'e3-1']) assert.equal(compareCursors(lost, 'e2-30'), null, lost);
  assert.ok(isSeen('e1-11', 'e1-12'), 'within an epoch the order is as ever');
  assert.equal(renewed('e1-10'), 'e2-10');
  assert.deepEqual(['e1-11', 'e2-1', '', 'x'].map(renewed), ['e1-11', 'e2-1', '', 'x']);
  assert.equal(later('e1-7', 'e2-7'), 'e2-7', 'the newer name');
  assert.equal(later('e2-9', 'e1-7'), 'e2-9');
  assert.equal(earlier('e2-9', 'e1-7'), 'e1-7');

  noteLineage({ cursor: 'e4-0', continues: ['e2-15'] });
  assert.equal(renewed('e1-10'), 'e4-10', 'from one to the next');
  assert.ok(!isSeen('e2-16', 'e4-20'));
  noteContinued('e2-9', 'e4-12');
  assert.equal(renewed('e2-15'), 'e4-15', 'what is known stays known');
});

test('what no log says does no harm', () => {
  for (const hello of [
    {},
    { cursor: 'f1-1', continues: 'f0-1' },
    { continues: ['f0-1'] },
    { cursor: 'x', continues: [null, {}] },
  ]) {
    noteLineage(hello);
  }
  assert.equal(compareCursors('f0-1', 'f1-1'), null);
  noteLineage({ cursor: 'f1-1', continues: ['f2-9'] });
  noteLineage({ cursor: 'f2-1', continues: ['f1-9'] });
  assert.equal(renewed('f1-3'), 'f2-3', 'not round and round');
  for (let n = 0; n < 100; n += 1) noteContinued(`a${n}-1`, 'ffff-1');
  assert.equal(compareCursors('a0-1', 'ffff-1'), null, 'only so many are remembered');
  assert.equal(compareCursors('a99-1', 'ffff-1'), 0);
});
