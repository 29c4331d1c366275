import { isFinal } from './connection.js';
import { resuming } from './cursor.js';
import { eventReader } from './parser.js';

/** @import { Connection } from './connection.js' */

/**
 * An `EventSource` that goes on where the browser's own gives up or forgets: it sees the status of an
 * answer, keeps its cursor over errors, and waits longer each time.
 */
export class MonitoredEventSource extends EventTarget {
  CONNECTING = /** @type {const} */ (0);
  OPEN = /** @type {const} */ (1);
  CLOSED = /** @type {const} */ (2);
  withCredentials = true;
  readyState = 0;
  /** @type {((event: Event) => void) | null} */
  onopen = null;
  /** @type {((event: MessageEvent) => void) | null} */
  onmessage = null;
  /** @type {((event: Event) => void) | null} */
  onerror = null;
  #connection;
  #transport;
  #abort = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #isParked = false;

  /**
   * @param {string} url
   * @param {Connection} connection
   */
  constructor(url, connection) {
    super();
    this.url = url;
    this.#connection = connection;
    this.#transport = connection.transport = {
      cut: () => this.#abort.abort(),
      hurry: () => this.#timer && this.#open(),
      stop: () => this.close(),
    };
    // Not before whoever made this listens.
    this.#timer = setTimeout(() => this.#open());
  }

  close() {
    if (this.readyState === this.CLOSED) return;
    this.readyState = this.CLOSED;
    clearTimeout(this.#timer);
    this.#abort.abort();
    // The element may have another one already.
    if (this.#connection.transport === this.#transport) this.#connection.ends('closed by the page');
  }

  /** Holds no connection, until it is resumed. */
  park() {
    this.#isParked = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  resume() {
    if (this.#isParked && this.readyState !== this.CLOSED) this.#open();
  }

  async #open() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isParked = false;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#connection.asks();
    try {
      const url = resuming(this.url, this.#connection.cursor, document.baseURI);
      const headers = { Accept: 'text/event-stream' };
      const response = await fetch(url, { headers, credentials: 'include', cache: 'no-store', signal });
      if (isFinal(response.status)) return this.#connection.ends(`status ${response.status}`);
      const type = response.headers.get('Content-Type') ?? '';
      if (!response.ok || !type.startsWith('text/event-stream') || !response.body) {
        this.#abort.abort();
        throw new Error(`status ${response.status}, ${type}`);
      }
      await this.#read(response.body);
      this.#fails('ended');
    } catch (error) {
      this.#fails(String(error));
    }
  }

  /** @param {ReadableStream<Uint8Array<ArrayBuffer>>} body */
  async #read(body) {
    this.readyState = this.OPEN;
    this.#connection.opened();
    this.#emit(new Event('open'));
    const eventsOf = eventReader();
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.readyState === this.CLOSED) return;
      this.#connection.alive();
      for (const { name, data, id, retry } of eventsOf(value)) {
        if (retry !== undefined) this.#connection.retry = retry;
        this.#connection.receives(name, id);
        this.#emit(new MessageEvent(name, { data, lastEventId: id, origin: new URL(this.url, location.href).origin }));
      }
    }
  }

  /** @param {string} reason */
  #fails(reason) {
    if (this.readyState === this.CLOSED || this.#isParked) return;
    // Never CLOSED with an error: htmx 2 would open another one.
    this.readyState = this.CONNECTING;
    this.#connection.lost(reason);
    if (this.#connection.closed) return;
    this.#emit(new Event('error'));
    this.#timer = setTimeout(() => this.#open(), this.#connection.retryDelay());
  }

  /** @param {Event} event */
  #emit(event) {
    const { onopen, onmessage, onerror } = this;
    /** @type {Record<string, ((event: any) => void) | null>} */
    const handlers = { open: onopen, message: onmessage, error: onerror };
    handlers[event.type]?.(event);
    this.dispatchEvent(event);
  }
}
