// Several job boards on one Redis, behind round-robin: pages survive the death of a node.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { digestOf, folderOf } from './folders.js';
import { launchBrowser, startExample } from './launch.js';
import { until } from './patience.js';
import { claimPort } from './port.js';

const { SSE_KIT_ASSETS = '', SSE_KIT_REDIS_SERVER = 'redis-server' } = process.env;

/** @typedef {import('node:test').TestContext} TestContext */

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

/**
 * Starts a Redis server for one test, and returns its address.
 *
 * @param {TestContext} t
 */
async function startRedis(t) {
  const folder = await mkdtemp(join(tmpdir(), 'sse-kit-redis-'));
  const port = await claimPort(t);
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder];
  const redis = spawn(SSE_KIT_REDIS_SERVER, options, { stdio: 'ignore' });
  t.after(async () => {
    redis.kill('SIGKILL');
    await once(redis, 'exit');
    await rm(folder, { recursive: true });
  });
  /** @returns {Promise<boolean>} */
  const answers = () =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.unref();
    });
  await until(answers, (answered) => answered || redis.exitCode !== null, 'an answer of redis-server');
  if (redis.exitCode !== null) throw new Error('redis-server does not start');
  return `redis://127.0.0.1:${port}`;
}

/**
 * Forwards each connection to the next node that accepts it.
 *
 * @param {TestContext} t
 * @param {string[]} nodes
 */
async function roundRobin(t, nodes) {
  let next = 0;
  const sockets = new Set();
  const server = createServer((client) => {
    const first = next++;
    /** @param {number} n */
    const to = (n) => {
      if (n === nodes.length) {
        client.destroy();
        return;
      }
      const { hostname, port } = new URL(nodes[(first + n) % nodes.length]);
      const node = connect(Number(port), hostname, () => client.pipe(node).pipe(client));
      sockets.add(client).add(node);
      let connected = false;
      node.on('connect', () => (connected = true));
      node.on('error', () => (connected ? client.destroy() : to(n + 1)));
      node.on('close', () => connected && client.destroy());
      client.on('error', () => node.destroy());
      client.on('close', () => node.destroy());
    };
    to(0);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`;
}

for (const version of [4, 2]) {
  describe(`htmx ${version}`, () => {
    test('a node is killed, and every page goes on elsewhere', async (t) => {
      const redis = await startRedis(t);
      const options = ['--assets', SSE_KIT_ASSETS, '--heartbeat', '1', '--redis', redis];
      const nodes = [await startExample(t, 'jobs', options), await startExample(t, 'jobs', options)];
      const base = await roundRobin(
        t,
        nodes.map((node) => node.base),
      );
      /** @type {import('playwright-core').Page[]} */
      const pages = [];
      for (let n = 0; n < 3; n++) {
        // In separate profiles, because tabs of one browser would share a connection.
        const context = await browser.newContext();
        t.after(() => context.close());
        const page = await context.newPage();
        await page.goto(`${base}/?htmx=${version}`);
        await page.waitForSelector('#connection-status[data-state="live"]');
        pages.push(page);
      }
      const files = { a: 'abc', 'b/c': 'x'.repeat(1000) };
      const folder = await folderOf(t, files);
      /**
       * @param {import('playwright-core').Page} page
       * @param {number} count
       */
      const runs = async (page, count) => {
        await page.fill('#path', folder);
        await page.click('#new-job button');
        for (const each of pages) {
          await each.waitForFunction(
            (count) => document.querySelectorAll('.job[data-state="done"]').length === count,
            count,
          );
          const digests = await each.locator('.job .digest').allTextContents();
          assert.deepEqual(digests, Array(count).fill(digestOf(files)));
        }
      };
      await runs(pages[0], 1);

      /** @param {{base: string}} node */
      const connections = async (node) => (await (await fetch(`${node.base}/stats`)).json()).connections;
      const on = await Promise.all(nodes.map(connections));
      assert.equal(on[0] + on[1], 3);
      const victim = on[0] > 0 ? 0 : 1;
      nodes[victim].kill();
      const survivor = nodes[1 - victim];
      await until(
        () => connections(survivor),
        (found) => found === 3,
        'the connections of all',
      );
      await runs(pages[0], 2);
      await runs(pages[2], 3);
    });
  });
}
