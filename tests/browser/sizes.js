// Prints how much each script of the crates weighs: as it is served, and minified and compressed.
import { readdir, readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** What a script may weigh, minified and compressed, in bytes; by the crate that it belongs to. */
const LIMITS = new Map([
  ['sse-kit-monitor', 5 * 1024],
  ['sse-kit-tabs', 7 * 1024],
]);

const crates = new URL('../../crates/', import.meta.url);
let tooBig = false;
for (const name of (await readdir(crates)).toSorted()) {
  const folder = new URL(`${name}/scripts/`, crates);
  const entries = new Set(await readdir(folder).catch(() => []));
  // A crate with a script named like itself is served as that one, with what it imports.
  const main = `${name.replace('sse-kit-', '')}.js`;
  let total = 0;
  for (const entry of entries.has(main) ? [main] : [...entries].filter((file) => file.endsWith('.js'))) {
    const file = new URL(entry, folder).pathname;
    const { outputFiles } = await build({
      entryPoints: [file],
      bundle: true,
      minify: true,
      format: 'iife',
      target: 'es2022',
      write: false,
    });
    const minified = outputFiles[0].contents;
    const compressed = gzipSync(minified, { level: 9 }).length;
    const source = (await readFile(file)).length;
    total += compressed;
    console.log(`${name}/scripts/${entry}: ${source} B, minified ${minified.length} B, and compressed ${compressed} B`);
  }
  const limit = LIMITS.get(name);
  if (limit !== undefined && total > limit) {
    console.error(`${name}: ${total} B are more than its ${limit} B`);
    tooBig = true;
  }
}
process.exitCode = tooBig ? 1 : 0;
