// Web Locks as signs of life: a lock is free again when its holder is closed, or crashes.

/** The Web Locks of the browser. Pages of plain `http` have none, except on localhost. */
export const locks = globalThis.navigator?.locks;

/**
 * Holds a lock.
 *
 * @param {string} name
 * @returns {Promise<() => void>} once it is held; called, it releases it. Rejects if the browser refuses, or has none
 */
export function hold(name) {
  return new Promise((held, failed) => {
    locks.request(name, () => new Promise((release) => held(() => release(undefined)))).catch(failed);
  });
}

/**
 * Calls back when the lock is free.
 *
 * @param {string} name
 * @param {AbortSignal} signal ends the wait
 * @param {() => void} act
 */
export function whenFree(name, signal, act) {
  // A lock that was granted before the wait ended may be reported after it.
  locks.request(name, { signal }, () => signal.aborted || act()).catch(() => {}); // the wait has ended
}

/** Returns a unique name. Pages of plain `http` have no `crypto.randomUUID`. */
export function uniqueName() {
  return crypto.getRandomValues(new Uint32Array(3)).join('-');
}

/**
 * Opens a channel to the other tabs; null where the browser refuses it.
 *
 * @param {string} name
 */
export function openChannel(name) {
  try {
    return new BroadcastChannel(name);
  } catch {
    return null; // cookies are blocked, or there are no channels
  }
}
