import { Backoff } from '../../sse-kit-client/scripts/backoff.js';
import { connect } from '../../sse-kit-client/scripts/connect.js';
import { BUSY, HELLO, heartbeatOf, SHUTDOWN } from '../../sse-kit-client/scripts/control.js';
import { Watchdog } from '../../sse-kit-client/scripts/watchdog.js';
import { stateMessage } from './protocol.js';

/** @import { StreamEvent } from '../../sse-kit-client/scripts/parser.js' */
/** @import { SharingOptions, StateMessage, StreamMessage } from './protocol.js' */

/**
 * The one connection to the server. It uses `fetch` and not `EventSource`, which cannot begin with a
 * last event id, and sees neither statuses nor comments.
 */
export class Upstream {
  #url;
  #heartbeatTimeout;
  #fetch;
  #onState;
  #onMessage;
  #cursor = '';
  #backoff;
  /** The current or last attempt. */
  #attempt = new AbortController();
  /** What runs; another one may have taken its place. @type {object | undefined} */
  #run;
  #wake = () => {};

  /**
   * @param {string} url
   * @param {SharingOptions} options
   * @param {typeof globalThis.fetch} fetch the browser's own
   * @param {(state: StateMessage) => void} onState
   * @param {(message: StreamMessage) => void} onMessage
   */
  constructor(url, { reconnectDelay, heartbeatTimeout }, fetch, onState, onMessage) {
    this.#url = url;
    this.#heartbeatTimeout = heartbeatTimeout;
    this.#backoff = new Backoff(reconnectDelay);
    this.#fetch = fetch;
    this.#onState = onState;
    this.#onMessage = onMessage;
  }

  /** @param {string} cursor where to resume from, or '' for now */
  open(cursor) {
    this.close();
    this.#cursor = cursor;
    this.#keep();
  }

  /** Ends the connection. No callback is called after this. */
  close() {
    this.#run = undefined;
    this.#attempt.abort();
    this.#wake();
  }

  /** Retries at once, if it waits: the network is back. */
  wake() {
    this.#wake();
  }

  /** Connects, and reconnects until it is closed. */
  async #keep() {
    const run = {};
    this.#run = run;
    while (this.#run === run) {
      const ending = await this.#connect();
      if (this.#run !== run) return;
      this.#onState(stateMessage(ending.isFinal ? 'closed' : 'reconnecting', ending.reason, ending.status));
      if (ending.isFinal) return;
      await this.#pause(this.#backoff.next(ending.retryAfter));
    }
  }

  async #connect() {
    const control = new AbortController();
    this.#attempt = control;
    let isLive = false;
    let isStale = false;
    const watchdog = new Watchdog(
      this.#heartbeatTimeout,
      () => {
        isStale = isLive;
        if (isLive) this.#onState(stateMessage('stale', 'silent'));
      },
      () => control.abort(),
    );
    watchdog.asks();
    try {
      return await connect(this.#url, {
        fetch: this.#fetch,
        init: { headers: this.#cursor ? { 'Last-Event-ID': this.#cursor } : {}, credentials: 'same-origin' },
        control,
        opened: () => {
          isLive = true;
          this.#backoff.opened();
          this.#onState(stateMessage('live'));
          watchdog.alive();
        },
        alive: () => {
          if (isStale) this.#onState(stateMessage('live'));
          isStale = false;
          watchdog.alive();
        },
        receive: (event, retry) => this.#receive(event, retry, watchdog),
      });
    } finally {
      watchdog.stop();
    }
  }

  /**
   * @param {StreamEvent} message
   * @param {number | undefined} retry
   * @param {Watchdog} watchdog
   */
  #receive({ event, data, ownId }, retry, watchdog) {
    if (event === HELLO) watchdog.expects(heartbeatOf(data));
    if (event === SHUTDOWN || event === BUSY) this.#backoff.excuse(retry);
    this.#cursor = ownId || this.#cursor;
    this.#onMessage({ kind: 'message', id: ownId, event, data });
  }

  /** @param {number} milliseconds */
  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }
}
