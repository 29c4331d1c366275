/** @import { SharingOptions, Send } from './protocol.js' */
import { SharedStream } from './shared-stream.js';

/** The shared streams of a worker, or of a page that shares with no other: one per key. */
export class SharedStreams {
  #options;
  #fetch;
  /** @type {Map<string, SharedStream>} */
  #streams = new Map();

  /**
   * @param {SharingOptions} options
   * @param {typeof globalThis.fetch} fetch the browser's own
   */
  constructor(options, fetch) {
    this.#options = options;
    this.#fetch = fetch;
    globalThis.addEventListener('online', () => {
      for (const stream of this.#streams.values()) stream.wake();
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
    const stream = this.#streams.get(key) ?? new SharedStream(url, this.#options, this.#fetch);
    this.#streams.set(key, stream);
    stream.join(who, cursor, send);
  }

  /**
   * @param {string} key
   * @param {string} who
   * @param {'comes back' | 'is gone'} outlook
   */
  leave(key, who, outlook) {
    const stream = this.#streams.get(key);
    stream?.leave(who);
    if (!stream?.isIdle) return;
    const close = () => {
      stream.close();
      this.#streams.delete(key);
    };
    if (outlook === 'is gone') close();
    else stream.whenUnused(close);
  }

  close() {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }
}
