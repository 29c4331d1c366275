/** The longest wait, in milliseconds, unless the first one is longer. */
const MAX_MS = 30_000;

/** The shortest wait that a server can ask for, in milliseconds. */
const MIN_MS = 100;

/** The longest one, in milliseconds. */
const MAX_TOLD_MS = 300_000;

/** By which each wait exceeds the one before. A page then finds a server again within about the time it was away. */
const GROWTH = 1.5;

/** A stream that lasted this long, in milliseconds, was no failure. */
const STEADY_MS = 5_000;

/** The law of waiting: how long until the next try. */
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
   * Notes that the server has said goodbye. It spreads its clients over time itself.
   *
   * @param {number | undefined} retry when to come back, in milliseconds
   */
  excuse(retry) {
    this.#isExcused = true;
    this.#told = retry;
  }

  /**
   * Returns the wait until the next try, in milliseconds; to be called once for each.
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
    // Random, so that pages that lost a server together do not return together.
    return Math.max(longest * (0.5 + this.#random() / 2), atLeast * (1 + this.#random() / 2));
  }
}
