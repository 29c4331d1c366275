const FIRST_MS = 500;
const LEAST_MS = 100;
const LONGEST_MS = 30_000;

/** How long to wait before the next attempt: longer after each that failed, and never in step. */
export class Backoff {
  #random;
  #base = FIRST_MS;
  #told = false;
  #failures = 0;

  /** @param {() => number} random */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /**
   * The server has said when to come back. It spreads its clients over time itself.
   *
   * @param {number} milliseconds
   */
  tell(milliseconds) {
    this.#base = Math.max(milliseconds, LEAST_MS);
    this.#told = true;
  }

  /** A connection has lived for a while. One that is accepted and closed again has not. */
  succeed() {
    this.#failures = 0;
  }

  /**
   * @param {number} atLeast milliseconds that the server has asked for
   * @returns {number} milliseconds
   */
  next(atLeast = 0) {
    const longest = Math.max(LONGEST_MS, this.#base);
    const exact = this.#told && this.#failures === 0;
    const doublings = this.#told ? Math.max(0, this.#failures - 1) : this.#failures;
    const full = Math.min(this.#base * 2 ** doublings, longest);
    this.#failures += 1;
    const delay = exact ? full : full * (0.5 + this.#random() / 2);
    return Math.max(delay, atLeast * (1 + this.#random() / 2));
  }
}
