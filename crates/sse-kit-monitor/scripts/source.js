import { connect } from '../../sse-kit-client/scripts/connect.js';
import { StreamSource } from '../../sse-kit-client/scripts/event-source.js';
import { later } from '../../sse-kit-htmx/scripts/cursor.js';
import { resuming } from '../../sse-kit-htmx/scripts/stream-url.js';

/** @import { Connection } from './connection.js' */

/**
 * An `EventSource` that retries where the browser's own gives up: it reads the status of a response, keeps
 * its cursor over errors, and backs off.
 */
export class MonitoredEventSource extends StreamSource {
  /** The cursor in this stream; another stream may have the same connection. */
  cursor;
  #connection;
  #attempt = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #isParked = false;

  /**
   * @param {string} url
   * @param {Connection} connection
   */
  constructor(url, connection) {
    super(url);
    this.#connection = connection;
    this.cursor = connection.from(url);
    connection.carriedBy(this);
    // Starts in a later task, when the caller has added listeners.
    this.#timer = setTimeout(() => this.#open());
  }

  /** @override */
  close() {
    if (this.readyState === this.CLOSED) return;
    super.close();
    clearTimeout(this.#timer);
    this.#attempt.abort();
    this.#connection.leaves(this, 'closed by the page');
  }

  /** Ends the current attempt, and retries. */
  cut() {
    this.#attempt.abort('cut');
  }

  /** Retries at once, if it waits. */
  hurry() {
    if (this.#timer) this.#open();
  }

  stop() {
    this.close();
  }

  /** Closes the connection until it is resumed. */
  park() {
    this.#isParked = true;
    clearTimeout(this.#timer);
    this.#attempt.abort();
  }

  resume() {
    if (this.#isParked && this.readyState !== this.CLOSED) this.#open();
  }

  async #open() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isParked = false;
    const control = new AbortController();
    this.#attempt = control;
    const connection = this.#connection;
    connection.asks();
    const ending = await connect(resuming(this.url, this.cursor), {
      init: { credentials: 'include' },
      control,
      opened: () => {
        this.readyState = this.OPEN;
        connection.opened();
        this.dispatchEvent(new Event('open'));
      },
      alive: () => connection.alive(),
      receive: ({ event, data, id, ownId }, retry) => {
        this.cursor = later(this.cursor, ownId);
        connection.retry = retry;
        connection.receives(event, ownId);
        this.show(event, data, id);
      },
    });
    if (this.readyState === this.CLOSED || this.#isParked) return;
    if (ending.isFinal) return connection.ends(ending.reason);
    // An error never leaves it CLOSED, because htmx 2 would open another source.
    this.readyState = this.CONNECTING;
    connection.lost(ending.reason);
    if (connection.closed) return;
    this.#timer = setTimeout(() => this.#open(), connection.retryDelay(ending.retryAfter));
    this.dispatchEvent(new Event('error'));
  }
}
