// Takes a screenshot of each example, for the index in `examples/README.md`.
import { join } from 'node:path';
import { profileOf, startCopy } from './examples.js';
import { hollowFolder } from './folders.js';
import { assets, startExample } from './launch.js';
import { until } from './patience.js';
import { isIn } from './site.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {(open: (url: string) => Promise<Page>, t: any) => Promise<Page>} Scene */

/** What is on each picture, by the name of the example. @type {Record<string, Scene>} */
const SCENES = {
  async counter(open, t) {
    const page = await open(await startCopy(t, 'counter'));
    await isIn(page, 'live');
    for (const count of ['1', '2', '3']) {
      await page.click('button');
      await page.locator('#count', { hasText: count }).waitFor();
    }
    return page;
  },

  async notifications(open, t) {
    const { base } = await startExample(t, 'notifications');
    const page = await open(base);
    await page.fill('[name=user]', 'ada');
    await page.click('button');
    await isIn(page, 'live');
    for (const [index, text] of ['The build is green', 'Grace has commented on your change'].entries()) {
      await page.fill('[name=to]', 'ada');
      await page.fill('[name=text]', text);
      await page.click('text=Notify');
      await page.locator('#notes > li').nth(index).waitFor();
    }
    return page;
  },

  async dashboard(open, t) {
    const { base } = await startExample(t, 'dashboard');
    const page = await open(base);
    await page.setViewportSize({ width: 960, height: 520 });
    await isIn(page, 'live');
    // A line, which is as long as the page has been open.
    const values = () => page.locator('#load .line path').getAttribute('d');
    const seconds = (/** @type {string | null} */ path) => 120 - Number(/^M(\d+)/.exec(path ?? '')?.[1] ?? 120);
    await until(values, (path) => seconds(path) >= 30, 'a line');
    return page;
  },

  async llm(open, t) {
    const { base } = await startExample(t, 'llm');
    const page = await open(base);
    await page.fill('textarea', 'Why do streams resume?');
    await page.click('button');
    const answer = () => page.locator('#answer').textContent();
    await until(answer, (text) => (text?.length ?? 0) > 120, 'it answers');
    return page;
  },

  async 'chat-axum'(open, t) {
    const { base } = await startExample(t, 'chat-axum', ['--assets', assets]);
    await fetch(`${base}/enter`, {
      method: 'POST',
      body: new URLSearchParams({ room: 'tea', nick: 'Ada' }),
      redirect: 'manual',
    });
    const [ada, grace] = [await open(`${base}/rooms/tea?nick=Ada`), await open(`${base}/rooms/tea?nick=Grace`)];
    for (const page of [ada, grace]) await isIn(page, 'live');
    const lines = /** @type {const} */ ([
      [grace, 'Is the kettle on?'],
      [ada, 'It is, and every page knows.'],
      [grace, 'Coming.'],
    ]);
    for (const [index, [page, text]] of lines.entries()) {
      await page.fill('#text', text);
      await page.press('#text', 'Enter');
      await ada.locator('#said li').nth(index).waitFor();
    }
    return ada;
  },

  async jobs(open, t) {
    const { base } = await startExample(t, 'jobs', ['--assets', assets]);
    const tracks = Array.from({ length: 240 }, (_, n) => `album/track-${n + 1}.flac`);
    const folder = await hollowFolder(t, tracks, 16);
    const page = await open(base);
    await isIn(page, 'live');
    await page.fill('#path', folder);
    await page.click('#new-job button');
    await page.locator('#job-1').waitFor();
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await page.locator('#job-1', { hasText: /\b(?:[4-9]\d|1\d\d|2[0-3]\d) of 240 files/ }).waitFor();
    return page;
  },
};

/**
 * Takes all screenshots, into a folder.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {any} t
 * @param {string} folder
 */
export async function takeExamples(browser, t, folder) {
  for (const [name, scene] of Object.entries(SCENES)) {
    const context = await profileOf(browser, t, { viewport: { width: 480, height: 320 }, deviceScaleFactor: 1.5 });
    const open = async (/** @type {string} */ url) => {
      const page = await context.newPage();
      await page.goto(url);
      return page;
    };
    const page = await scene(open, t);
    await page.screenshot({ path: join(folder, `${name}.png`) });
  }
}
