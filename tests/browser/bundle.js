// Bundles the scripts of the crates: each with the modules that it imports, minified, as one classic
// script in the `dist` folder of its crate. With `--check` nothing is written: a script that is out of
// date, or larger than it may be, is a failure.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

/** The served scripts: crate, entry file, name, and size limit compressed, in bytes. */
const SCRIPTS = [
  { crate: 'sse-kit-htmx', main: 'sse-kit-connection.js', name: 'sse-kit-connection', limit: 2784 },
  { crate: 'sse-kit-htmx', main: 'sse-kit-swap.js', name: 'sse-kit-swap', limit: 768 },
  { crate: 'sse-kit-monitor', main: 'monitor.js', name: 'sse-kit-monitor', limit: 7488 },
  { crate: 'sse-kit-tabs', main: 'tabs.js', name: 'sse-kit-tabs', limit: 8448 },
];

const crates = new URL('../../crates/', import.meta.url);
const isCheck = process.argv.includes('--check');

for (const { crate, main, name, limit } of SCRIPTS) {
  const { outputFiles } = await build({
    entryPoints: [new URL(`${crate}/scripts/${main}`, crates).pathname],
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    charset: 'utf8',
    banner: { js: '"use strict";' },
    write: false,
  });
  const { text } = outputFiles[0];
  const folder = new URL(`${crate}/dist/`, crates);
  const file = new URL(`${name}.js`, folder);
  const compressed = gzipSync(text, { level: 9 }).length;
  console.log(`${crate}/dist/${name}.js: ${text.length} B, compressed ${compressed} B of ${limit} B`);
  if (compressed > limit) {
    console.error(`${name}: ${compressed} B are more than its ${limit} B`);
    process.exitCode = 1;
  }
  if (!isCheck) {
    await mkdir(folder, { recursive: true });
    await writeFile(file, text);
  } else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
    console.error(`${name}: dist is out of date; run cargo xtask bundle`);
    process.exitCode = 1;
  }
}
