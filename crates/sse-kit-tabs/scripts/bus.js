// The messages between tabs, and the number of tabs.

import { guarded } from '../../sse-kit-client/scripts/connect.js';
import { openChannel } from './locks.js';

/** The time that tabs have to answer a call, in milliseconds. */
const ROLL_CALL_MS = 100;

/**
 * @typedef {{does: 'calls', tab?: string}
 *   | {does: 'answers', tab: string}
 *   | {does: 'goes', tab: string}
 *   | {does: 'says', name: string, data: unknown}} BusWord
 */

/** One tab's view of all tabs of the user. */
export class TabBus {
  /** The number of open tabs, including this one. */
  count = 1;
  #name;
  #tab;
  #onCount;
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {Set<string>} */
  #others = new Set();
  /** @type {Map<string, Set<(data: any) => void>>} */
  #handlers = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} name of the channel
   * @param {string} tab the name of this tab
   * @param {() => void} onCount there are more tabs than before, or fewer
   */
  constructor(name, tab, onCount) {
    this.#name = name;
    this.#tab = tab;
    this.#onCount = onCount;
    this.open();
  }

  open() {
    this.#channel = openChannel(this.#name);
    if (!this.#channel) return;
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.call();
  }

  close() {
    this.#say({ does: 'goes', tab: this.#tab });
    this.#channel?.close();
    this.#channel = null;
  }

  /** Counts the tabs again, because a crashed tab sends no goodbye. */
  call() {
    this.#say({ does: 'calls', tab: this.#tab });
    this.#others.clear();
    this.#settle();
  }

  /**
   * Sends a message to every other tab.
   *
   * @param {string} name
   * @param {unknown} data any value that can be cloned
   */
  send(name, data) {
    this.#say({ does: 'says', name, data });
  }

  /**
   * Calls `act` with each message that another tab sends under this name.
   *
   * @param {string} name
   * @param {(data: any) => void} act
   * @returns {() => void} ends it
   */
  on(name, act) {
    const handlers = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, handlers.add(act));
    return () => handlers.delete(act);
  }

  /** @param {BusWord} word */
  #hear(word) {
    if (word.does === 'says') {
      for (const act of this.#handlers.get(word.name) ?? []) guarded(() => act(word.data));
      return;
    }
    if (word.does === 'calls') {
      this.#say({ does: 'answers', tab: this.#tab });
      this.#others.clear();
    }
    if (word.does === 'goes') this.#others.delete(word.tab);
    else if (word.tab) this.#others.add(word.tab);
    this.#settle();
  }

  #settle() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const count = this.#others.size + 1;
      if (count === this.count) return;
      this.count = count;
      this.#onCount();
    }, ROLL_CALL_MS);
  }

  /** @param {BusWord} word */
  #say(word) {
    this.#channel?.postMessage(word);
  }
}
