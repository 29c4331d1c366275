// The markup that sse-kit-htmx writes (its example `markup`), on both versions of htmx.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launchBrowser, writtenMarkup } from './launch.js';
import { serveStream } from './stream-server.js';

const markup = writtenMarkup();

const STRANGE = `7:a.b,"c'd`;

/** What messages change: its parts, by their ids. */
const STAGE = {
  a: '<p id="a" title="t">old</p>',
  list: '<ul id="list"><li id="l1">1</li></ul>',
  table: '<table id="table"><tbody id="rows"><tr id="r1"><td id="c1">1</td></tr></tbody></table>',
  select: '<select id="select"><option id="o1">1</option></select>',
  strange: `<i id="${STRANGE.replaceAll('"', '&quot;')}">old</i>`,
};
const stage = (changed = {}) => Object.values({ ...STAGE, ...changed }).join('');

/** @param {string[]} items */
const list = (...items) => ({ list: `<ul id="list">${items.join('')}</ul>` });
/** @param {string[]} all */
const rows = (...all) => ({ table: `<table id="table"><tbody id="rows">${all.join('')}</tbody></table>` });
const L1 = '<li id="l1">1</li>';
const R1 = '<tr id="r1"><td id="c1">1</td></tr>';
const NEW_A = { a: '<p id="a">new <b>a</b></p>' };
const NEW_BODY = { table: '<table id="table"><tbody id="rows"><tr><td>new</td></tr></tbody></table>' };

/**
 * The expected content of the stage after each message.
 * @type {Record<string, Partial<typeof STAGE>>}
 */
const EXPECTED = {
  replace: NEW_A,
  'morph or replace': NEW_A,
  morph: NEW_A,
  sync: NEW_A,
  fill: { a: '<p id="a" title="t">&lt;i&gt;&amp;amp;</p>' },
  'fill with nothing': { a: '<p id="a" title="t"></p>' },
  text: { a: '<p id="a" title="t">new a</p>' },
  append: list(L1, '<li>2!</li>'),
  prepend: list('<li>0!</li>', L1),
  before: list('<li>0!</li>', L1),
  after: list(L1, '<li>2!</li>'),
  delete: { a: '' },
  nothing: {},
  'replace a row': rows('<tr id="r1"><td>1!</td></tr>'),
  'append a row': rows(R1, '<tr id="r2"><td>2!</td></tr>'),
  'a row after': rows(R1, '<tr id="r2"><td>2!</td></tr>'),
  'fill a row': rows('<tr id="r1"><td id="c1">new</td></tr>'),
  'replace a cell': rows('<tr id="r1"><td id="c1">new</td></tr>'),
  'morph what is in it': rows('<tr id="r1"><td>1!</td></tr>'),
  "replace a table's body": NEW_BODY,
  'fill a table': NEW_BODY,
  'append an option': { select: '<select id="select"><option id="o1">1</option><option>2</option></select>' },
  'a strange id': { strange: STAGE.strange.replace('old', 'new') },
  'a selector': { a: '<p id="a" title="t">x</p>', list: '<ul id="list"><li id="l1">x</li></ul>' },
  several: {
    ...NEW_A,
    ...list(L1, '<li>2!</li>', '<li>3!</li>'),
    ...rows('<tr id="r1"><td>1!</td></tr>', '<tr id="r2"><td>2!</td></tr>'),
  },
};

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

/**
 * Opens a page with its server; its errors are kept.
 *
 * @param {import('node:test').TestContext} t
 * @param {number} version of htmx
 * @param {string} body
 * @param {{head?: string, policy?: string}} page
 */
async function open(t, version, body, { head = markup[version].head, policy } = {}) {
  const server = await serveStream(t, { version, head, body, policy });
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(server.base);
  await server.streams(1);
  return { server, page, context, complaints };
}

/** The attributes and classes that htmx adds. */
const LEFT = ' class=""| data-htmx-powered="true"';

/**
 * What is in an element, without what htmx leaves of its own.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} selector
 */
async function htmlOf(page, selector) {
  const html = await page.innerHTML(selector);
  return html.replace(new RegExp(LEFT, 'g'), '');
}

/**
 * In a page: inserts a stage, as if it had been loaded with the page.
 *
 * @param {string} html
 */
function setStage(html) {
  const stage = /** @type {HTMLElement} */ (document.getElementById('stage'));
  stage.innerHTML = html;
  /** @type {any} */ (window).htmx.process(stage);
}

/**
 * In a page: HTML as a browser writes it.
 *
 * @param {string} html
 */
function asWritten(html) {
  const element = document.createElement('div');
  element.innerHTML = html;
  return element.innerHTML;
}

/**
 * In a page: whether the stage has become this.
 *
 * @param {string[]} what
 */
function isStage([html, left]) {
  return document.getElementById('stage')?.innerHTML.replace(new RegExp(left, 'g'), '') === html;
}

for (const version of [4, 2]) {
  const written = markup[version];

  describe(`htmx ${version}`, () => {
    test('updates out of band do what they are called', async (t) => {
      assert.deepEqual(new Set(Object.keys(markup[4].messages)), new Set(Object.keys(EXPECTED)));
      const messages = [
        ...Object.entries(written.messages).map(([name, message]) => [name, message, name]),
        ...Object.entries(written.both).map(([name, message]) => [name, message, `${name}, for both versions`]),
      ];
      const { server, page, complaints } = await open(t, version, `<div id="stage"></div>${written.updates}`);
      for (const [name, message, title] of messages.filter(([, message]) => message)) {
        await t.test(title, async () => {
          await page.evaluate(setStage, stage());
          server.send(message);
          const expected = await page.evaluate(asWritten, stage(EXPECTED[name]));
          if (name === 'nothing') {
            server.send(written.messages.fill);
            await page.waitForFunction(() => document.getElementById('a')?.textContent !== 'old');
            assert.equal(await htmlOf(page, '#list'), L1);
          } else {
            // A shorter wait than the test's own limit, so that what is there instead is said.
            await page.waitForFunction(isStage, [expected, LEFT]).catch(() => {});
            assert.equal(await htmlOf(page, '#stage'), expected);
          }
          assert.equal(await htmlOf(page, '#stream'), '', 'nothing goes into the connection itself');
          assert.deepEqual(complaints.splice(0), []);
        });
      }
    });

    test('an unnamed event is swapped into the element that connects', async (t) => {
      const { server, page, complaints } = await open(t, version, written.unnamed);
      server.send('<b>new</b>');
      await page.waitForSelector('#stream > b');
      assert.equal(await htmlOf(page, '#stream'), '<b>new</b>');
      assert.deepEqual(complaints, []);
    });

    test('named events go where they are listed, and start requests', async (t) => {
      const { server, page, complaints } = await open(t, version, written.named);
      server.send('<i>1</i>', 'a');
      server.send('<i>2</i>', 'größer b');
      server.send('<i>3</i>', 'b:1');
      server.send('<i>4</i>', 'elsewhere');
      server.send('<i>5</i>');
      server.send('x', 'job:done');
      await page.waitForSelector('#four > b');
      await page.waitForSelector('#three > i');
      const texts = await page.locator('#stream > div').allInnerTexts();
      assert.deepEqual(texts, ['12', '3', '5', 'answer']);
      assert.deepEqual(complaints, []);
    });

    test('an element that connects takes in the events that it lists, and no other', async (t) => {
      const { server, page, complaints } = await open(t, version, written.own);
      server.send('<i>1</i>', 'a');
      server.send('<i>2</i>');
      server.send('<i>3</i>', 'c');
      server.send('<i>4</i>', 'größer b');
      await page.waitForFunction(() => document.getElementById('stream')?.textContent.includes('4'));
      assert.equal(await page.textContent('#stream'), '14');
      assert.deepEqual(complaints, []);
    });

    test('scripts with a nonce run where no others may', async (t) => {
      const page = { head: written.nonced, policy: "script-src 'nonce-r4nd0m'" };
      const opened = await open(t, version, written.named, page);
      opened.server.send('<script>document.title = "bad"</script><i>1</i>', 'a');
      await opened.page.waitForSelector('#one > i');
      assert.equal(await opened.page.title(), 't');
      const others = opened.complaints.filter((text) => !text.includes('Content Security Policy'));
      assert.deepEqual(others, [], 'but of the script that came in');
    });

    test('a close event ends the connection for good', async (t) => {
      const { server, complaints } = await open(t, version, written.once);
      server.send('x', 'done');
      await server.streams(0);
      assert.equal(server.requests.length, 1);
      assert.deepEqual(complaints, []);
    });
  });
}
