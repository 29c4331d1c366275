/** @import { HubOptions, Send } from './protocol.js' */
import { Hub } from './hub.js';

/** The hubs of a worker, or of a page that shares with nobody: one for each stream. */
export class Hubs {
  #options;
  #fetch;
  /** @type {Map<string, {hub: Hub, linger: ReturnType<typeof setTimeout> | undefined}>} */
  #hubs = new Map();

  /**
   * @param {HubOptions} options
   * @param {typeof globalThis.fetch} fetch the browser's own
   */
  constructor(options, fetch) {
    this.#options = options;
    this.#fetch = fetch;
    globalThis.addEventListener('online', () => {
      for (const { hub } of this.#hubs.values()) hub.wake();
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
    let kept = this.#hubs.get(key);
    if (!kept) {
      kept = { hub: new Hub(url, this.#options, this.#fetch), linger: undefined };
      this.#hubs.set(key, kept);
    }
    clearTimeout(kept.linger);
    kept.hub.join(who, cursor, send);
  }

  /**
   * @param {string} key
   * @param {string} who
   * @param {'comes back' | 'is gone'} outlook
   */
  leave(key, who, outlook) {
    const kept = this.#hubs.get(key);
    if (!kept) return;
    const { hub } = kept;
    hub.leave(who);
    if (!hub.isIdle) return;
    const close = () => {
      hub.close();
      this.#hubs.delete(key);
    };
    clearTimeout(kept.linger);
    if (outlook === 'is gone') close();
    else kept.linger = setTimeout(close, hub.lingerMs);
  }
}
