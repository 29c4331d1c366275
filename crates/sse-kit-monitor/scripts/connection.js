import { backoff } from './backoff.js';
import { later } from './cursor.js';
import { patience, timeLeft } from './watchdog.js';

/**
 * @typedef {'connecting' | 'live' | 'stale' | 'reconnecting' | 'paused' | 'offline' | 'closed'} State
 *
 * @typedef {object} MonitorConfig
 * @property {string} connection the id of the element that holds the connection
 * @property {string} status the id of the element that shows its state
 * @property {boolean} autoReconnect
 * @property {number} reconnectDelay in milliseconds
 * @property {number | null} heartbeatTimeout in milliseconds; null: what the server says
 * @property {'reload' | 'report'} gap
 * @property {boolean} debug
 * @property {boolean} overlay
 * @property {Partial<Record<State, {text: string} | {html: string}>>} indicators
 *
 * @typedef {object} Transport what carries the stream
 * @property {() => void} cut ends what is under way, which is then tried again
 * @property {() => void} hurry waits no longer for the next try
 * @property {() => void} stop ends it for good
 */

/** A stream that lasted so long, in milliseconds, was no failure. */
const STEADY = 5000;

/** After its patience is over a stream has this long for one more sign of life, in milliseconds. */
const GRACE = 1000;

/** After these statuses asking again would only get the same answer. */
const FINAL = [204, 401, 403, 404, 410];

/** @param {number | undefined} status */
export const isFinal = (status) => FINAL.includes(status ?? 0);

/** One connection of the page: what is known of it, and what its state is. */
export class Connection {
  /** @type {State} */
  state = 'connecting';
  /** Why it is closed. @type {string | undefined} */
  closed;
  /** The last reconnection time that the server asked for, in milliseconds. @type {number | undefined} */
  retry;
  cursor = '';
  reconnects = 0;
  lastEvent = '';
  /** How late the last heartbeat was, in milliseconds. @type {number | undefined} */
  latency;

  /** @type {Transport | undefined} */
  transport;
  #failures = -1;
  #wasOpen = false;
  #isOpen = false;
  #openedAt = 0;
  #lastSign = 0;
  #lastBeat = 0;
  /** @type {number | undefined} */
  #heartbeat;
  #isAskedBack = false;
  #hurries = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {MonitorConfig} config
   * @param {(connection: Connection) => void} watch is told of everything that happens
   */
  constructor(config, watch) {
    this.config = config;
    this.watch = watch;
    this.paint();
  }

  get element() {
    return document.getElementById(this.config.connection);
  }

  get patience() {
    return patience(this.config.heartbeatTimeout, this.#heartbeat);
  }

  /** A request is sent. */
  asks() {
    this.closed = undefined;
    this.#hurries = false;
    this.#lastSign = performance.now();
    this.#watchdog();
  }

  /** A stream has begun. */
  opened() {
    if (this.#wasOpen) this.reconnects += 1;
    this.#wasOpen = true;
    this.#isOpen = true;
    this.#openedAt = performance.now();
    this.#isAskedBack = false;
    this.become('live', 'open');
    this.alive();
  }

  /** Something has come. */
  alive() {
    this.#lastSign = performance.now();
    if (this.#isOpen && (this.state === 'stale' || this.state === 'offline')) this.become('live', 'heard again');
    this.#watchdog();
  }

  /**
   * An event has come.
   *
   * @param {string} name
   * @param {string} id
   */
  receives(name, id) {
    this.cursor = later(this.cursor, id);
    this.lastEvent = name;
    this.alive();
    this.watch(this);
  }

  /**
   * The server says something about the stream itself.
   *
   * @param {string} name
   * @param {string} data
   */
  hears(name, data) {
    if (name === 'hello') {
      this.#heartbeat = Number(read(data).heartbeat_ms ?? 0);
      this.#lastBeat = performance.now();
      this.#watchdog();
    } else if (name === 'heartbeat') {
      const now = performance.now();
      this.latency = Math.max(0, now - this.#lastBeat - (this.#heartbeat ?? 0));
      this.#lastBeat = now;
      this.watch(this);
    } else if (name === 'close') {
      this.ends('told to');
    } else {
      this.#isAskedBack = true;
      this.lost(name);
    }
  }

  /**
   * The stream is over, or the request failed.
   *
   * @param {string} reason
   */
  lost(reason) {
    this.#isOpen = false;
    if (this.closed) return;
    if (!this.config.autoReconnect) this.ends(reason);
    // What was shown before says more than that there is another try.
    else if (this.state !== 'paused') this.become(navigator.onLine ? 'reconnecting' : 'offline', reason);
  }

  /**
   * All tabs share the stream, and so is its connection to the server.
   *
   * @param {'connecting' | 'live' | 'stale' | 'reconnecting' | 'closed'} state
   * @param {string} reason
   */
  shares(state, reason) {
    if (state === 'closed') this.ends(reason);
    else if (state === 'live' && this.#isOpen) this.become('live', 'open');
    else if ((state === 'stale' || state === 'reconnecting') && !this.closed && this.state !== 'paused') {
      this.become(navigator.onLine ? state : 'offline', reason);
    }
  }

  /**
   * It is over for good.
   *
   * @param {string} reason
   */
  ends(reason) {
    if (this.closed) return;
    this.closed = reason;
    this.#isOpen = false;
    this.become('closed', reason);
    this.transport?.stop();
  }

  /** In how many milliseconds to try again; to be asked once for each time. */
  retryDelay() {
    const steady = this.#openedAt > 0 && performance.now() - this.#openedAt >= STEADY;
    const [hurries, isAskedBack] = [this.#hurries, this.#isAskedBack];
    this.#openedAt = 0;
    this.#hurries = this.#isAskedBack = false;
    if (hurries) return 0;
    this.#failures = steady || isAskedBack ? 0 : this.#failures + 1;
    // A server that sends its pages away spreads them itself.
    if (isAskedBack && this.retry !== undefined) return this.retry;
    return backoff(this.#failures, this.config.reconnectDelay, Math.random());
  }

  /** Tries again now, and does not trust what is open. */
  refresh() {
    this.#hurries = true;
    this.transport?.cut();
    this.transport?.hurry();
  }

  /** @param {boolean} isHidden */
  seen(isHidden, pauses = false) {
    if (this.closed) return;
    if (isHidden && pauses) {
      this.become('paused', 'hidden');
    } else if (this.state === 'paused') {
      this.#hurries = true;
      this.become('reconnecting', 'shown');
      this.transport?.hurry();
    } else if (!isHidden && this.#isOpen) {
      // Timers of hidden pages are late.
      this.#watchdog();
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

  /** Shows the state. */
  paint() {
    const status = document.getElementById(this.config.status);
    if (!status) return;
    status.dataset.state = this.state;
    const indicator = this.config.indicators[this.state] ?? { text: this.state };
    if ('html' in indicator) status.innerHTML = indicator.html;
    else status.textContent = indicator.text;
  }

  #watchdog() {
    clearTimeout(this.#timer);
    if (this.closed || this.patience === Infinity) return;
    const left = timeLeft(this.#lastSign, performance.now(), this.patience);
    this.#timer = setTimeout(() => this.#barks(), left + (this.state === 'stale' ? GRACE : 0));
  }

  #barks() {
    if (this.closed || this.state === 'paused') return;
    if (timeLeft(this.#lastSign, performance.now(), this.patience) > 0) {
      this.#watchdog();
    } else if (this.state === 'live') {
      this.become('stale', 'silent');
      this.#watchdog();
    } else {
      this.transport?.cut();
    }
  }
}

/**
 * @param {string} data
 * @returns {Record<string, unknown>}
 */
function read(data) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    return {};
  }
}
