/** The longest wait, in milliseconds, unless the first one is longer. */
const MAX_MS = 30_000;

/** The lower bound for a wait that the server asks for, in milliseconds. */
const MIN_MS = 100;

/** The upper bound for a wait that the server asks for, in milliseconds. */
const MAX_TOLD_MS = 300_000;

/** The growth factor of the waits. A page then reconnects within about the time for which the server was away. */
const GROWTH = 1.5;

/** A stream that lasted this long, in milliseconds, resets the backoff. */
const STEADY_MS = 5_000;

/** The backoff with jitter: the wait before each retry. */
export class Backoff {
  #first;
  #random;
  #failures = 0;
  #openedAt = Number.POSITIVE_INFINITY;
  #isExcused = false;
  /** @type {number | undefined} */
  #told;

  /**
   * @param {number} first the upper bound of the first wait, in milliseconds
   * @param {() => number} random
   */
  constructor(first, random = Math.random) {
    this.#first = first;
    this.#random = random;
  }

  /** Notes that a stream has begun. */
  opened() {
    this.#openedAt = performance.now();
    this.#isExcused = false;
  }

  /**
   * Notes that the server has sent its goodbye. The server spreads the reconnects itself.
   *
   * @param {number | undefined} retry when to come back, in milliseconds
   */
  excuse(retry) {
    this.#isExcused = true;
    this.#told = retry;
  }

  /**
   * Returns the wait before the next retry, in milliseconds. Call it once per retry.
   *
   * @param {number} atLeast what the server asked for by `Retry-After`
   */
  next(atLeast = 0) {
    const told = this.#isExcused ? this.#told : undefined;
    if (this.#isExcused || performance.now() - this.#openedAt >= STEADY_MS) this.#failures = 0;
    this.#openedAt = Number.POSITIVE_INFINITY;
    this.#isExcused = false;
    const longest = Math.min(this.#first * GROWTH ** this.#failures, Math.max(this.#first, MAX_MS));
    this.#failures += 1;
    if (told !== undefined) return Math.min(Math.max(told, MIN_MS), MAX_TOLD_MS);
    // The jitter keeps pages that lost the server together from reconnecting together.
    return Math.max(longest * (0.5 + this.#random() / 2), atLeast * (1 + this.#random() / 2));
  }
}
