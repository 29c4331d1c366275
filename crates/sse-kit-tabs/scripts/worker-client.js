/** @import { SharedMessage, SharingOptions } from './protocol.js' */
/** @import { Subscription } from './subscription.js' */
import { policy } from '../../sse-kit-client/scripts/trusted.js';
import { hold, whenFree } from './locks.js';

/** The time limit for a worker's greeting, in milliseconds: its script may have to be loaded. */
const GREETING_MS = 3_000;
/** The time limit for a replacement's greeting, in milliseconds: the script is loaded by then. */
const SUCCESSION_MS = 1_000;
/** The number of workers that may die in a row before this page falls back. */
const MAX_DEATHS = 5;
/** The lifetime, in milliseconds, after which a worker's death does not count. */
const LONG_LIFE_MS = 60_000;
/** The interval of pings, in milliseconds, for browsers without Web Locks. */
const PING_MS = 20_000;
const MAX_PINGS = 3;

/**
 * The messages from a page to the worker. The first message is the options.
 *
 * @typedef {{does: 'joins', id: string, key: string, url: string, cursor: string}
 *   | {does: 'leaves', id: string}
 *   | {does: 'lives', lock: string, bus: string}
 *   | {does: 'pings'}
 *   | {does: 'goes'}} PageWord
 */

/**
 * The messages from the worker to a page.
 *
 * @typedef {{does: 'greets', lock: string}
 *   | {does: 'tells', id: string, message: SharedMessage}
 *   | {does: 'pongs', subscriptions: number}} WorkerWord
 */

/**
 * @typedef {object} WorkerConfig
 * @property {string} worker the URL of its script
 * @property {string} tab the name of this tab
 * @property {string} bus the name of the tabs' common channel
 * @property {SharingOptions} options
 */

const trusted = policy('sse-kit-tabs');

/** The transport in which a SharedWorker has the connections. */
export class WorkerTransport {
  name = 'worker';
  #config;
  #onFailure;
  #onReturn;
  /** @type {Map<string, Subscription>} */
  #joined = new Map();
  /** @type {MessagePort | undefined} */
  #port;
  #deaths = 0;
  /** The time of the worker's greeting; 0 before it. */
  #greetedAt = 0;
  /** A part of the worker's name. */
  #generation = 0;
  #unanswered = 0;
  #watching = new AbortController();
  #release = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {WorkerConfig} config
   * @param {() => void} onFailure called when there can be no worker
   * @param {(transport: WorkerTransport) => void} onReturn called when a slow worker greets after all
   */
  constructor(config, onFailure, onReturn) {
    this.#config = config;
    this.#onFailure = onFailure;
    this.#onReturn = onReturn;
  }

  /** @param {Subscription} subscription */
  join(subscription) {
    this.#joined.set(subscription.id, subscription);
    if (this.#port) this.#announce(subscription);
    else this.#connect();
  }

  /** @param {Subscription} subscription */
  leave({ id }) {
    this.#joined.delete(id);
    this.#say({ does: 'leaves', id });
  }

  suspend() {
    this.#leavePort();
    this.#joined.clear();
    this.#release();
  }

  #connect() {
    const { worker: url, options } = this.#config;
    this.#greetedAt = 0;
    // The options are in the name, because a worker has those of the first page that asked for it.
    const name = `sse-kit ${this.#generation} ${JSON.stringify(options)}`;
    let worker;
    try {
      worker = new SharedWorker(trusted.createScriptURL(url), { name });
    } catch {
      return this.#onFailure();
    }
    const { port } = worker;
    const generation = this.#generation;
    this.#port = port;
    worker.onerror = () => {
      if (port === this.#port) this.#onFailure(); // a policy refuses the worker, or its script cannot be loaded
    };
    port.onmessage = ({ data }) => {
      if (port === this.#port) this.#hear(data);
      else if (data.does === 'greets') this.#returnTo(port, generation, data.lock);
    };
    this.#timer = setTimeout(() => this.#lose(), this.#deaths ? SUCCESSION_MS : GREETING_MS);
    port.postMessage(options);
    this.#introduce(port);
  }

  /**
   * Returns to a slow worker that this page had given up. It may have the stream of other tabs, and the
   * stream of a newer worker, or of a page without one, would be a second connection.
   *
   * @param {MessagePort} port
   * @param {number} generation
   * @param {string} lock
   */
  #returnTo(port, generation, lock) {
    if (generation >= this.#generation) return;
    const hadFailed = this.#deaths > MAX_DEATHS;
    this.#generation = generation;
    this.#deaths = 0;
    if (!this.#port && !hadFailed) return port.close(); // the page is hidden; when it is back, it asks for this worker
    this.#leavePort();
    this.#port = port;
    this.#greet(lock);
    this.#introduce(port);
    if (hadFailed) this.#onReturn(this);
  }

  /** @param {MessagePort} port */
  #introduce(port) {
    for (const subscription of this.#joined.values()) this.#announce(subscription);
    this.#live(port);
  }

  /**
   * Tells the worker which lock this tab holds as a sign of life, but only when it holds the lock: a free
   * lock would mean that the tab has gone.
   *
   * @param {MessagePort} port
   */
  async #live(port) {
    const { tab, bus } = this.#config;
    const lock = `sse-kit-tab:${tab}`;
    this.#release();
    this.#release = () => {};
    // Without a lock, the worker relies on pings.
    const release = await hold(lock).catch(() => null);
    if (!release) return;
    if (port !== this.#port) return release();
    this.#release = release;
    this.#say({ does: 'lives', lock, bus });
  }

  /** @param {WorkerWord} word */
  #hear(word) {
    if (word.does === 'tells') this.#joined.get(word.id)?.receive(word.message);
    else if (word.does === 'greets') this.#greet(word.lock);
    else this.#pong(word.subscriptions);
  }

  /** @param {string} lock that the worker holds for as long as it lives */
  #greet(lock) {
    clearTimeout(this.#timer);
    this.#greetedAt = performance.now();
    this.#unanswered = 0;
    this.#schedulePing();
    if (lock) whenFree(lock, this.#watching.signal, () => this.#lose());
  }

  #schedulePing() {
    this.#timer = setTimeout(() => this.#ping(), PING_MS);
  }

  #ping() {
    this.#unanswered += 1;
    if (this.#unanswered > MAX_PINGS) return this.#lose();
    this.#say({ does: 'pings' });
    this.#schedulePing();
  }

  /** @param {number} subscriptions of this tab that the worker knows; fewer when it took it for gone */
  #pong(subscriptions) {
    this.#unanswered = 0;
    if (subscriptions >= this.#joined.size) return;
    for (const subscription of this.#joined.values()) this.#announce(subscription);
  }

  /** Replaces a worker that is dead, or did not greet in time. */
  #lose() {
    if (this.#greetedAt) {
      this.#leavePort();
      if (performance.now() - this.#greetedAt > LONG_LIFE_MS) this.#deaths = 0;
    } else {
      // A slow worker must keep no stream for this page, which may return to it when it greets.
      this.#say({ does: 'goes' });
      this.#disconnect();
      // Chromium may still connect to a worker that has closed itself, which never answers. All tabs that
      // find this move on to the next name.
      this.#generation += 1;
    }
    this.#deaths += 1;
    if (this.#deaths <= MAX_DEATHS) this.#connect();
    else this.#onFailure();
  }

  #leavePort() {
    this.#say({ does: 'goes' });
    this.#port?.close();
    this.#disconnect();
  }

  /** Stops listening to the worker; its port stays open. */
  #disconnect() {
    clearTimeout(this.#timer);
    this.#watching.abort();
    this.#watching = new AbortController();
    this.#port = undefined;
  }

  /** @param {Subscription} subscription */
  #announce({ id, key, url, cursor }) {
    this.#say({ does: 'joins', id, key, url, cursor });
  }

  /** @param {PageWord} word */
  #say(word) {
    this.#port?.postMessage(word);
  }
}
