import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareCursors, earlier, isSeen, later } from '../scripts/cursor.js';

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
