// Starts and opens the small examples, for their tests and screenshots.
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assets, binary, startProgram } from './launch.js';
import { until } from './patience.js';

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

/** Returns a free port of four digits. */
async function freePort() {
  for (;;) {
    const port = 2_000 + Math.floor(Math.random() * 8_000);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await Promise.race([once(server, 'listening'), once(server, 'error')]).then(
      () => server.listening,
      () => false,
    );
    server.close();
    if (isFree) return `${port}`;
  }
}

/**
 * Starts a copy of the README's program, which has no options, on another port.
 *
 * @param {import('node:test').TestContext} t
 */
export async function startCounter(t) {
  const folder = await mkdtemp(join(tmpdir(), 'counter-'));
  t.after(() => rm(folder, { recursive: true }));
  const program = join(folder, 'counter');
  const base = `http://127.0.0.1:${await freePort()}`;
  const bytes = await readFile(binary('counter'), 'latin1');
  await writeFile(program, bytes.replaceAll('127.0.0.1:8080', base.slice('http://'.length)), 'latin1');
  await chmod(program, 0o755);
  startProgram(t, program);
  await until(
    () =>
      fetch(base).then(
        ({ ok }) => ok,
        () => false,
      ),
    Boolean,
    'it listens',
  );
  return base;
}
