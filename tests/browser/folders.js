// Folders for jobs to hash, and their digests.
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A folder of files, by their names and contents.
 *
 * @param {import('node:test').TestContext} t
 * @param {Record<string, string>} files
 */
export async function folderOf(t, files) {
  const folder = await mkdtemp(join(tmpdir(), 'jobs-'));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

/**
 * A folder of files that take a while to be hashed, and no room on the disk: tracks of an album, for pictures.
 *
 * @param {{after: (stop: () => unknown) => void}} t
 * @param {string[]} names
 * @param {number} mebibytes how large each of them is
 */
export async function hollowFolder(t, names, mebibytes) {
  const folder = await mkdtemp(join(tmpdir(), 'jobs-'));
  t.after(() => rm(folder, { recursive: true }));
  for (const name of names) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    const file = await open(join(folder, name), 'w');
    await file.truncate(mebibytes * 2 ** 20);
    await file.close();
  }
  return folder;
}

/**
 * Adds a file that takes longer to hash than any test waits, and no room on the disk.
 *
 * @param {string} folder
 */
export async function endless(folder) {
  const file = await open(join(folder, 'endless'), 'w');
  await file.truncate(2 ** 40);
  await file.close();
}

/** @param {string} data */
const sha256 = (data) => createHash('sha256').update(data).digest('hex');

/**
 * The digest of a folder, as the example's README has it; for names without line ends.
 *
 * @param {Record<string, string>} files
 */
export function digestOf(files) {
  const names = Object.keys(files).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return sha256(names.map((name) => `${sha256(files[name])}  ${name}\n`).join(''));
}
