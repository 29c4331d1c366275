/** @import { HubOptions, StateMessage } from './protocol.js' */
/** @import { Listener } from './subscription.js' */
import { DirectTransport } from './direct.js';
import { Hubs } from './hubs.js';
import { LeaderTransport } from './leader.js';
import { locks } from './locks.js';
import { CLOSE, stateMessage } from './protocol.js';
import { Subscription } from './subscription.js';
import { WorkerTransport } from './worker-client.js';

/** By which a page that was rendered at some moment goes on from there. */
const CURSOR_PARAMETER = 'last_event_id';

/**
 * @typedef {object} StreamsConfig
 * @property {string[]} streams the paths of what is shared
 * @property {string} identity
 * @property {string} worker
 * @property {HubOptions} options
 */

/**
 * A way to the server.
 *
 * @typedef {object} Transport
 * @property {string} name
 * @property {(subscription: Subscription) => void} join
 * @property {(subscription: Subscription) => void} leave
 * @property {() => void} suspend leaves all, at once
 */

/** The streams that this page listens to, by the best way there is to the server. */
export class Streams {
  #config;
  #tab;
  #onState;
  /** @type {(() => Transport)[]} */
  #ways = [];
  /** @type {Transport} */
  #transport;
  #count = 0;
  /** @type {Set<Subscription>} */
  #subscriptions = new Set();
  /** @type {Map<string, StateMessage & {url: string}>} */
  #states = new Map();

  /**
   * @param {StreamsConfig} config
   * @param {string} tab the name of this tab
   * @param {string} bus
   * @param {() => void} onState some stream is in another state
   */
  constructor(config, tab, bus, onState) {
    this.#config = config;
    this.#tab = tab;
    this.#onState = onState;
    const { worker, options } = config;
    const nativeFetch = globalThis.fetch.bind(globalThis);
    if (globalThis.SharedWorker) {
      this.#ways.push(() => new WorkerTransport({ worker, tab, bus, options }, () => this.#fallBack()));
    }
    if (locks && globalThis.BroadcastChannel) this.#ways.push(() => new LeaderTransport(options, nativeFetch));
    this.#ways.push(() => new DirectTransport(new Hubs(options, nativeFetch)));
    this.#transport = this.#nextWay();
  }

  /** The way to the server: `worker`, `leader` or `direct`. */
  get transport() {
    return this.#transport.name;
  }

  /** How each stream is that this page has listened to. */
  get states() {
    return [...this.#states.values()];
  }

  /**
   * Whether tabs share this stream.
   *
   * @param {string | URL} url
   */
  includes(url) {
    const { origin, pathname } = new URL(url, location.href);
    if (origin !== location.origin) return false;
    return this.#config.streams.some((path) => (path.endsWith('/') ? pathname.startsWith(path) : pathname === path));
  }

  /**
   * Listens to a stream, from a cursor, or from the one in its URL.
   *
   * @param {string | URL} url
   * @param {string} cursor
   * @param {Listener} listener
   */
  subscribe(url, cursor, listener) {
    const target = new URL(url, location.href);
    const from = cursor || target.searchParams.get(CURSOR_PARAMETER) || '';
    target.searchParams.delete(CURSOR_PARAMETER);
    target.hash = '';
    const key = `${this.#config.identity} ${target.href}`;
    this.#count += 1;
    const subscription = new Subscription(`${this.#tab}/${this.#count}`, target.href, key, from, {
      onMessage: (message) => {
        // A page that is bound to this event leaves at once, and would not hear of the state.
        if (message.event === CLOSE) this.#note(target.href, stateMessage('closed'));
        listener.onMessage(message);
      },
      onState: (state) => {
        this.#note(target.href, state);
        listener.onState(state);
      },
    });
    this.#subscriptions.add(subscription);
    this.#transport.join(subscription);
    return subscription;
  }

  /** @param {Subscription} subscription */
  unsubscribe(subscription) {
    if (this.#subscriptions.delete(subscription)) this.#transport.leave(subscription);
  }

  /** The page goes, perhaps into the back/forward cache. */
  suspend() {
    this.#transport.suspend();
  }

  /** It is back. */
  resume() {
    for (const subscription of this.#subscriptions) this.#transport.join(subscription);
  }

  #fallBack() {
    this.#transport.suspend();
    this.#transport = this.#nextWay();
    this.resume();
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
    const { state, reason } = this.#states.get(url) ?? stateMessage('connecting');
    const isNew = !this.#states.has(url) || state !== message.state || reason !== message.reason;
    this.#states.set(url, { ...message, url });
    if (isNew) this.#onState();
  }
}
