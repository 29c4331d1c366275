// The inspector of a hub in a browser: contents, actions, keyboard, phone, dark mode.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launchBrowser, startExample } from './launch.js';
import { until } from './patience.js';
import { isIn } from './site.js';

/** @typedef {import('playwright-core').Page} Page */

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

const HOSTILE = '</hx-partial></template><img src=x onerror="document.title=1"><script>document.title=2</script>';

/**
 * A hub with an inspector, and clients that listen.
 *
 * @param {import('node:test').TestContext} t
 * @param {string[]} topics one for each client
 */
async function startHub(t, topics = []) {
  const { base } = await startExample(t, 'hub', ['--inspector', '--heartbeat', '1']);
  /** @type {(topic: string, data: string) => Promise<Response>} */
  const publish = (topic, data) =>
    fetch(`${base}/publish?${new URLSearchParams({ topic })}`, { method: 'POST', body: data });
  /** @type {(topic: string) => Promise<void>} */
  const listen = async (topic) => {
    const client = new AbortController();
    t.after(() => client.abort());
    await fetch(`${base}/events?${new URLSearchParams({ topic })}`, { signal: client.signal });
  };
  for (const topic of topics) await listen(topic);
  return { base, listen, publish };
}

/**
 * Opens the inspector. Errors in its console fail the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} url
 * @param {import('playwright-core').BrowserContextOptions} options
 */
async function open(t, url, options = {}) {
  const context = await browser.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(url);
  if (options.javaScriptEnabled !== false) await isIn(page, 'live');
  return { page, complaints };
}

/** Waits until a part of the page has a text. @param {Page} page @param {string} part @param {string} text */
const shows = (page, part, text) =>
  until(
    () => page.locator(part).textContent(),
    (found) => found?.includes(text) ?? false,
    `${part} should have ${text}`,
  );

/**
 * Fills in a field of the filter, and waits for the page that comes then: the one before is live as well.
 *
 * @param {Page} page
 * @param {string} field
 * @param {string} text
 */
async function filterBy(page, field, text) {
  await page.fill(`.filter [name=${field}]`, text);
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.searchParams.get(field) === text);
  await isIn(page, 'live');
}

/** Presses Tab until an element has the focus. @param {Page} page @param {string} selector */
async function tabTo(page, selector) {
  for (let presses = 0; presses < 100; presses += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return;
  }
  assert.fail(`Tab does not lead to ${selector}`);
}

/**
 * Returns the accessibility faults of a page: controls without a name, too small, or without a visible focus;
 * text of too little contrast; skipped heading levels; a page wider than the screen.
 */
function faults() {
  /** @type {string[]} */
  const found = [];
  /** @type {(color: string) => number[]} */
  const channels = (color) => {
    const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    if (!context) return [0, 0, 0, 0];
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  /** @type {(color: number[]) => number} */
  const luminance = ([red = 0, green = 0, blue = 0]) => {
    const [r = 0, g = 0, b = 0] = [red, green, blue].map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  /** @type {(element: Element | null) => number[]} */
  const behind = (element) => {
    if (!element) return [255, 255, 255, 255];
    const color = channels(getComputedStyle(element).backgroundColor);
    return color[3] === 255 ? color : behind(element.parentElement);
  };
  /** @type {(element: Element) => string} */
  const say = (element) => element.outerHTML.slice(0, 100);
  /** @type {(element: Element) => boolean} */
  const isShown = (element) =>
    element.checkVisibility() && !element.closest('.visually-hidden, .skip, details:not([open])');

  for (const control of document.querySelectorAll('a, button, input:not([type=hidden]), textarea, summary')) {
    if (!isShown(control)) continue;
    const label = control.getAttribute('aria-label') ?? control.closest('label')?.textContent ?? control.textContent;
    if (!label?.trim()) found.push(`no name: ${say(control)}`);
    const { width, height } = control.getBoundingClientRect();
    if (width < 20 || height < 16) found.push(`too small, ${width} by ${height}: ${say(control)}`);
  }
  for (const element of document.querySelectorAll('body *')) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim());
    if (!hasText || !isShown(element)) continue;
    const [text, ground] = [channels(getComputedStyle(element).color), behind(element)].map(luminance);
    const [light = 0, dark = 0] = [text ?? 0, ground ?? 0].sort((one, other) => other - one);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) found.push(`contrast ${contrast.toFixed(2)}: ${say(element)}`);
  }
  const levels = [...document.querySelectorAll('h1, h2, h3, h4')].map(({ tagName }) => Number(tagName[1]));
  if (levels.some((level, index) => level > (levels[index - 1] ?? 0) + 1)) found.push(`headings: ${levels}`);
  if (levels.filter((level) => level === 1).length !== 1) found.push('not one h1');
  if (document.documentElement.scrollWidth > innerWidth) found.push('wider than the screen');
  for (const cell of document.querySelectorAll('td, th, tr, table')) {
    if (!cell.hasAttribute('role')) found.push(`no role, which a table that is no block needs: ${say(cell)}`);
  }
  return found;
}

describe('the inspector', { concurrency: true }, () => {
  test('it shows what happens, and what others write is text', async (t) => {
    const { base, publish } = await startHub(t, ['jobs:17', 'users:*']);
    const { page, complaints } = await open(t, `${base}/inspector`);
    await shows(page, '#connections', 'jobs:17');
    await publish('jobs:17', HOSTILE);
    await publish(HOSTILE.slice(13), 'a hostile topic');
    await shows(page, '#events', 'a hostile topic');
    await shows(page, '#topics', 'onerror');
    await page.click('#events a:has-text("jobs:17")');
    await shows(page, '#detail pre', HOSTILE);
    // The part that the link is in has been updated meanwhile, and what was opened stays.
    await publish('jobs:17', 'another');
    await shows(page, '#events', 'another');
    await shows(page, '#detail pre', HOSTILE);
    assert.equal(await page.locator('img').count(), 0);
    assert.equal(await page.title(), 'Inspector');
    assert.deepEqual(complaints, []);
  });

  test('it publishes, disconnects and dismisses', async (t) => {
    const { base } = await startHub(t, ['jobs:1', 'jobs:2']);
    const { page, complaints } = await open(t, `${base}/inspector`);
    page.on('dialog', (dialog) => void dialog.accept());
    await page.click('summary');
    await page.fill('.publish [name=topic]', 'jobs:1');
    await page.fill('.publish textarea', 'by hand');
    await page.click('.publish button');
    await shows(page, '#notice', '1 connection gets it');
    await shows(page, '#events', 'by hand');
    assert.equal(await page.inputValue('.publish textarea'), 'by hand', 'what was written stays');
    await page.fill('.publish [name=topic]', 'jobs:*');
    await page.click('.publish button');
    await shows(page, '#notice', 'contains `*`');
    for (const [name, done] of [
      ['Disconnect', 'Disconnected'],
      ['Dismiss', 'Dismissed'],
    ]) {
      const rows = await page.locator('#connections tbody tr').count();
      await page.locator('#connections button', { hasText: name }).first().click();
      await page.mouse.move(0, 0);
      await shows(page, '#notice', `${done} `);
      await until(
        () => page.locator('#connections tbody tr').count(),
        (count) => count === rows - 1,
        'it is gone',
      );
    }
    await shows(page, '#connection-events', 'the app ended it');
    // A refusal is no error of the page, but the browser logs one.
    assert.deepEqual(
      complaints.filter((complaint) => !complaint.includes('422')),
      [],
    );
  });

  test('under churn the focus and the pointer stay with a client, and its end is asked for', async (t) => {
    const { base, listen } = await startHub(t, ['a', 'b']);
    const { page } = await open(t, `${base}/inspector`);
    const rows = page.locator('#connections tbody tr');
    await until(
      () => rows.count(),
      (count) => count === 2,
      'two clients',
    );
    /** @type {(topic: string) => import('playwright-core').Locator} */
    const row = (topic) => rows.filter({ has: page.locator(`.topics:text-is("${topic}")`) });
    const focused = () =>
      page.evaluate(() => document.activeElement?.closest('tr')?.querySelector('.topics')?.textContent);
    /** @type {string[]} */
    const asked = [];
    let answer = false;
    page.on('dialog', (dialog) => {
      asked.push(dialog.message());
      void (answer ? dialog.accept() : dialog.dismiss());
    });
    // The newest stands first: others come before it and move it down.
    await row('b').getByRole('button', { name: 'Disconnect' }).focus();
    const named = await row('b').locator('.name code').textContent();
    for (const topic of ['c', 'd', 'e']) await listen(topic);
    await shows(page, '#numbers', 'Connections5');
    assert.equal(await focused(), 'b');
    await page.keyboard.press('Enter');
    await until(
      () => asked.length,
      (count) => count === 1,
      'it asks',
    );
    assert.match(asked[0] ?? '', new RegExp(`${named}`), 'it names the client');
    answer = true;
    await page.keyboard.press('Enter');
    await shows(page, '#notice', `Disconnected ${named}`);
    await until(
      () => row('b').count(),
      (count) => count === 0,
      'the row is gone, as the notice has the focus',
    );
    assert.equal(await rows.count(), 4);
    // Rows do not move under a pointer that is at a button.
    await row('a').getByRole('button', { name: 'Disconnect' }).hover();
    for (const topic of ['f', 'g']) await listen(topic);
    await shows(page, '#numbers', 'Connections6');
    const under = () => page.evaluate(() => document.querySelector('tr:hover .topics')?.textContent);
    assert.equal(await under(), 'a');
    assert.equal(await rows.count(), 4, 'the table waits');
    await page.mouse.move(0, 0);
    await until(
      () => rows.count(),
      (count) => count === 6,
      'it goes on',
    );
  });

  test('it filters, searches and pauses', async (t) => {
    const { base, publish } = await startHub(t, ['jobs:1', 'users:1']);
    const { page } = await open(t, `${base}/inspector`);
    await filterBy(page, 'topic', 'jobs:*');
    await publish('users:1', 'not this');
    await publish('jobs:1', 'but this');
    await shows(page, '#events', 'but this');
    assert.ok(!(await page.textContent('main'))?.includes('users:1'));
    await page.click('#pause');
    await page.waitForSelector('#connection-status[data-state="paused"]');
    await publish('jobs:1', 'too late');
    assert.equal(await page.locator('#sse-connection').count(), 0);
    await page.click('#pause');
    await isIn(page, 'live');
    await shows(page, '#events', 'too late');
    await filterBy(page, 'q', 'THIS');
    await shows(page, '#events', 'but this');
    assert.ok(!(await page.textContent('#events'))?.includes('too late'));
  });

  test('it is used by keyboard alone', async (t) => {
    const { base, publish } = await startHub(t, ['jobs:1']);
    const { page } = await open(t, `${base}/inspector`);
    page.on('dialog', (dialog) => void dialog.accept());
    await publish('jobs:1', 'the data');
    await shows(page, '#events', 'the data');
    await tabTo(page, '.skip');
    const outline = () => page.evaluate(() => getComputedStyle(document.activeElement ?? document.body).outlineStyle);
    assert.equal(await outline(), 'solid', 'the focus is seen');
    await page.keyboard.press('Enter');
    await tabTo(page, '#events a');
    assert.equal(await outline(), 'solid');
    // An update does not take the focus away.
    await publish('jobs:1', 'another');
    await shows(page, '#events', 'another');
    assert.ok(await page.evaluate(() => document.activeElement?.matches('#events a')));
    await page.keyboard.press('Enter');
    await shows(page, '#detail', 'Event ');
    await until(
      () => page.evaluate(() => document.activeElement?.id),
      (id) => id === 'detail-title',
      'the event has the focus',
    );
    await tabTo(page, '#detail .button');
    await page.keyboard.press('Enter');
    await until(
      () => page.evaluate(() => document.activeElement?.textContent),
      (text) => text === 'Closed',
      'the focus stays there',
    );
    await page.focus('#pause');
    await tabTo(page, '#connections button');
    await page.keyboard.press('Enter');
    await shows(page, '#notice', 'Disconnected');
  });

  test('people can use it: on a large screen and on a phone, in the light and in the dark', async (t) => {
    const { base, publish } = await startHub(t, ['jobs:1', `a-long-topic:${'x'.repeat(150)}`]);
    const { page } = await open(t, `${base}/inspector`);
    const partial = '<hx-partial hx-target="#a" hx-swap="outerHTML"><b>1</b></hx-partial>';
    await publish('jobs:1', `${partial}${'x'.repeat(500)}`);
    await page.locator('#events a').click();
    await shows(page, '#detail', 'Updates of the page');
    await page.click('summary');
    for (const width of [1280, 360]) {
      for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
        await page.setViewportSize({ width, height: 800 });
        await page.emulateMedia({ colorScheme });
        assert.deepEqual(await page.evaluate(faults), [], `${width} pixels, ${colorScheme}`);
      }
    }
  });

  test('it works without script', async (t) => {
    const { base, publish } = await startHub(t, ['jobs:1']);
    await publish('jobs:1', 'the data');
    const { page } = await open(t, `${base}/inspector`, { javaScriptEnabled: false });
    await until(
      async () => {
        await page.reload();
        return page.textContent('#events');
      },
      (text) => text?.includes('the data') ?? false,
      'the event is recorded',
    );
    await page.click('#events a');
    assert.match((await page.textContent('#detail')) ?? '', /the data/);
    await page.goBack();
    await page.click('summary');
    await page.fill('.publish [name=topic]', 'jobs:1');
    await page.click('.publish button');
    assert.match((await page.textContent('#notice')) ?? '', /Published .* to jobs:1/);
    await page.locator('#connections button', { hasText: 'Disconnect' }).click();
    assert.match((await page.textContent('#connections')) ?? '', /No connection/);
    assert.match((await page.textContent('#notice')) ?? '', /Disconnected/);
  });
});
