// Starts and opens the small examples, for their tests and screenshots.
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assets, binary, startProgram } from './launch.js';
import { until } from './patience.js';
import { claimPort } from './port.js';

/**
 * Creates a browser profile that serves the CDN's files from the npm package; pages name their hashes.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {import('node:test').TestContext} t
 * @param {import('playwright-core').BrowserContextOptions} [options]
 */
export async function profileOf(browser, t, options) {
  const context = await browser.newContext(options);
  t.after(() => context.close());
  await context.route('https://cdn.jsdelivr.net/npm/**', async (route) => {
    const { pathname } = new URL(route.request().url());
    const path = pathname.replace(/^\/npm\/htmx\.org@2\.[^/]+/, 'htmx2').replace(/^\/npm\/([^@]+)@[^/]+/, '$1');
    await route.fulfill({
      body: await readFile(join(assets, path)),
      contentType: 'text/javascript',
      headers: { 'Access-Control-Allow-Origin': '*' },
    });
  });
  return context;
}

/**
 * Starts a copy of a program that has no options, such as the README's, on another port.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} name
 */
export async function startCopy(t, name) {
  const folder = await mkdtemp(join(tmpdir(), `${name}-`));
  t.after(() => rm(folder, { recursive: true }));
  const program = join(folder, name);
  // As many digits as the port in the program has.
  const base = `http://127.0.0.1:${await claimPort(t, { from: 2_000, below: 10_000 })}`;
  const bytes = await readFile(binary(name), 'latin1');
  await writeFile(program, bytes.replaceAll('127.0.0.1:8080', base.slice('http://'.length)), 'latin1');
  await chmod(program, 0o755);
  startProgram(t, program);
  await until(
    () =>
      fetch(base).then(
        () => true,
        () => false,
      ),
    Boolean,
    'it listens',
  );
  return base;
}
