/** @import { SharingOptions, StateMessage } from './protocol.js' */
/** @import { Listener } from './subscription.js' */
import { CLOSE } from '../../sse-kit-client/scripts/control.js';
import { splitCursor } from '../../sse-kit-htmx/scripts/stream-url.js';
import { DirectTransport } from './direct.js';
import { LeaderTransport } from './leader.js';
import { locks } from './locks.js';
import { stateMessage } from './protocol.js';
import { SharedStreams } from './shared-streams.js';
import { Subscription } from './subscription.js';
import { WorkerTransport } from './worker-client.js';

/**
 * The time for which a stream that the page has left stays listed: htmx 4 leaves and returns when it
 * reconnects.
 */
const LINGER_MS = 3_000;

/** The same time for a stream that the server closed. */
const CLOSED_LINGER_MS = 60_000;

/**
 * @typedef {object} StreamsConfig
 * @property {string[]} streams the paths of the shared streams
 * @property {string} identity
 * @property {string} worker the URL of the script; empty for an inline script
 * @property {SharingOptions} options
 */

/**
 * A transport to the server.
 *
 * @typedef {object} Transport
 * @property {string} name
 * @property {(subscription: Subscription) => void} join
 * @property {(subscription: Subscription) => void} leave
 * @property {() => void} suspend leaves all streams at once
 */

/** The streams that this page listens to, over the best transport available. */
export class Streams {
  #config;
  #tab;
  #onState;
  /** @type {(() => Transport)[]} */
  #ways = [];
  /** @type {Transport} */
  #transport;
  #isSuspended = false;
  #count = 0;
  /** @type {Set<Subscription>} */
  #subscriptions = new Set();
  /** Those of them that have not joined yet. @type {Set<Subscription>} */
  #waiting = new Set();
  /** @type {Map<string, StateMessage & {url: string}>} */
  #states = new Map();

  /**
   * @param {StreamsConfig} config
   * @param {string} tab the name of this tab
   * @param {string} bus
   * @param {() => void} onState called when the state of a stream changes
   */
  constructor(config, tab, bus, onState) {
    this.#config = config;
    this.#tab = tab;
    this.#onState = onState;
    const { worker, options } = config;
    const nativeFetch = globalThis.fetch.bind(globalThis);
    const failure = (/** @type {string} */ name) => () => this.#fallBack(name);
    if (globalThis.SharedWorker && worker) {
      const comesBack = (/** @type {Transport} */ transport) => this.#returnTo(transport);
      this.#ways.push(() => new WorkerTransport({ worker, tab, bus, options }, failure('worker'), comesBack));
    }
    if (locks && globalThis.BroadcastChannel) {
      this.#ways.push(() => new LeaderTransport(options, nativeFetch, failure('leader')));
    }
    this.#ways.push(() => new DirectTransport(new SharedStreams(options, nativeFetch)));
    this.#transport = this.#nextWay();
  }

  /** Returns the transport: `worker`, `leader` or `direct`. */
  get transport() {
    return this.#transport.name;
  }

  /** Returns the state of each stream that this page listens to, or that the server closed recently. */
  get states() {
    return [...this.#states.values()];
  }

  /**
   * Returns whether tabs share this stream.
   *
   * @param {string | URL} url
   */
  includes(url) {
    if (!URL.canParse(url, document.baseURI)) return false; // the browser reports the invalid URL
    const { origin, pathname } = new URL(url, document.baseURI);
    if (origin !== location.origin) return false;
    return this.#config.streams.some((path) => (path.endsWith('/') ? pathname.startsWith(path) : pathname === path));
  }

  /**
   * Listens to a stream from a cursor, or from the one in its URL. The listener is never called before this
   * function and its caller have returned.
   *
   * @param {string | URL} url
   * @param {string} cursor
   * @param {Listener} listener
   */
  subscribe(url, cursor, listener) {
    const target = splitCursor(url);
    const key = `${this.#config.identity} ${target.stream}`;
    this.#count += 1;
    const subscription = new Subscription(`${this.#tab}/${this.#count}`, target.stream, key, cursor || target.cursor, {
      onMessage: (message) => {
        // A page that closes on this event leaves at once, and would not receive the state.
        if (message.event === CLOSE) this.#note(target.stream, stateMessage('closed'));
        listener.onMessage(message);
      },
      onState: (state) => {
        this.#note(target.stream, state);
        listener.onState(state);
      },
    });
    this.#subscriptions.add(subscription);
    this.#waiting.add(subscription);
    queueMicrotask(() => this.#waiting.delete(subscription) && this.#transport.join(subscription));
    return subscription;
  }

  /** @param {Subscription} subscription */
  unsubscribe(subscription) {
    if (!this.#subscriptions.delete(subscription)) return;
    if (!this.#waiting.delete(subscription)) this.#transport.leave(subscription);
    const { url } = subscription;
    const isClosed = this.#states.get(url)?.state === 'closed';
    setTimeout(() => this.#forget(url), isClosed ? CLOSED_LINGER_MS : LINGER_MS);
  }

  /** @param {string} url */
  #forget(url) {
    const isUsed = [...this.#subscriptions].some((subscription) => subscription.url === url);
    if (!isUsed) this.#states.delete(url);
  }

  /** Suspends all streams: the page is hidden, perhaps in the back/forward cache. */
  suspend() {
    this.#isSuspended = true;
    this.#transport.suspend();
  }

  /** Resumes all streams: the page is back. */
  resume() {
    this.#isSuspended = false;
    this.#waiting.clear();
    for (const subscription of this.#subscriptions) this.#transport.join(subscription);
  }

  /** @param {string} name of the transport that failed; it may say so more than once */
  #fallBack(name) {
    if (name === this.transport) this.#changeTo(this.#nextWay());
  }

  /** @param {Transport} transport that failed, and works after all */
  #returnTo(transport) {
    const former = this.#transport;
    this.#ways.unshift(() => former);
    this.#changeTo(transport);
  }

  /** @param {Transport} transport */
  #changeTo(transport) {
    this.#transport.suspend();
    this.#transport = transport;
    if (!this.#isSuspended) this.resume();
  }

  #nextWay() {
    const way = /** @type {() => Transport} */ (this.#ways.shift());
    return way();
  }

  /**
   * @param {string} url
   * @param {StateMessage} message
   */
  #note(url, message) {
    const known = this.#states.get(url);
    this.#states.set(url, { ...message, url });
    if (known?.state !== message.state || known?.reason !== message.reason) this.#onState();
  }
}
