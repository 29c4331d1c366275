// The script's part in a SharedWorker, which has the connections of all tabs.

import { hold, openChannel, uniqueName, whenFree } from './locks.js';
/** @import { PageWord, WorkerWord } from './worker-client.js' */
import { SharedStreams } from './shared-streams.js';

/**
 * The silence, in milliseconds, after which a tab without Web Locks counts as gone. Hidden tabs ping once a
 * minute.
 */
const SILENCE_MS = 150_000;
const SWEEP_MS = 30_000;

/** The worker's end of the connection to one tab. */
class Tab {
  #port;
  #streams;
  #tabs;
  /** Its subscriptions: their streams by their names. @type {Map<string, string>} */
  #keys = new Map();
  #gone = new AbortController();
  #hasLock = false;
  heardAt = performance.now();

  /**
   * @param {MessagePort} port
   * @param {SharedStreams} streams
   * @param {Set<Tab>} tabs the tabs that have sent a message, this one included once it has
   */
  constructor(port, streams, tabs) {
    this.#port = port;
    this.#streams = streams;
    this.#tabs = tabs;
    port.onmessage = ({ data }) => this.#hear(data);
    port.addEventListener('close', () => this.leave()); // not all browsers send this event
  }

  /** @param {WorkerWord} word */
  say(word) {
    this.#port.postMessage(word);
  }

  get isSilent() {
    return !this.#hasLock && performance.now() - this.heardAt > SILENCE_MS;
  }

  leave() {
    for (const [id, key] of this.#keys) this.#streams.leave(key, id, 'is gone');
    this.#keys.clear();
    this.#gone.abort();
    this.#gone = new AbortController(); // the tab may come back
    this.#hasLock = false;
  }

  /** @param {PageWord} word */
  #hear(word) {
    this.heardAt = performance.now();
    this.#tabs.add(this); // also a tab that counted as gone, such as a page that the browser had frozen
    if (word.does === 'joins') this.#join(word.id, word.key, word.url, word.cursor);
    else if (word.does === 'leaves') this.#part(word.id);
    else if (word.does === 'goes') this.leave();
    else if (word.does === 'lives') this.#watch(word.lock, word.bus);
    else this.say({ does: 'pongs', subscriptions: this.#keys.size });
  }

  /**
   * @param {string} id
   * @param {string} key
   * @param {string} url
   * @param {string} cursor
   */
  #join(id, key, url, cursor) {
    this.#keys.set(id, key);
    this.#streams.join(key, url, id, cursor, (message) => this.say({ does: 'tells', id, message }));
  }

  /** @param {string} id */
  #part(id) {
    const key = this.#keys.get(id);
    this.#keys.delete(id);
    if (key !== undefined) this.#streams.leave(key, id, 'comes back');
  }

  /**
   * @param {string} lock that the tab holds for as long as it lives
   * @param {string} bus
   */
  #watch(lock, bus) {
    this.#hasLock = true;
    whenFree(lock, this.#gone.signal, () => {
      this.leave();
      call(bus);
    });
  }
}

export function startWorker() {
  /** @type {SharedStreams | undefined} */
  let streams;
  /** @type {Set<Tab>} */
  const tabs = new Set();
  const name = `sse-kit-worker:${uniqueName()}`;
  /**
   * Resolves to the name of this worker's lock once the worker holds it. A tab that knew the name earlier would
   * take this worker for dead.
   */
  const isHeld = hold(name).then(
    () => name,
    () => '', // the browser refuses the lock, or has no locks
  );

  /** @type {any} */ (globalThis).onconnect = (/** @type {MessageEvent} */ { ports: [port] }) => {
    if (!port) return;
    port.onmessage = ({ data: options }) => {
      streams ??= new SharedStreams(options, fetch.bind(globalThis));
      const tab = new Tab(port, streams, tabs);
      isHeld.then((lock) => tab.say({ does: 'greets', lock }));
    };
  };

  setInterval(() => {
    for (const tab of tabs) {
      if (!tab.isSilent) continue;
      tab.leave();
      tabs.delete(tab);
    }
  }, SWEEP_MS);
}

/**
 * Makes the tabs count themselves again.
 *
 * @param {string} name of their channel
 */
function call(name) {
  const bus = openChannel(name);
  bus?.postMessage({ does: 'calls' });
  bus?.close();
}
