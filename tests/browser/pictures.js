// Takes the screenshots of the guides: see `cargo xtask pictures`.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { takeExamples } from './example-pictures.js';
import { hollowFolder } from './folders.js';
import { assets, launchWholeBrowser, startExample } from './launch.js';
import { answer, down, startProxy } from './proxy.js';

/** @typedef {import('playwright-core').Page} Page */

const DOCS = join(import.meta.dirname, '../../docs/src');

/** What is to be stopped at the end, the last first. @type {(() => unknown)[]} */
const stops = [];
/** As far as the helpers need one. @type {any} */
const t = { after: (/** @type {() => unknown} */ stop) => stops.push(stop) };

/** @param {Page} page @param {string} state */
const becomes = (page, state) => page.waitForSelector(`#connection-status[data-state="${state}"]`);

/** Each state that has a picture, by what really leads to it. @param {import('playwright-core').Browser} browser */
async function takeStates(browser) {
  const board = await startExample(t, 'jobs', ['--heartbeat', '1', '--assets', assets]);
  const proxy = await startProxy(t, board.base);
  const context = await browser.newContext();
  const page = await context.newPage();
  const open = async (path = '/?htmx=4') => {
    await page.goto(proxy.base + path);
    await becomes(page, 'live');
  };
  const take = async (/** @type {string} */ state) => {
    await becomes(page, state);
    await page.locator('#connection-status').screenshot({ path: join(DOCS, `monitoring/state-${state}.png`) });
  };
  await open();
  await take('live');
  proxy.stall();
  await take('stale');
  await open();
  proxy.fault(down);
  proxy.cut();
  await take('reconnecting');
  proxy.mend();
  await open();
  await context.setOffline(true);
  await take('offline');
  await context.setOffline(false);
  await open();
  proxy.fault(answer(403));
  proxy.cut();
  await take('closed');
  proxy.mend();

  await page.setViewportSize({ width: 358, height: 640 });
  await open('/?htmx=4&overlay=1');
  const panel = page.locator('[data-sse-kit-overlay]');
  await panel.filter({ hasText: /heartbeat \d+ ms/ }).waitFor();
  await panel.screenshot({ path: join(DOCS, 'monitoring/overlay.png') });
  await context.close();
}

/**
 * The job board in two tabs, beside each other.
 *
 * @param {import('playwright-core').BrowserContext} context
 * @param {number} files how many the folder of the job has
 */
async function openTwo(context, files) {
  const board = await startExample(t, 'jobs', ['--heartbeat', '1', '--assets', assets]);
  const tracks = Array.from({ length: files }, (_, n) => `album-${1 + Math.floor(n / 12)}/track-${1 + (n % 12)}.flac`);
  const folder = await hollowFolder(t, tracks, Math.floor(2_048 / files));
  const [first, second] = [await context.newPage(), await context.newPage()];
  for (const page of [first, second]) {
    await page.goto(`${board.base}/?htmx=4`);
    await becomes(page, 'live');
  }
  for (const page of [first, second]) await page.getByText('One connection, 2 tabs').waitFor();
  return { first, second, folder };
}

/** Two pictures on one. @param {Page} page @param {Buffer[]} shots @param {string} background */
async function beside(page, shots, background) {
  const halves = shots.map((shot) => shot.toString('base64'));
  await page.setContent(`<body style="margin: 0; padding: 14px; display: flex; gap: 14px; background: ${background}">
    ${halves.map((half) => `<img src="data:image/png;base64,${half}">`).join('')}`);
  return page.screenshot();
}

/** Both tabs while a job runs. @param {import('playwright-core').Browser} browser */
async function takeTabs(browser) {
  const context = await browser.newContext({ viewport: { width: 390, height: 520 } });
  const { first, second, folder } = await openTwo(context, 72);
  await first.fill('#path', folder);
  await first.click('#new-job button');
  for (const page of [first, second]) {
    await page.waitForSelector('#job-1[data-state="running"]');
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  }
  await first.locator('#job-1', { hasText: /\b[2-6]\d of 72 files/ }).waitFor();
  const shots = await Promise.all([first, second].map((page) => page.screenshot()));
  const both = await browser.newPage({ viewport: { width: 822, height: 548 } });
  await writeFile(join(DOCS, 'tabs/two-tabs.png'), await beside(both, shots, '#c8c8c2'));
  await context.close();
}

/**
 * From a click in one tab to the end of the job in both, as a moving picture.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {'light' | 'dark'} colorScheme
 */
async function takeMoving(browser, colorScheme) {
  const context = await browser.newContext({ colorScheme, viewport: { width: 390, height: 500 } });
  const { first, second, folder } = await openTwo(context, 240);
  /** @type {Buffer[][]} */
  const taken = [];
  const take = async () => taken.push(await Promise.all([first, second].map((page) => page.screenshot())));
  await take();
  for (let end = 0; end < folder.length; end += 6) {
    await first.fill('#path', folder.slice(0, end + 6));
    await take();
  }
  await first.click('#new-job button');
  await second.waitForSelector('#job-1[data-state="running"]');
  do await take();
  while ((await second.locator('#job-1').getAttribute('data-state')) === 'running');
  for (let still = 0; still < 12; still += 1) await take();
  const folderOfFrames = await mkdtemp(join(tmpdir(), 'sse-kit-frames-'));
  const both = await browser.newPage({ viewport: { width: 822, height: 528 } });
  const frames = [];
  for (const [index, shots] of taken.entries()) {
    const frame = join(folderOfFrames, `${String(index).padStart(4, '0')}.png`);
    await writeFile(frame, await beside(both, shots, colorScheme === 'dark' ? '#30302c' : '#c8c8c2'));
    frames.push(frame);
  }
  const moving = join(DOCS, `jobs/two-tabs-${colorScheme}.webp`);
  const options = ['-loop', '0', '-min_size', '-lossy', '-q', '70', '-d', '120'];
  await promisify(execFile)(process.env.SSE_KIT_IMG2WEBP ?? 'img2webp', [...options, ...frames, '-o', moving]);
  await rm(folderOfFrames, { recursive: true });
  await both.close();
  await context.close();
}

/** The inspector of the job board while a job runs. @param {import('playwright-core').Browser} browser */
async function takeInspector(browser) {
  const board = await startExample(t, 'jobs', ['--heartbeat', '1', '--inspector', '--assets', assets]);
  const tracks = Array.from({ length: 96 }, (_, n) => `album-${1 + Math.floor(n / 12)}/track-${1 + (n % 12)}.flac`);
  const folder = await hollowFolder(t, tracks, 1);
  // Each profile has a connection of its own, which its tabs share.
  const contexts = [];
  for (let person = 0; person < 3; person += 1) contexts.push(await browser.newContext());
  const pages = await Promise.all(contexts.map((context) => context.newPage()));
  for (const page of pages) {
    await page.goto(`${board.base}/?htmx=4`);
    await becomes(page, 'live');
  }
  const [first, , last] = pages;
  await last?.close();
  await first?.fill('#path', folder);
  for (let job = 1; job <= 3; job += 1) {
    await first?.click('#new-job button');
    await first?.waitForSelector(`#job-${job}[data-state="done"]`);
  }
  for (const [name, colorScheme, width] of /** @type {const} */ ([
    ['wide-light', 'light', 1200],
    ['wide-dark', 'dark', 1200],
    ['phone', 'light', 390],
  ])) {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 1240 } });
    await page.goto(`${board.base}/inspector`);
    await becomes(page, 'live');
    await page.locator('#events a', { hasText: '1,' }).first().click();
    await page.waitForSelector('#detail pre');
    await page.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur());
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: join(DOCS, `inspector/${name}.png`) });
    await page.close();
  }
  for (const context of contexts) await context.close();
}

const browser = await launchWholeBrowser();
stops.push(() => browser.close());
try {
  for (const folder of ['examples', 'inspector', 'jobs', 'monitoring', 'tabs'])
    await mkdir(join(DOCS, folder), { recursive: true });
  await takeExamples(browser, t, join(DOCS, 'examples'));
  await takeStates(browser);
  await takeTabs(browser);
  await takeInspector(browser);
  for (const scheme of /** @type {const} */ (['light', 'dark'])) await takeMoving(browser, scheme);
} finally {
  for (const stop of stops.reverse()) await stop();
}
