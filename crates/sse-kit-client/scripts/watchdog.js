/** The time limit for a response, and for silence before the server's first event, in milliseconds. */
const DEFAULT_MS = 30_000;

/** The extra time for a sign of life once the time limit has passed, in milliseconds. */
const GRACE_MS = 1_000;

/**
 * The number of heartbeat intervals without an event before a stream counts as stale: one may be lost, and
 * the next late.
 */
export const HEARTBEATS = 2.5;

/** The longest timer that browsers have; a longer one fires at once. */
const MAX_MS = 2 ** 31 - 1;

/** Watches a stream for silence. */
export class Watchdog {
  #configured;
  #onSilent;
  #onDead;
  #grace = GRACE_MS;
  /** @type {number | undefined} */
  #heartbeat;
  #lastSign = 0;
  #isAnswered = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {number | null} configured the time limit for silence, in milliseconds; null: from the server's hello
   * @param {() => void} onSilent is called when it has been silent for that long
   * @param {() => void} onDead is called when there is no sign of life by then
   */
  constructor(configured, onSilent, onDead) {
    this.#configured = configured;
    this.#onSilent = onSilent;
    this.#onDead = onDead;
  }

  /** The time limit for silence, in milliseconds; `Infinity` if the server sends no heartbeats. */
  get patience() {
    if (this.#configured !== null) return this.#configured;
    if (this.#heartbeat === undefined) return DEFAULT_MS;
    const silence = this.#heartbeat > 0 ? this.#heartbeat * HEARTBEATS : Number.POSITIVE_INFINITY;
    return this.#isAnswered ? silence : Math.min(silence, DEFAULT_MS);
  }

  /**
   * Notes the heartbeat interval of the server's hello.
   *
   * @param {number} heartbeat its interval in milliseconds; 0: none
   */
  expects(heartbeat) {
    this.#heartbeat = heartbeat;
    this.check();
  }

  /**
   * Sets the time limit for silence, and the extra time for a sign of life, both in milliseconds.
   *
   * @param {number} silence
   * @param {number} grace
   */
  allows(silence, grace) {
    this.#configured = silence;
    this.#grace = grace;
    this.check();
  }

  /** Notes that a request is sent. */
  asks() {
    this.alive();
    this.#isAnswered = false;
    this.check();
  }

  /** Notes a sign of life. */
  alive() {
    this.#isAnswered = true;
    this.#lastSign = performance.now();
    this.check();
  }

  /** Sets the timer again, because timers of hidden pages fire late. */
  check() {
    clearTimeout(this.#timer);
    const left = this.#lastSign + this.patience - performance.now();
    if (left > MAX_MS) return;
    this.#timer = setTimeout(() => {
      this.#timer = setTimeout(this.#onDead, this.#grace);
      this.#onSilent();
    }, left);
  }

  stop() {
    clearTimeout(this.#timer);
  }
}
