/** @import { HubOptions, Send } from './protocol.js' */
import { Hub } from './hub.js';

/** The hubs of a worker, or of a page that shares with nobody: one for each stream. */
export class Hubs {
  #options;
  #fetch;
  /** @type {Map<string, Hub>} */
  #hubs = new Map();

  /**
   * @param {HubOptions} options
   * @param {typeof globalThis.fetch} fetch the browser's own
   */
  constructor(options, fetch) {
    this.#options = options;
    this.#fetch = fetch;
    globalThis.addEventListener('online', () => {
      for (const hub of this.#hubs.values()) hub.wake();
    });
  }

  /**
   * @param {string} key
   * @param {string} url
   * @param {string} who
   * @param {string} cursor
   * @param {Send} send
   */
  join(key, url, who, cursor, send) {
    const hub = this.#hubs.get(key) ?? new Hub(url, this.#options, this.#fetch);
    this.#hubs.set(key, hub);
    hub.join(who, cursor, send);
  }

  /**
   * @param {string} key
   * @param {string} who
   * @param {'comes back' | 'is gone'} outlook
   */
  leave(key, who, outlook) {
    const hub = this.#hubs.get(key);
    hub?.leave(who);
    if (!hub?.isIdle) return;
    const close = () => {
      hub.close();
      this.#hubs.delete(key);
    };
    if (outlook === 'is gone') close();
    else hub.whenUnused(close);
  }

  close() {
    for (const hub of this.#hubs.values()) hub.close();
    this.#hubs.clear();
  }
}
