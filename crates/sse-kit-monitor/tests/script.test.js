// The parts joined are a script: no two of them declare the same name.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Script } from 'node:vm';

const crate = new URL('../', import.meta.url);

test('what is served can be parsed', async () => {
  const rust = await readFile(new URL('src/script.rs', crate), 'utf8');
  const parts = [...rust.matchAll(/include_str!\("\.\.\/(scripts\/[^"]+)"\)/g)].map(([, path = '']) => path);
  assert.ok(parts.length > 5);
  const sources = await Promise.all(parts.map((path) => readFile(new URL(path, crate), 'utf8')));
  const lines = sources.join('\n').split('\n');
  const joined = lines.filter((line) => !line.startsWith('import ')).map((line) => line.replace(/^export /, ''));
  new Script(`(() => {\n${joined.join('\n')}\n})();`);
});
