// The first thing to know when a browser test fails: does the browser work at all?
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { addressOf, launchWholeBrowser } from './launch.js';

test('Chromium shows a page of a local server', async (t) => {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end('<!doctype html><title>ready</title><p>It works.</p>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });

  const browser = await launchWholeBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`${addressOf(server)}/`);
  assert.equal(await page.title(), 'ready');
});
