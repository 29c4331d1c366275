// The small examples: an open page shows the same as a fresh one.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { profileOf, startCopy } from './examples.js';
import { binary, launchBrowser, startExample } from './launch.js';
import { until } from './patience.js';
import { claimPort } from './port.js';
import { isIn } from './site.js';

/** @typedef {import('playwright-core').BrowserContext} Context */
/** @typedef {import('playwright-core').Page} Page */

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

/** @param {import('node:test').TestContext} t */
const profile = (t) => profileOf(browser, t);

/** @param {Context} context @param {string} url */
async function open(context, url) {
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/** Waits until an element has this text. @param {Page} page @param {string} selector @param {string} text */
const shows = (page, selector, text) =>
  until(
    () => page.locator(selector).allTextContents(),
    (found) => found.join() === text,
    `${selector} should be ${text}`,
  );

describe('the small examples', { concurrency: true }, () => {
  test('counter: a click shows on every page, as on a fresh one', async (t) => {
    const [base, context] = await Promise.all([startCopy(t, 'counter'), profile(t)]);
    const pages = [await open(context, base), await open(context, base)];
    for (const page of pages) await isIn(page, 'live');
    for (const page of [...pages, ...pages]) await page.click('button');
    for (const page of [...pages, await open(context, base)]) await shows(page, '#count', '4');
  });

  test('notifications: each user has their own, until they sign out', async (t) => {
    const { base } = await startExample(t, 'notifications');
    const [alice, bob] = await Promise.all([profile(t), profile(t)]);
    const signIn = async (/** @type {Context} */ context, /** @type {string} */ name) => {
      const page = await open(context, base);
      await page.fill('[name=user]', name);
      await page.click('button');
      await isIn(page, 'live');
      return page;
    };
    const [first, bobs] = await Promise.all([signIn(alice, 'alice'), signIn(bob, 'bob')]);
    const others = [await open(alice, base), await open(alice, `${base}/?htmx=2`)];
    for (const page of others) await isIn(page, 'live');
    for (const text of ['one', '<b>two</b>']) {
      await bobs.fill('[name=to]', 'alice');
      await bobs.fill('[name=text]', text);
      await bobs.click('text=Notify');
    }
    for (const page of [first, ...others, await open(alice, base)]) {
      await shows(page, '#notes > li', 'bob: one,bob: <b>two</b>');
    }
    await shows(bobs, '#notes > li', '');

    await first.click('text=Sign out');
    await first.waitForSelector('[name=user]');
    for (const page of others) await page.waitForSelector('[name=user]');
    await bobs.fill('[name=to]', 'bob');
    await bobs.fill('[name=text]', 'me');
    await bobs.click('text=Notify');
    await shows(bobs, '#notes > li', 'bob: me');
    assert.equal((await alice.request.get(`${base}/events`)).status(), 401);
  });

  test('private-streams: a logout in one tab leads every tab to the page to sign in', async (t) => {
    const [base, context] = await Promise.all([startCopy(t, 'private-streams'), profile(t)]);
    const pages = [await open(context, base), await open(context, base)];
    const [first, second] = pages;
    await first.fill('[name=user]', 'ada');
    await first.click('text=Sign in');
    await isIn(first, 'live');
    await second.reload();
    await isIn(second, 'live');
    await first.fill('[name=to]', 'ada');
    await first.fill('[name=text]', 'Tea?');
    await first.click('text=Send');
    for (const page of pages) await shows(page, '#inbox > li', 'Tea?');
    await first.click('text=Sign out');
    for (const page of pages) {
      await page.waitForSelector('[name=user]');
      assert.equal(await page.locator('#inbox').count(), 0);
    }
  });

  for (const version of ['4', '2']) {
    test(`forms: an error keeps the form and its text, htmx ${version}`, async (t) => {
      const [base, context] = await Promise.all([startCopy(t, 'forms'), profile(t)]);
      const page = await context.newPage();
      // The guide's page is for htmx 4; its form is for both.
      const script = '<script src="https://cdn.jsdelivr.net/npm/htmx.org@2.0.11/dist/htmx.min.js"></script></head>';
      if (version === '2') {
        await page.route(`${base}/`, async (route) => {
          const html = await (await route.fetch()).text();
          const body = html.replaceAll(/<script[^>]* src=[^>]*><\/script>/g, '').replace('</head>', script);
          await route.fulfill({ contentType: 'text/html', body });
        });
      }
      await page.goto(base);
      await page.fill('#text', 'typed');
      /** @type {((route: import('playwright-core').Route) => Promise<void>)[]} */
      const failures = [
        (route) => route.fulfill({ status: 503, body: 'later' }),
        (route) => route.fulfill({ status: 401, body: 'sign in first' }),
        (route) => route.abort(),
      ];
      for (const failure of failures) {
        await page.route('**/entries', failure, { times: 1 });
        await page.click('text=Sign');
        await shows(page, '#problem', 'That did not work. Your text is still here: try again.');
        assert.equal(await page.inputValue('#text'), 'typed');
        await page.evaluate("document.getElementById('problem').textContent = ''");
      }
      // A text that is refused, and then one that is not.
      await page.fill('#text', ' ');
      await page.click('text=Sign');
      await shows(page, '#problem', 'Write between 1 and 200 characters.');
      await page.fill('#text', 'typed');
      await page.click('text=Sign');
      await shows(page, '#problem', '');
      await shows(await open(context, base), '#entries > li', 'typed');
    });
  }

  for (const name of ['live-page', 'live-page-hyper']) {
    test(`${name}: the bar moves, with either htmx and without`, async (t) => {
      const [base, context] = await Promise.all([startCopy(t, name), profile(t)]);
      for (const path of ['/', '/htmx4', '/htmx2']) {
        const page = await open(context, base + path);
        const value = () => page.getAttribute('#bar', 'value');
        const before = await value();
        await until(value, (now) => now !== before, `the bar of ${path} moves`);
      }
    });
  }

  test('dashboard: figures come each second, and a restart is seen and survived', async (t) => {
    const listen = `127.0.0.1:${await claimPort(t)}`;
    const { base, stop } = await startExample(t, 'dashboard', [], { listen });
    const context = await profile(t);
    const pages = [await open(context, base), await open(context, `${base}/?htmx=2`)];
    const now = (/** @type {Page} */ page) => page.locator('#cpu b').textContent();
    const line = (/** @type {Page} */ page) => page.locator('#cpu .line path').getAttribute('d');
    const isKnown = (/** @type {string | null} */ text) => /^\d+\u00a0%$/.test(text ?? '');
    for (const page of pages) {
      await isIn(page, 'live');
      await until(() => now(page), isKnown, 'a figure');
      await page.evaluate("document.querySelector('main').dataset.kept = 'yes'");
      const before = await line(page);
      await until(
        () => line(page),
        (d) => d !== before,
        'the next one',
      );
      assert.equal(await page.locator('main').getAttribute('data-kept'), 'yes', 'only the figures have changed');
    }
    assert.ok(isKnown(await now(await open(context, base))), 'a fresh page has figures at once');

    await stop();
    for (const page of pages) {
      await isIn(page, 'reconnecting');
      await until(
        () => page.locator('main').evaluate((main) => getComputedStyle(main).opacity),
        (opacity) => opacity === '0.5',
        'old figures look old',
      );
    }
    await startExample(t, 'dashboard', [], { listen });
    for (const page of pages) {
      await page.locator('main:not([data-kept])').waitFor();
      await isIn(page, 'live');
      await until(() => now(page), isKnown, 'a figure');
    }
  });

  test('llm: an answer goes on over a reload, and one that is gone is said to be', async (t) => {
    const listen = `127.0.0.1:${await claimPort(t)}`;
    const { base, stop } = await startExample(t, 'llm', [], { listen });
    const context = await profile(t);
    const page = await open(context, base);
    await page.fill('textarea', 'Why <b>?');
    await page.click('button');
    const words = async () => (await page.locator('#answer').textContent())?.length ?? 0;
    const before = await until(words, (count) => count > 20, 'it answers');
    await page.reload();
    assert.ok((await words()) >= before, 'nothing is lost');
    const end = 'and the page asks for nothing more.';
    const whole = (/** @type {Page} */ other) =>
      until(
        () => other.locator('#answer').textContent(),
        (text) => text?.endsWith(end) ?? false,
        'the end',
      );
    const live = await whole(page);
    await isIn(page, 'closed');
    const fresh = await open(context, page.url());
    assert.equal(await fresh.locator('#answer').textContent(), live);
    assert.match(live ?? '', /^You asked: Why <b>\?\n\nI am a stand-in/);
    assert.equal(await page.locator('#failed').isVisible(), false);

    // A restarted server does not know the answer.
    const late = await open(context, base);
    await late.fill('textarea', 'Again?');
    await late.click('button');
    await isIn(late, 'live');
    await stop();
    await startExample(t, 'llm', [], { listen });
    await isIn(late, 'closed');
    assert.equal(await late.locator('#failed').isVisible(), true);
    assert.equal((await late.reload())?.status(), 404);
  });
});

describe('a log that no terminal reads has no colours', { concurrency: true }, () => {
  for (const name of ['chat-axum', 'dashboard', 'hub', 'jobs', 'llm', 'notifications']) {
    test(name, async (t) => {
      const env = { ...process.env, NO_COLOR: '', RUST_LOG: 'debug' };
      const args = ['--listen', '127.0.0.1:0'];
      const server = spawn(binary(name), args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
      t.after(() => server.kill('SIGKILL'));
      let log = '';
      server.stderr.setEncoding('utf8').on('data', (text) => {
        log += text;
      });
      await once(createInterface(server.stdout), 'line');
      server.kill();
      await once(server, 'close');
      assert.match(log, /DEBUG|INFO/, 'it has something to say');
      assert.ok(!log.includes('\u001b'), log);
    });
  }
});
