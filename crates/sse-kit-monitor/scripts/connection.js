import { Backoff } from '../../sse-kit-client/scripts/backoff.js';
import { readControl } from '../../sse-kit-client/scripts/control.js';
import { policy } from '../../sse-kit-client/scripts/trusted.js';
import { Watchdog } from '../../sse-kit-client/scripts/watchdog.js';
import { later, noteLineage } from '../../sse-kit-htmx/scripts/cursor.js';
import { splitCursor } from '../../sse-kit-htmx/scripts/stream-url.js';

/**
 * @typedef {'connecting' | 'live' | 'stale' | 'reconnecting' | 'paused' | 'offline' | 'closed'} State
 *
 * @typedef {object} MonitorConfig
 * @property {string} connection the id of the element that holds the connection
 * @property {string} status the id of the element that shows its state
 * @property {boolean} autoReconnect
 * @property {number} reconnectDelay in milliseconds
 * @property {number | null} heartbeatTimeout in milliseconds; null: from the server's hello
 * @property {'reload' | 'wait' | 'report'} gap
 * @property {boolean} debug
 * @property {boolean} overlay
 * @property {Partial<Record<State, {text: string} | {html: string}>>} indicators
 *
 * @typedef {object} Transport what carries the stream
 * @property {() => void} cut ends the current attempt, and retries
 * @property {() => void} hurry retries at once, if it waits
 * @property {() => void} stop ends the connection for good
 * @property {() => void} [park] closes the connection until it is resumed
 * @property {() => void} [resume]
 */

const trusted = policy('sse-kit-monitor');

/** One connection of the page, and its state. */
export class Connection {
  /** @type {State} */
  state = 'connecting';
  /** Why it is closed. @type {string | undefined} */
  closed;
  /** The last reconnection time that the server sent, in milliseconds. @type {number | undefined} */
  retry;
  cursor = '';
  /** Where it is configured. @type {Element | undefined} */
  block;
  reconnects = 0;
  lastEvent = '';
  /** How late the last heartbeat was, in milliseconds. @type {number | undefined} */
  latency;

  /** All that carry this connection; the newest is last. @type {Transport[]} */
  #transports = [];
  /** The element and the stream that the cursor belongs to. @type {WeakRef<Element> | undefined} */
  #holder;
  #stream = '';
  #backoff;
  #watchdog;
  #wasOpen = false;
  #isOpen = false;
  #lastBeat = 0;
  #heartbeat = 0;
  #hurries = false;
  #waits = false;
  /** The status element as it was painted last. @type {Element | null} */
  #painted = null;

  /**
   * @param {MonitorConfig} config
   * @param {(connection: Connection) => void} watch is called after every change
   */
  constructor(config, watch) {
    this.config = config;
    this.watch = watch;
    this.#backoff = new Backoff(config.reconnectDelay);
    this.#watchdog = new Watchdog(
      config.heartbeatTimeout,
      () => this.state === 'live' && this.become('stale', 'silent'),
      () => this.transport?.cut(),
    );
    this.paint();
  }

  get element() {
    return document.getElementById(this.config.connection);
  }

  get transport() {
    return this.#transports.at(-1);
  }

  get patience() {
    return this.#watchdog.patience;
  }

  /**
   * Returns the cursor of the element's next request: the one in its URL, or the later one that the same
   * element has reached in the same stream.
   *
   * @param {string} url
   */
  from(url) {
    const { stream, cursor } = splitCursor(url);
    const { element } = this;
    const isSame = element !== null && element === this.#holder?.deref() && stream === this.#stream;
    this.#holder = element ? new WeakRef(element) : undefined;
    this.#stream = stream;
    this.cursor = isSame ? later(cursor, this.cursor) : cursor;
    return this.cursor;
  }

  /** Forgets its position, so the next stream begins where its content was rendered. */
  forgets() {
    this.#holder = undefined;
  }

  /** @param {Transport} transport which carries this connection from now on */
  carriedBy(transport) {
    this.#transports.push(transport);
  }

  /**
   * Notes that a transport has ended. The connection ends with its last transport.
   *
   * @param {Transport} transport
   * @param {string} reason
   */
  leaves(transport, reason) {
    this.#transports = this.#transports.filter((other) => other !== transport);
    if (!this.transport) this.ends(reason);
  }

  /** Closes the stream while the page is in the back/forward cache. */
  parks() {
    for (const transport of this.#transports) transport.park?.();
  }

  resumes() {
    for (const transport of this.#transports) transport.resume?.();
  }

  /** Notes that a request is sent. */
  asks() {
    this.closed = undefined;
    this.#hurries = false;
    this.#watchdog.asks();
  }

  /** Notes that a stream has begun. */
  opened() {
    if (this.#wasOpen) this.reconnects += 1;
    this.#wasOpen = true;
    this.#isOpen = true;
    this.#backoff.opened();
    this.become('live', 'open');
    this.alive();
  }

  /** Notes that something has arrived. */
  alive() {
    if (this.#isOpen && (this.state === 'stale' || this.state === 'offline')) this.become('live', 'heard again');
    this.#watchdog.alive();
  }

  /**
   * Notes that an event has arrived.
   *
   * @param {string} name
   * @param {string} id its own, or ''
   */
  receives(name, id) {
    this.cursor = later(this.cursor, id);
    this.lastEvent = name;
    this.alive();
    this.watch(this);
  }

  /**
   * Notes a control event of the server.
   *
   * @param {string} name
   * @param {string} data
   */
  hears(name, data) {
    if (name === 'hello') {
      const hello = readControl(data);
      noteLineage(hello);
      this.#heartbeat = Number(hello.heartbeat_ms ?? 0);
      this.#lastBeat = performance.now();
      this.#watchdog.expects(this.#heartbeat);
    } else if (name === 'heartbeat') {
      const now = performance.now();
      this.latency = Math.max(0, now - this.#lastBeat - this.#heartbeat);
      this.#lastBeat = now;
      this.watch(this);
    } else if (name === 'close') {
      this.ends('told to');
    } else {
      this.#backoff.excuse(this.retry);
      this.lost(name);
    }
  }

  /**
   * Notes that the stream has ended, or that the request failed.
   *
   * @param {string} reason
   */
  lost(reason) {
    this.#isOpen = false;
    if (this.closed) return;
    if (!this.config.autoReconnect) this.ends(reason);
    // The earlier reason says more than that there is a retry.
    else if (this.state !== 'paused') this.become(navigator.onLine ? 'reconnecting' : 'offline', reason);
  }

  /**
   * Notes the state of the one connection that all tabs share.
   *
   * @param {'connecting' | 'live' | 'stale' | 'reconnecting' | 'closed'} state
   * @param {string} reason
   */
  shares(state, reason) {
    if (state === 'closed') this.ends(reason);
    // A hidden page has closed its stream, whatever the state of the other tabs'.
    else if (this.closed || this.state === 'paused') return;
    else if (state === 'live' && this.#isOpen) this.become('live', 'open');
    else if (state === 'stale' || state === 'reconnecting') this.become(navigator.onLine ? state : 'offline', reason);
  }

  /**
   * Shows the state of the shared connection, if the page has no source of its own.
   *
   * @param {State} state
   * @param {string} reason
   */
  follows(state, reason) {
    this.become(state === 'live' || state === 'closed' || navigator.onLine ? state : 'offline', reason);
  }

  /**
   * Ends the connection for good.
   *
   * @param {string} reason
   */
  ends(reason) {
    if (this.closed) return;
    this.closed = reason;
    this.#isOpen = false;
    this.#watchdog.stop();
    this.become('closed', reason);
    const transports = this.#transports;
    this.#transports = [];
    for (const transport of transports) transport.stop();
  }

  /**
   * Returns the wait before the next retry, in milliseconds. Call it once per retry.
   *
   * @param {number} atLeast what the server asked for by `Retry-After`
   */
  retryDelay(atLeast = 0) {
    this.#watchdog.stop();
    const delay = this.#hurries ? 0 : this.#backoff.next(atLeast);
    this.#hurries = false;
    return delay;
  }

  /** Reconnects at once, because an open connection may be dead. */
  refresh() {
    this.#hurries = true;
    this.transport?.cut();
    this.transport?.hurry();
  }

  /** @param {boolean} isHidden */
  seen(isHidden, pauses = false) {
    if (this.closed) return;
    if (isHidden && pauses) {
      this.#isOpen = false;
      this.#watchdog.stop();
      this.become('paused', 'hidden');
    } else if (this.state === 'paused') {
      this.#hurries = true;
      this.become('reconnecting', 'shown');
      this.transport?.hurry();
    } else if (!isHidden && this.#isOpen) {
      // Timers of hidden pages fire late.
      this.#watchdog.check();
    } else if (!isHidden) {
      this.#hurries = true;
      this.transport?.hurry();
    }
  }

  /**
   * @param {State} state
   * @param {string} reason
   */
  become(state, reason) {
    const from = this.state;
    if (state === from) return;
    this.state = state;
    this.paint();
    if (this.config.debug) console.debug(`sse-kit: ${this.config.connection}: ${from} to ${state} (${reason})`);
    const detail = { from, to: state, reason };
    (this.element ?? document).dispatchEvent(new CustomEvent('sse-kit:state', { bubbles: true, detail }));
    this.watch(this);
  }

  /** Shows that the page must be reloaded, and waits until no field is edited. */
  waits() {
    if (this.#waits) return;
    this.#waits = true;
    this.paint();
    (this.element ?? document).dispatchEvent(new CustomEvent('sse-kit:reload', { bubbles: true }));
  }

  /** Fills a status element that was added to the page later. */
  repaint() {
    if (document.getElementById(this.config.status) !== this.#painted) this.paint();
  }

  /** Shows the state. */
  paint() {
    const status = document.getElementById(this.config.status);
    this.#painted = status;
    if (!status) return;
    status.dataset.state = this.state;
    if (this.#waits) status.dataset.reload = 'waiting';
    const indicator = this.config.indicators[this.state] ?? { text: this.state };
    try {
      if ('html' in indicator) status.innerHTML = trusted.createHTML(indicator.html);
      else status.textContent = indicator.text;
    } catch {
      status.textContent = this.state; // the page's policy refuses our HTML
    }
  }
}
