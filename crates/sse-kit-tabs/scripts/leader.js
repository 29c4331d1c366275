/** @import { SharedMessage, SharingOptions } from './protocol.js' */
/** @import { Subscription } from './subscription.js' */
import { HELLO, heartbeatOf } from '../../sse-kit-client/scripts/control.js';
import { Watchdog } from '../../sse-kit-client/scripts/watchdog.js';
import { locks, openChannel, uniqueName } from './locks.js';
import { patienceWithLeader } from './patience.js';
import { stateMessage } from './protocol.js';
import { SharedStream } from './shared-stream.js';

/**
 * The messages between tabs. The tab that holds the lock is the leader. Each leader has its own term, so
 * followers can ignore a late message from an earlier leader.
 *
 * @typedef {{does: 'leads', term: string}
 *   | {does: 'asks'}
 *   | {does: 'joins', who: string, cursor: string}
 *   | {does: 'tells', term: string, message?: SharedMessage, to?: string}} Word
 */

/** The transport in which one tab, the leader, has the connection, and forwards its events to the others. */
export class LeaderTransport {
  name = 'leader';
  #options;
  #fetch;
  #onFailure;
  /** @type {Map<string, Led>} */
  #streams = new Map();

  /**
   * @param {SharingOptions} options
   * @param {typeof globalThis.fetch} fetch the browser's own
   * @param {() => void} onFailure is called, perhaps more than once, when the browser refuses
   */
  constructor(options, fetch, onFailure) {
    this.#options = options;
    this.#fetch = fetch;
    this.#onFailure = onFailure;
    globalThis.addEventListener('online', () => {
      for (const stream of this.#streams.values()) stream.wake();
    });
  }

  /** @param {Subscription} subscription */
  join(subscription) {
    const { key, url } = subscription;
    let stream = this.#streams.get(key);
    if (!stream) {
      const channel = openChannel(`sse-kit-stream:${key}`);
      if (!channel) return queueMicrotask(this.#onFailure);
      const onClose = () => this.#streams.delete(key);
      stream = new Led(
        key,
        channel,
        this.#options,
        () => new SharedStream(url, this.#options, this.#fetch),
        onClose,
        this.#onFailure,
      );
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

/** One tab's view of a stream that tabs share under a leader. */
class Led {
  #lock;
  #channel;
  #options;
  #makeStream;
  #onClose;
  #onFailure;
  #stream;
  #isLeader = false;
  #isClosed = false;
  #term = '';
  /** @type {Map<string, Subscription>} */
  #own = new Map();
  /** The followers that the leader has welcomed. Forwarding to others would make them miss earlier events. */
  #welcomed = new Set();
  #campaign = new AbortController();
  #resign = () => {};
  #watchdog;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #linger;

  /**
   * @param {string} key
   * @param {BroadcastChannel} channel
   * @param {SharingOptions} options
   * @param {() => SharedStream} makeStream
   * @param {() => void} onClose
   * @param {() => void} onFailure
   */
  constructor(key, channel, options, makeStream, onClose, onFailure) {
    this.#lock = `sse-kit-leader:${key}`;
    this.#channel = channel;
    this.#options = options;
    this.#makeStream = makeStream;
    this.#onClose = onClose;
    this.#onFailure = onFailure;
    this.#stream = makeStream();
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    const ask = () => this.#say({ does: 'asks' });
    this.#watchdog = new Watchdog(null, ask, () => this.#steal());
    this.#expect(0);
    this.#watchdog.alive();
    this.#run({ signal: this.#campaign.signal });
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
    this.#stream.leave(id);
    if (this.#own.size > 0) return;
    clearTimeout(this.#linger);
    this.#linger = setTimeout(() => this.close(), this.#stream.lingerMs);
  }

  wake() {
    this.#stream.wake();
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#linger);
    this.#watchdog.stop();
    this.#campaign.abort();
    this.#stream.close();
    this.#channel.close();
    this.#resign();
    this.#onClose();
  }

  /**
   * Requests the leadership.
   *
   * @param {LockOptions} options
   */
  async #run(options) {
    try {
      await locks.request(this.#lock, options, () => this.#lead());
    } catch (error) {
      if (this.#isClosed || options.signal?.aborted) return;
      // If the lock was not stolen, the browser refused it, as it does if cookies are blocked.
      if (/** @type {Error} */ (error).name !== 'AbortError') this.#onFailure();
      else if (this.#isLeader) this.#stepDown();
    }
  }

  /** @param {number} heartbeat of the server, in milliseconds; 0: unknown */
  #expect(heartbeat) {
    const { silence, answer } = patienceWithLeader(this.#options.heartbeatTimeout, heartbeat);
    this.#watchdog.allows(silence, answer);
  }

  /** Takes the leadership from a suspended tab. */
  #steal() {
    for (const subscription of this.#own.values()) {
      subscription.receive(stateMessage('stale', 'the leading tab does not answer'));
    }
    this.#campaign.abort();
    this.#campaign = new AbortController();
    this.#run({ steal: true });
  }

  /** Follows the tab that took the leadership while this one was suspended. */
  #stepDown() {
    this.#isLeader = false;
    this.#term = '';
    this.#resign();
    this.#stream.close();
    this.#stream = this.#makeStream();
    this.#campaign = new AbortController();
    this.#run({ signal: this.#campaign.signal });
    this.#watchdog.alive();
    for (const subscription of this.#own.values()) this.#join(subscription);
  }

  /** Leads. @returns {Promise<void>} that ends with the leadership */
  async #lead() {
    if (this.#isClosed) return;
    this.#isLeader = true;
    this.#watchdog.stop();
    this.#term = uniqueName();
    this.#say({ does: 'leads', term: this.#term });
    this.#stream.listen('followers', (message) => this.#tell(message));
    for (const subscription of this.#own.values()) this.#join(subscription);
    return new Promise((resolve) => {
      this.#resign = resolve;
    });
  }

  /** @param {Subscription} subscription */
  #join(subscription) {
    const { id, cursor } = subscription;
    if (this.#isLeader) this.#stream.join(id, cursor, (message) => subscription.receive(message));
    else this.#say({ does: 'joins', who: id, cursor });
  }

  /** @param {Word} word */
  #hear(word) {
    if (word.does === 'leads') this.#follow(word.term);
    else if (!this.#isLeader) word.does === 'tells' && this.#take(word);
    else if (word.does === 'joins') this.#stream.welcome(word.cursor, (message) => this.#tell(message, word.who));
    else if (word.does === 'asks') this.#tell();
  }

  /** @param {string} term */
  #follow(term) {
    if (this.#isLeader) this.#stepDown();
    this.#term = term;
    this.#watchdog.alive();
    this.#welcomed.clear();
    for (const subscription of this.#own.values()) this.#join(subscription);
  }

  /** @param {Word & {does: 'tells'}} word of the leader */
  #take({ term, message, to }) {
    if (this.#term && this.#term !== term) return;
    this.#watchdog.alive();
    if (!message) return;
    if (message.kind === 'message' && message.event === HELLO) this.#expect(heartbeatOf(message.data));
    if (!to) {
      for (const id of this.#welcomed) this.#own.get(id)?.receive(message);
      return;
    }
    const subscription = this.#own.get(to);
    if (!subscription) return;
    this.#term = term;
    this.#welcomed.add(to);
    subscription.receive(message);
  }

  /**
   * Sends followers, as the leader, a message of the stream, or a sign of life.
   *
   * @param {SharedMessage} [message]
   * @param {string} [to] one of the followers; all, if it is left out
   */
  #tell(message, to) {
    this.#say({ does: 'tells', term: this.#term, message, to });
  }

  /** @param {Word} word */
  #say(word) {
    if (!this.#isClosed) this.#channel.postMessage(word);
  }
}
