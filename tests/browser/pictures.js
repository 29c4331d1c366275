// Takes the pictures of the guides anew, of the job board as it is: see `cargo xtask pictures`.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { folderOf } from './folders.js';
import { assets, launchBrowser, startExample } from './launch.js';
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

/** Two tabs beside each other. @param {import('playwright-core').Browser} browser */
async function takeTabs(browser) {
  const board = await startExample(t, 'jobs', ['--heartbeat', '1', '--assets', assets]);
  const tracks = Array.from({ length: 72 }, (_, n) => `album-${1 + Math.floor(n / 12)}/track-${1 + (n % 12)}.flac`);
  const folder = await folderOf(t, Object.fromEntries(tracks.map((track) => [track, 'x'.repeat(2 ** 20)])));
  const context = await browser.newContext({ viewport: { width: 390, height: 520 } });
  const pages = [await context.newPage(), await context.newPage()];
  for (const page of pages) {
    await page.goto(`${board.base}/?htmx=4`);
    await becomes(page, 'live');
  }
  const [first = await context.newPage()] = pages;
  await first.fill('#path', folder);
  await first.click('#new-job button');
  for (const page of pages) {
    await page.waitForSelector('#job-1[data-state="running"]');
    await page.getByText('One connection, 2 tabs').waitFor();
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  }
  await first.locator('#job-1', { hasText: /\b[2-6]\d of 72 files/ }).waitFor();
  const shots = await Promise.all(pages.map((page) => page.screenshot()));
  const halves = shots.map((shot) => shot.toString('base64'));
  const both = await browser.newPage({ viewport: { width: 822, height: 548 } });
  await both.setContent(`<body style="margin: 0; padding: 14px; display: flex; gap: 14px; background: #c8c8c2">
    ${halves.map((half) => `<img src="data:image/png;base64,${half}">`).join('')}`);
  await both.screenshot({ path: join(DOCS, 'tabs/two-tabs.png') });
  await context.close();
}

const browser = await launchBrowser();
stops.push(() => browser.close());
try {
  for (const folder of ['monitoring', 'tabs']) await mkdir(join(DOCS, folder), { recursive: true });
  await takeStates(browser);
  await takeTabs(browser);
} finally {
  for (const stop of stops.reverse()) await stop();
}
