// Random walks: 20 with fixed seeds, or as many as SSE_KIT_WALKS says, with fresh ones; SSE_KIT_WALK_SEED
// takes one of them again.
import { after, before, describe, test } from 'node:test';
import { launchWholeBrowser } from './launch.js';
import { walk } from './walk.js';

const fresh = Number(process.env.SSE_KIT_WALKS ?? 0);
const one = Number(process.env.SSE_KIT_WALK_SEED ?? 0);
const first = fresh ? Math.floor(Math.random() * 2 ** 31) : 1;
const seeds = one ? [one] : Array.from({ length: fresh || 20 }, (_, n) => first + n);

/** The time limit of one walk, in milliseconds; a longer one hangs. */
const HANGS_MS = 600_000;

/** @type {import('playwright-core').Browser} */
let browser;
before(async () => {
  browser = await launchWholeBrowser();
});
after(() => browser.close());

describe('random walks', { concurrency: 2 }, () => {
  for (const seed of seeds) {
    test(`walk ${seed}`, { timeout: HANGS_MS }, (t) => walk(t, browser, { seed, steps: 25 }));
  }
});
