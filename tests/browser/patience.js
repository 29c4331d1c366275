// Waiting for facts, with one time limit for all tests.
import { setTimeout as wait } from 'node:timers/promises';

/** The time limit for a wait, in milliseconds. It is long, because the machine may be busy. */
export const PATIENCE_MS = 45_000;

/**
 * Polls until the result passes.
 *
 * @template T
 * @param {() => T | Promise<T>} ask
 * @param {(found: T) => boolean} isRight
 * @param {string} what it is that should be so
 */
export async function until(ask, isRight, what) {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await ask();
    if (isRight(found)) return found;
    if (performance.now() > end) throw new Error(`${what}; it is ${JSON.stringify(found)}`);
    await wait(30);
  }
}
