import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { eventReader } from '../scripts/parser.js';

/** Reads a stream that comes in pieces of this length. @type {(stream: string, length: number) => ReturnType<ReturnType<typeof eventReader>>} */
const readBy = (stream, length) => {
  const read = eventReader();
  const pieces = stream.match(new RegExp(`[^]{1,${length}}`, 'gu')) ?? [];
  return pieces.flatMap((piece) => read(piece));
};

test('fields are read as the standard says', () => {
  const stream =
    ': comment\nid: 1-1\nevent:named\ndata:a\ndata:  b\nretry: 500\nother: x\n\ndata\n\nevent: lost\n\nid: 1-2\n\ndata:x\n\n';
  for (const length of [1, 2, 7, 1000]) {
    assert.deepEqual(readBy(stream, length), [
      { name: 'named', data: 'a\n b', id: '1-1', retry: 500 },
      { name: 'message', data: '', id: '1-1', retry: undefined },
      { name: 'message', data: 'x', id: '1-2', retry: undefined },
    ]);
  }
});

test('all three line ends are one, wherever the pieces end', () => {
  for (const end of ['\n', '\r', '\r\n']) {
    // A CR at the very end waits for what follows.
    const stream = ['data:a', 'data:b', '', 'data:c', '', ': .', ''].join(end);
    for (const length of [1, 3, 1000]) {
      assert.deepEqual(
        readBy(stream, length).map(({ data }) => data),
        ['a\nb', 'c'],
        JSON.stringify([end, length]),
      );
    }
  }
});

test('awkward bodies are read as they were', async () => {
  const corpus = new URL('../../sse-kit-event/tests/awkward-bodies.json', import.meta.url);
  /** @type {string[]} */
  const bodies = JSON.parse(await readFile(corpus, 'utf8'));
  const lines = bodies.map((body) => body.split(/\r\n|\r|\n/));
  const stream = lines.map((parts) => `${parts.map((part) => `data: ${part}\n`).join('')}\n`).join('');
  assert.deepEqual(
    readBy(stream, 50).map(({ data }) => data),
    lines.map((parts) => parts.join('\n')),
  );
});
