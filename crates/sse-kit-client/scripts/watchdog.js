/** How long an answer may take, and a stream be silent before its server has said anything, in milliseconds. */
const DEFAULT_MS = 30_000;

/** After its patience is over a stream has this long for a sign of life, in milliseconds. */
const GRACE_MS = 1_000;

/** A heartbeat may be lost, and the next one late. */
export const HEARTBEATS = 2.5;

/** Browsers cut longer timers to 0. */
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
   * @param {number | null} configured how long silence may be, in milliseconds; null: what the server says
   * @param {() => void} onSilent is called when it has been silent for that long
   * @param {() => void} onDead is called when there is no sign of life by then
   */
  constructor(configured, onSilent, onDead) {
    this.#configured = configured;
    this.#onSilent = onSilent;
    this.#onDead = onDead;
  }

  /** How long silence may be, in milliseconds; `Infinity` when the server sends no heartbeats. */
  get patience() {
    if (this.#configured !== null) return this.#configured;
    if (this.#heartbeat === undefined) return DEFAULT_MS;
    const silence = this.#heartbeat > 0 ? this.#heartbeat * HEARTBEATS : Number.POSITIVE_INFINITY;
    return this.#isAnswered ? silence : Math.min(silence, DEFAULT_MS);
  }

  /**
   * Notes what the server's hello says.
   *
   * @param {number} heartbeat its interval in milliseconds; 0: none
   */
  expects(heartbeat) {
    this.#heartbeat = heartbeat;
    this.check();
  }

  /**
   * Sets how long silence may be, and how much later a sign of life may come, in milliseconds.
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

  /** Sets the timer anew: those of hidden pages are late. */
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
