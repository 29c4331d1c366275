/** @import { HubMessage, HubOptions } from './protocol.js' */
/** @import { Subscription } from './subscription.js' */
import { Hub } from './hub.js';
import { locks, uniqueName } from './locks.js';

/**
 * What tabs say to each other. Whoever holds the lock leads; each that leads has a term of its own,
 * by which followers tell a late word of the last leader from one of this.
 *
 * @typedef {{does: 'leads', term: string}
 *   | {does: 'joins', who: string, cursor: string}
 *   | {does: 'tells', term: string, message: HubMessage, to?: string}} Word
 */

/** One of the tabs has the connection, and passes on what it hears. */
export class LeaderTransport {
  name = 'leader';
  #options;
  #fetch;
  /** @type {Map<string, Led>} */
  #streams = new Map();

  /**
   * @param {HubOptions} options
   * @param {typeof globalThis.fetch} fetch the browser's own
   */
  constructor(options, fetch) {
    this.#options = options;
    this.#fetch = fetch;
    globalThis.addEventListener('online', () => {
      for (const stream of this.#streams.values()) stream.wake();
    });
  }

  /** @param {Subscription} subscription */
  join(subscription) {
    const { key, url } = subscription;
    let stream = this.#streams.get(key);
    if (!stream) {
      stream = new Led(key, new Hub(url, this.#options, this.#fetch), () => this.#streams.delete(key));
      this.#streams.set(key, stream);
    }
    stream.add(subscription);
  }

  /** @param {Subscription} subscription */
  leave(subscription) {
    this.#streams.get(subscription.key)?.remove(subscription);
  }

  suspend() {
    for (const stream of this.#streams.values()) stream.close();
  }
}

/** A stream that tabs share under a leader, as one of them sees it. */
class Led {
  #hub;
  #onClose;
  #channel;
  #isLeader = false;
  #term = '';
  /** @type {Map<string, Subscription>} */
  #own = new Map();
  /** Whom the leader has welcomed; before that nothing may reach them, or they would miss a part. */
  #welcomed = new Set();
  #campaign = new AbortController();
  #resign = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #linger;

  /**
   * @param {string} key
   * @param {Hub} hub that is opened when this tab leads
   * @param {() => void} onClose
   */
  constructor(key, hub, onClose) {
    this.#hub = hub;
    this.#onClose = onClose;
    this.#channel = new BroadcastChannel(`sse-kit-stream:${key}`);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    const { signal } = this.#campaign;
    locks.request(`sse-kit-leader:${key}`, { signal }, () => this.#lead()).catch(() => {}); // closed
  }

  /** @param {Subscription} subscription */
  add(subscription) {
    clearTimeout(this.#linger);
    this.#own.set(subscription.id, subscription);
    this.#join(subscription);
  }

  /** @param {Subscription} subscription */
  remove({ id }) {
    this.#own.delete(id);
    this.#welcomed.delete(id);
    this.#hub.leave(id);
    if (this.#own.size > 0) return;
    clearTimeout(this.#linger);
    this.#linger = setTimeout(() => this.close(), this.#hub.lingerMs);
  }

  wake() {
    this.#hub.wake();
  }

  close() {
    clearTimeout(this.#linger);
    this.#campaign.abort();
    this.#hub.close();
    this.#channel.close();
    this.#resign();
    this.#onClose();
  }

  /** @returns {Promise<void>} that ends with the leadership */
  #lead() {
    this.#isLeader = true;
    this.#term = uniqueName();
    this.#say({ does: 'leads', term: this.#term });
    this.#hub.listen('followers', (message) => this.#say({ does: 'tells', term: this.#term, message }));
    for (const subscription of this.#own.values()) this.#join(subscription);
    return new Promise((resolve) => {
      this.#resign = resolve;
      if (this.#campaign.signal.aborted) resolve();
    });
  }

  /** @param {Subscription} subscription */
  #join(subscription) {
    const { id, cursor } = subscription;
    if (this.#isLeader) this.#hub.join(id, cursor, (message) => subscription.receive(message));
    else this.#say({ does: 'joins', who: id, cursor });
  }

  /** @param {Word} word */
  #hear(word) {
    if (word.does === 'joins') this.#welcome(word.who, word.cursor);
    else if (word.does === 'leads') this.#follow(word.term);
    else if (word.to) this.#takeOwn(word.to, word.term, word.message);
    else if (word.term === this.#term) {
      for (const id of this.#welcomed) this.#own.get(id)?.receive(word.message);
    }
  }

  /**
   * @param {string} to
   * @param {string} cursor
   */
  #welcome(to, cursor) {
    if (!this.#isLeader) return;
    this.#hub.welcome(cursor, (message) => this.#say({ does: 'tells', term: this.#term, message, to }));
  }

  /** @param {string} term */
  #follow(term) {
    this.#term = term;
    this.#welcomed.clear();
    for (const subscription of this.#own.values()) this.#join(subscription);
  }

  /**
   * @param {string} id
   * @param {string} term
   * @param {HubMessage} message
   */
  #takeOwn(id, term, message) {
    const subscription = this.#own.get(id);
    if (!subscription || (this.#term && this.#term !== term)) return;
    this.#term = term;
    this.#welcomed.add(id);
    subscription.receive(message);
  }

  /** @param {Word} word */
  #say(word) {
    this.#channel.postMessage(word);
  }
}
