// Edited fields survive the reload after a gap.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser } from './launch.js';
import { connect, hasLog, isIn, log, openProfile, STATUS, startSite } from './site.js';

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

const SERVER = '/save';

/**
 * Opens a page with these fields. The server stores the values that they send, and answers with a status.
 *
 * @param {import('node:test').TestContext} t
 * @param {4 | 2} client
 * @param {string} fields
 * @param {{gap?: 'reload' | 'wait', status?: number}} how
 */
async function openForm(t, client, fields, { gap = 'reload', status = 204 } = {}) {
  const site = await startSite(t, { client, mode: 'monitor', monitor: { gap } });
  /** Serves other fields from now on. @param {string} fields */
  const serve = (fields) => site.page('/a', `${STATUS}${log()}${fields}${connect(client, '/events?topic=a')}`);
  serve(fields);
  const { context, open, complaints } = await openProfile(t, browser, site);
  /** @type {(string | null)[]} */
  const sent = [];
  await context.route(`**${SERVER}`, async (route) => {
    sent.push(route.request().postData());
    await route.fulfill({ status });
  });
  const page = await open();
  await isIn(page, 'live');
  await page.evaluate(() => {
    window.isOld = true;
  });
  const isNew = async () => {
    await page.waitForFunction(() => !window.isOld);
    await isIn(page, 'live');
  };
  const answered = () => page.waitForResponse(`**${SERVER}`);
  return { site, page, serve, sent, isNew, answered, complaints };
}

for (const client of /** @type {const} */ ([4, 2])) {
  for (const gap of /** @type {const} */ (['reload', 'wait'])) {
    test(`B16: a gap loses nothing that is half written, ${gap}, htmx ${client}`, async (t) => {
      const site = await startSite(t, { client, mode: 'monitor', monitor: { gap } });
      const form = `<form onsubmit="return false"><textarea id="text"></textarea><input id="check" type="checkbox">
        <select id="select"><option>a</option><option>b</option></select><button>send</button></form>`;
      site.page('/a', `${STATUS}${log()}${form}${connect(client, '/events?topic=a')}`);
      const { open, complaints } = await openProfile(t, browser, site);
      const page = await open();
      await isIn(page, 'live');
      await site.append('old');
      await hasLog(page, ['old']);
      await page.fill('#text', 'half written');
      await page.check('#check');
      await page.selectOption('#select', 'b');
      await page.evaluate(() => {
        window.isOld = true;
      });
      await site.restart();
      if (gap === 'wait') {
        await page.waitForSelector('#connection-status[data-reload="waiting"]', { state: 'attached' });
        assert.equal(await page.evaluate(() => window.isOld), true);
        assert.equal(await page.inputValue('#text'), 'half written');
        await page.click('button');
      }
      await page.waitForFunction(() => !window.isOld);
      await isIn(page, 'live');
      const values = [await page.inputValue('#text'), await page.isChecked('#check'), await page.inputValue('#select')];
      assert.deepEqual(values, gap === 'reload' ? ['half written', true, 'b'] : ['', false, 'a']);
      await site.append('new');
      await hasLog(page, ['new']);
      assert.deepEqual(complaints, []);
    });
  }

  test(`what was saved is the server's, and is not saved again, htmx ${client}`, async (t) => {
    const saves = `hx-post="${SERVER}" hx-trigger="change" hx-swap="none"`;
    const fields = (/** @type {string} */ chosen, /** @type {string} */ text, /** @type {string} */ checked) => `
      <select id="select" name="select" ${saves}>
        ${['low', 'high'].map((name) => `<option ${name === chosen ? 'selected' : ''}>${name}</option>`)}
      </select>
      <input id="text" name="text" value="${text}" ${saves}>
      <input id="on" name="on" type="checkbox" ${checked} ${saves}>
      <input id="off" name="off" type="checkbox" checked ${saves}>
      <select id="many" name="many" multiple ${saves}><option selected>a</option><option>b</option></select>`;
    const { site, page, serve, sent, isNew, answered, complaints } = await openForm(t, client, fields('low', 'a', ''));
    const acts = [
      () => page.selectOption('#select', 'high'),
      () => page.fill('#text', 'b').then(() => page.press('#text', 'Tab')),
      () => page.check('#on'),
      () => page.uncheck('#off'),
      () => page.selectOption('#many', []),
    ];
    for (const act of acts) await Promise.all([answered(), act()]);
    assert.deepEqual(sent, ['select=high', 'text=b', 'on=on', null, null]);
    // Meanwhile another user has saved other values.
    serve(fields('low', 'c', ''));
    await site.restart();
    await isNew();
    const values = [await page.inputValue('#select'), await page.inputValue('#text')];
    assert.deepEqual(values, ['low', 'c']);
    assert.deepEqual([await page.isChecked('#on'), await page.isChecked('#off')], [false, true]);
    assert.equal(await page.inputValue('#many'), 'a');
    await site.append('new');
    await hasLog(page, ['new']);
    assert.equal(sent.length, 5);
    assert.deepEqual(complaints, []);
  });

  test(`what could not be saved is kept, htmx ${client}`, async (t) => {
    const form = `<form hx-post="${SERVER}" hx-swap="none"><input id="text" name="text"><button>send</button></form>`;
    const { site, page, isNew, answered } = await openForm(t, client, form, { status: 503 });
    await page.fill('#text', 'half written');
    await Promise.all([answered(), page.click('button')]);
    await site.restart();
    await isNew();
    assert.equal(await page.inputValue('#text'), 'half written');
  });

  test(`what was saved stays so when another request of its form fails, htmx ${client}`, async (t) => {
    const form = (/** @type {string} */ text) => `<form hx-post="${SERVER}" hx-swap="none">
      <input id="text" name="text" value="${text}"><button>send</button>
      <a id="other" hx-get="/missing" hx-swap="none">other</a></form>`;
    const { site, page, serve, isNew, answered } = await openForm(t, client, form('a'));
    await page.fill('#text', 'b');
    await Promise.all([answered(), page.click('button')]);
    await page.evaluate(() => {
      for (const name of ['htmx:afterRequest', 'htmx:after:request']) {
        document.addEventListener(name, () => document.body.setAttribute('data-answered', ''));
      }
    });
    await page.click('#other');
    await page.waitForSelector('[data-answered]');
    serve(form('c'));
    await site.restart();
    await isNew();
    assert.equal(await page.inputValue('#text'), 'c');
  });

  test(`a choice that a list no longer has is none, htmx ${client}`, async (t) => {
    const list = (/** @type {string[]} */ names) =>
      `<select id="select">${names.map((name) => `<option>${name}</option>`)}</select>`;
    const { site, page, serve, isNew } = await openForm(t, client, list(['a', 'b']));
    await page.selectOption('#select', 'b');
    serve(list(['x', 'y']));
    await site.restart();
    await isNew();
    assert.equal(await page.inputValue('#select'), 'x');
  });

  test(`a list that has changed is chosen from by value, htmx ${client}`, async (t) => {
    const list = (/** @type {string[]} */ names) =>
      `<select id="select">${names.map((name) => `<option>${name}</option>`)}</select>`;
    const { site, page, serve, isNew } = await openForm(t, client, list(['a', 'b', 'c']));
    await page.selectOption('#select', 'b');
    serve(list(['x', 'a', 'b']));
    await site.restart();
    await isNew();
    assert.equal(await page.inputValue('#select'), 'b');
  });

  test(`a field that is as it was is waited for no longer, htmx ${client}`, async (t) => {
    const fields = `<select id="select"><option>a</option><option>b</option></select>
      <input id="box" type="checkbox" checked><input id="text" value="a">`;
    const { site, page, isNew } = await openForm(t, client, fields, { gap: 'wait' });
    await page.selectOption('#select', 'b');
    await page.uncheck('#box');
    await page.fill('#text', 'b');
    await site.restart();
    await page.waitForSelector('#connection-status[data-reload="waiting"]', { state: 'attached' });
    await page.selectOption('#select', 'a');
    await page.check('#box');
    assert.equal(await page.evaluate(() => window.isOld), true);
    await page.fill('#text', 'a');
    await isNew();
  });
}
