// The artifacts of a failed test: screenshots of its pages, and notes.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** @typedef {import('playwright-core').Page} Page */

const FOLDER = join(import.meta.dirname, 'artifacts');

/**
 * @param {string} name of the test
 * @param {Page[]} pages
 * @param {Record<string, () => unknown>} facts that are asked for
 */
export async function keepArtifacts(name, pages, facts) {
  await mkdir(FOLDER, { recursive: true });
  const file = join(FOLDER, name.toLowerCase().replace(/[^a-z0-9]+/g, '-'));
  for (const [n, page] of pages.entries()) {
    await page.screenshot({ path: `${file}${n ? `-${n + 1}` : ''}.png` }).catch(() => {});
  }
  /** @type {Record<string, unknown>} */
  const known = {};
  for (const [fact, ask] of Object.entries(facts)) known[fact] = await (async () => ask())().catch(String);
  await writeFile(`${file}.json`, JSON.stringify(known, null, 2));
}
