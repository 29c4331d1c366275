import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { EventStreamParser } from '../scripts/parser.js';

/** @typedef {{id: string, ownId?: string, event: string, data: string}} Read */

const corpus = new URL('../../sse-kit-event/tests/awkward-bodies.json', import.meta.url);
/** @type {string[]} */
const bodies = JSON.parse(await readFile(corpus, 'utf8'));

/** @param {string[]} pieces */
function read(pieces) {
  /** @type {Read[]} */
  const messages = [];
  /** @type {(number | undefined)[]} */
  const retries = [];
  const parser = new EventStreamParser(({ id, ownId, event, data }) => messages.push({ id, ownId, event, data }));
  for (const piece of pieces) {
    parser.push(piece);
    if (parser.retry !== retries.at(-1)) retries.push(parser.retry);
  }
  return { messages, retries };
}

/** @param {string} body */
const normalised = (body) => body.replace(/\r\n|\r/g, '\n');

test(`${bodies.length} awkward bodies come out as they were, with any line ends, in any pieces`, () => {
  for (const end of ['\n', '\r', '\r\n']) {
    const stream = bodies.map((body, n) => {
      const data = normalised(body)
        .split('\n')
        .map((line) => `data: ${line}${end}`);
      return `event: e${end}${data.join('')}id: a-${n + 1}${end}${end}`;
    });
    const expected = bodies.map((body, n) => ({
      id: `a-${n + 1}`,
      ownId: `a-${n + 1}`,
      event: 'e',
      data: normalised(body),
    }));
    const whole = stream.join('');
    for (const size of [1, 2, 3, 7, whole.length]) {
      const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, n) =>
        whole.slice(n * size, n * size + size),
      );
      assert.deepEqual(read(pieces).messages, expected, `${JSON.stringify(end)} in pieces of ${size}`);
    }
  }
});

test('fields are read as the standard says', () => {
  const cases = /** @type {[string, Read[]][]} */ ([
    ['data\n\n', [{ id: '', event: 'message', data: '' }]],
    ['data:a\ndata:  b\n\n', [{ id: '', event: 'message', data: 'a\n b' }]],
    ['event: e\n\ndata: a\n\n', [{ id: '', event: 'message', data: 'a' }]],
    [': comment\n:\ndata: a\n\n', [{ id: '', event: 'message', data: 'a' }]],
    ['id: 1\n\ndata: a\n\n', [{ id: '1', event: 'message', data: 'a' }]],
    ['id: 1\0\ndata: a\n\n', [{ id: '', event: 'message', data: 'a' }]],
    ['Data: a\nunknown: b\n\n', []],
    ['data: unfinished\n', []],
  ]);
  for (const [stream, expected] of cases) {
    const messages = read([stream]).messages.map(({ id, event, data }) => ({ id, event, data }));
    assert.deepEqual(messages, expected, stream);
  }
});

test('an event without an id has the last one of the stream, and none of its own', () => {
  const { messages } = read(['id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n']);
  assert.deepEqual(
    messages.map(({ id, ownId }) => [id, ownId]),
    [
      ['1', '1'],
      ['1', ''],
      ['', ''],
    ],
  );
});

test('a reconnection time is a number and nothing else, and needs no data', () => {
  const lines = ['retry: 10\n', 'retry: 1e3\n', 'retry: -1\n', 'retry\n', 'retry: 0\n\n'];
  assert.deepEqual(read(lines).retries, [10, 0]);
});
