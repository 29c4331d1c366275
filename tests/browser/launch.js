// Starts the browser and the examples' servers for the tests.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { PATIENCE_MS } from './patience.js';

/** @typedef {import('playwright-core').Browser} Browser */

const {
  SSE_KIT_ASSETS: assets = '',
  SSE_KIT_BIN_DIR: binaries = '',
  SSE_KIT_CHROMIUM: whole,
  SSE_KIT_CHROMIUM_SHELL: shell,
} = process.env;

/** The folder that the job board serves htmx from. */
export { assets };

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * A browser with a fresh profile, which playwright removes again. Close it.
 *
 * It is Chromium's headless shell: the engine without what people see around a page. A page of it costs a
 * fifth of the CPU, and it has no back/forward cache.
 *
 * @param {string[]} [flags] beside the ones that every browser needs
 */
export function launchBrowser(flags = []) {
  return patient(chromium.launch({ executablePath: shell, args: [...FLAGS, ...flags] }));
}

/** Starts Chromium with its back/forward cache, which playwright turns off by default. Close it. */
export function launchWholeBrowser() {
  const ignoreDefaultArgs = ['--disable-back-forward-cache'];
  return patient(chromium.launch({ executablePath: whole, args: FLAGS, ignoreDefaultArgs }));
}

/**
 * Gives the pages of a browser the time limit of all tests, and also the end of a context: Chromium has been seen
 * never to end one with a crashed tab.
 *
 * @param {Promise<Browser>} launching
 */
async function patient(launching) {
  const browser = await launching;
  const newContext = browser.newContext.bind(browser);
  browser.newContext = async (options) => {
    const context = await newContext(options);
    context.setDefaultTimeout(PATIENCE_MS);
    const close = context.close.bind(context);
    context.close = async (options) => {
      const late = wait(PATIENCE_MS, true, { ref: false });
      if (await Promise.race([close(options), late])) console.error('a context ends with the browser only');
    };
    return context;
  };
  return browser;
}

/** The pages and messages that sse-kit-htmx writes, by the version of htmx: see its example `markup`. */
export function writtenMarkup() {
  return JSON.parse(execFileSync(join(binaries, 'examples/markup'), { encoding: 'utf8' }));
}

/**
 * Where a server listens.
 *
 * @param {import('node:net').Server} server
 */
export function addressOf(server) {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return `http://127.0.0.1:${port}`;
}

/** Where the binary of an example is. @param {string} name */
export const binary = (name) => join(binaries, name);

/**
 * Starts a program, and stops it after the test.
 *
 * @param {{after: (stop: () => Promise<unknown>) => void}} t
 * @param {string} command
 * @param {string[]} args
 */
export function startProgram(t, command, args = []) {
  const server = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const stop = async () => {
    if (server.exitCode === null && server.signalCode === null) {
      server.kill();
      await once(server, 'exit');
    }
    return server.exitCode;
  };
  t.after(stop);
  return { server, stop };
}

/**
 * Starts an example on a port of its own, and stops it after the test.
 *
 * @param {{after: (stop: () => Promise<unknown>) => void}} t
 * @param {string} name the binary
 * @param {string[]} args options beside `--listen`
 * @param {{listen?: string, prefix?: string[]}} how where it listens, and what it is started by
 * @returns {Promise<{base: string, stop: () => Promise<number | null>, kill: () => void}>} where it
 *   is; `stop` gives the code it exits with, if it ends by itself, and `kill` gives it no time to
 */
export async function startExample(t, name, args = [], { listen = '127.0.0.1:0', prefix = [] } = {}) {
  const program = binary(name);
  const [command = program, ...rest] = [...prefix, program, '--listen', listen, ...args];
  const { server, stop } = startProgram(t, command, rest);
  const [line] = await once(createInterface(server.stdout), 'line');
  return { base: line.replace('listening on ', ''), stop, kill: () => server.kill('SIGKILL') };
}
