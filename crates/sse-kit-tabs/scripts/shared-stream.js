/** @import { SharedMessage, SharingOptions, Send, StateMessage, StreamMessage } from './protocol.js' */
import { guarded } from '../../sse-kit-client/scripts/connect.js';
import { CLOSE, GAP, HEARTBEAT, HELLO, readControl } from '../../sse-kit-client/scripts/control.js';
import { compareCursors, earlier, noteContinued, noteLineage } from '../../sse-kit-htmx/scripts/cursor.js';
import { stateMessage } from './protocol.js';
import { ReplayBuffer } from './replay.js';
import { Upstream } from './upstream.js';

/**
 * The time for which joins are batched, in milliseconds, so that one request serves the tab that is furthest
 * behind.
 */
const GATHER_MS = 20;
/** The time for which a stream that the server closed for good is not requested again. */
const STAY_AWAY_MS = 30_000;
/** The time for which a stream without listeners stays open: htmx 4 leaves and joins again when it reconnects. */
const LINGER_MS = 3_000;

/** One stream of the server for many listeners, each with its own cursor. */
export class SharedStream {
  #upstream;
  #replay;
  #state = stateMessage('connecting');
  #hello = '';
  /** The id of the last forwarded event. */
  #cursor = '';
  /** The cursor from which the next stream will begin. */
  #from = '';
  #isOpen = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #gathering;
  #closedAt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #linger;
  /** @type {Map<string, Send>} */
  #listeners = new Map();

  /**
   * @param {string} url
   * @param {SharingOptions} options
   * @param {typeof globalThis.fetch} fetch the browser's own
   */
  constructor(url, options, fetch) {
    this.#replay = new ReplayBuffer(options.events, options.characters);
    this.#upstream = new Upstream(
      url,
      options,
      fetch,
      (state) => this.#take(state),
      (message) => this.#forward(message),
    );
  }

  /** Returns whether the stream has no listeners. */
  get isIdle() {
    return this.#listeners.size === 0;
  }

  /** Returns the time for which to keep the stream without listeners. */
  get lingerMs() {
    return this.#state.state === 'closed' ? STAY_AWAY_MS : LINGER_MS;
  }

  /**
   * Adds a listener that has seen everything up to `cursor`.
   *
   * @param {string} who
   * @param {string} cursor
   * @param {Send} send
   */
  join(who, cursor, send) {
    this.listen(who, send);
    this.welcome(cursor, send);
  }

  /**
   * Adds a listener that receives future events, and no past ones.
   *
   * @param {string} who
   * @param {Send} send
   */
  listen(who, send) {
    clearTimeout(this.#linger);
    this.#listeners.set(who, send);
  }

  /** @param {string} who */
  leave(who) {
    this.#listeners.delete(who);
  }

  /**
   * Backfills a listener: sends the missing events at once, or opens the stream again from the cursor. In
   * that case all listeners receive the events, and skip those that they have.
   *
   * @param {string} cursor
   * @param {Send} send
   */
  welcome(cursor, send) {
    const mayAsk = this.#state.state !== 'closed' || performance.now() - this.#closedAt > STAY_AWAY_MS;
    if (mayAsk && !this.#isOpen && this.#state.state !== 'live') this.#state = stateMessage('connecting');
    send(this.#state);
    if (!mayAsk) return;
    const missed = this.#isOpen ? this.#replay.after(cursor) : null;
    if (!this.#isOpen || (!missed && this.#canReach(cursor))) {
      this.#openFrom(cursor);
      return;
    }
    // A listener with an unknown cursor gets this stream's cursor, and so learns that it must start again.
    // While the server is away this is not done, because the unknown cursor may be the newer one.
    if (this.#state.state === 'live') send(this.#helloFor(missed && cursor ? cursor : this.#cursor));
    for (const message of missed ?? []) send(message);
  }

  /** Retries at once: the network is back. */
  wake() {
    this.#upstream.wake();
  }

  /**
   * Calls back when the stream has had no listeners for a while.
   *
   * @param {() => void} act
   */
  whenUnused(act) {
    clearTimeout(this.#linger);
    this.#linger = setTimeout(act, this.lingerMs);
  }

  close() {
    clearTimeout(this.#linger);
    clearTimeout(this.#gathering);
    this.#upstream.close();
    this.#listeners.clear();
  }

  /** @param {string} cursor one that is not in the buffer */
  #canReach(cursor) {
    const { floor } = this.#replay;
    return floor ? compareCursors(cursor, this.#cursor || floor) !== null : this.#state.state !== 'live';
  }

  /** @param {string} cursor */
  #openFrom(cursor) {
    if (this.#gathering !== undefined) {
      this.#from = earlier(this.#from, cursor);
      return;
    }
    this.#from = cursor;
    this.#isOpen = false;
    // Closed at once: an event that arrived now would move the new listener past the missing events.
    this.#upstream.close();
    this.#gathering = setTimeout(() => {
      this.#gathering = undefined;
      this.#isOpen = true;
      this.#cursor = this.#from;
      this.#replay.restart(this.#from);
      this.#upstream.open(this.#from);
    }, GATHER_MS);
  }

  /** @param {StateMessage} state */
  #take(state) {
    this.#state = state;
    if (state.state === 'closed') {
      this.#isOpen = false;
      this.#closedAt = performance.now();
    }
    this.#tell(state);
  }

  /** @param {StreamMessage} message */
  #forward(message) {
    const { event, id, data } = message;
    if (event === HELLO) return this.#greet(message);
    if (event === GAP && id) this.#replay.restart(id);
    // Without a gap in between, a new epoch contains everything before it.
    else if (this.#hello) noteContinued(this.#cursor, id);
    this.#cursor = id || this.#cursor;
    // A heartbeat carries the position, and need not be replayed.
    if (event === GAP || (id && event !== HEARTBEAT)) this.#replay.push(message);
    this.#tell(message);
    if (event === CLOSE) {
      this.#upstream.close();
      this.#take(stateMessage('closed', `the server says ${data}`));
    }
  }

  /** @param {StreamMessage} hello */
  #greet({ id, data }) {
    this.#hello = data;
    noteLineage(readControl(data));
    this.#cursor = id || this.#cursor;
    this.#replay.floor ||= id;
    this.#tell(this.#helloFor(id));
  }

  /**
   * @param {string} id
   * @returns {StreamMessage}
   */
  #helloFor(id) {
    return { kind: 'message', id, event: HELLO, data: this.#hello };
  }

  /** @param {SharedMessage} message */
  #tell(message) {
    // A listener that throws must not end the stream for the others.
    for (const send of this.#listeners.values()) guarded(() => send(message));
  }
}
