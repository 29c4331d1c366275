// Web Locks as signs of life: a lock is free again when whoever holds it is closed, or crashes.

/** Not on pages of plain `http`, but for localhost. */
export const locks = globalThis.navigator?.locks;

/**
 * @param {string} name
 * @returns {Promise<() => void>} once it is held; called, it releases it
 */
export function hold(name) {
  return new Promise((held, failed) => {
    const holding = locks.request(name, () => new Promise((release) => held(() => release(undefined))));
    holding.catch(failed);
  });
}

/**
 * Calls back once nobody holds the lock.
 *
 * @param {string} name
 * @param {AbortSignal} signal ends the wait
 * @param {() => void} act
 */
export function whenFree(name, signal, act) {
  locks.request(name, { signal }, act).catch(() => {}); // the wait has ended
}

/** A name that nothing else has. `crypto.randomUUID` is missing on pages of plain `http`. */
export function uniqueName() {
  return crypto.getRandomValues(new Uint32Array(3)).join('-');
}
