// How long a test waits, and how: for facts.
import { setTimeout as wait } from 'node:timers/promises';

/** How long a test waits for anything that has no time of its own: for long, as the machine may be busy. */
export const PATIENCE_MS = 45_000;

/**
 * Asks until the answer is right.
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
