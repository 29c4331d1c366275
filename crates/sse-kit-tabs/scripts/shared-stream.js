/** @import { SharedMessage, SharingOptions, Send, StateMessage, StreamMessage } from './protocol.js' */
import { guarded } from '../../sse-kit-client/scripts/connect.js';
import { CLOSE, GAP, HEARTBEAT, HELLO, readControl } from '../../sse-kit-client/scripts/control.js';
import { compareCursors, earlier, noteContinued, noteLineage } from '../../sse-kit-htmx/scripts/cursor.js';
import { stateMessage } from './protocol.js';
import { ReplayBuffer } from './replay.js';
import { Upstream } from './upstream.js';

/** Tabs that come at once are gathered, so that the one that is furthest behind is served too. */
const GATHER_MS = 20;
/** For how long a stream that the server closed for good is not asked for again. */
const STAY_AWAY_MS = 30_000;
/** For how long a stream waits for its next listener: htmx 4 leaves and comes back when it reconnects. */
const LINGER_MS = 3_000;

/** One stream of the server, for many listeners, each of which may have seen another part of it. */
export class SharedStream {
  #upstream;
  #replay;
  #state = stateMessage('connecting');
  #hello = '';
  /** The id of what was forwarded last. */
  #cursor = '';
  /** Where the stream will begin that is opened next. */
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

  /** Whether nobody listens. */
  get isIdle() {
    return this.#listeners.size === 0;
  }

  /** How long to keep it when nobody listens. */
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
   * Adds a listener that hears what comes from now on, and nothing of what was.
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
   * Brings somebody up to date: what is lacking is sent at once, or the stream is opened again from
   * there, and goes to all. Those that have it already pass over it.
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
    // One whose cursor nobody knows gets this stream's, by which it sees that it has to begin anew. Not
    // so while the server is away: then the cursor may be the newer one of the two.
    if (this.#state.state === 'live') send(this.#helloFor(missed && cursor ? cursor : this.#cursor));
    for (const message of missed ?? []) send(message);
  }

  /** The network is back. */
  wake() {
    this.#upstream.wake();
  }

  /**
   * Calls back once nobody has listened for a while.
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
    // At once: an event that came now would move the newcomer past what it lacks.
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
    // Where no gap comes in between, a new epoch has everything that came before.
    else if (this.#hello) noteContinued(this.#cursor, id);
    this.#cursor = id || this.#cursor;
    // A heartbeat says where the stream is, and is nothing that anybody lacks later.
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
    // One that throws must not take the stream from the others.
    for (const send of this.#listeners.values()) guarded(() => send(message));
  }
}
