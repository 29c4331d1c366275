/** However long a server is away, a page asks for it this often; in milliseconds. */
const LONGEST_DELAY = 30_000;

/** So a page is never longer in finding a server again than about as long as that was away. */
const GROWTH = 1.5;

/**
 * How long to wait before the next try: half as long again each time, and at random, so that the pages
 * that lost a server together do not come back together.
 *
 * @param {number} failures how many tries failed already
 * @param {number} first the longest first delay, in milliseconds
 * @param {number} random from 0 to 1
 */
export function backoff(failures, first, random) {
  const longest = Math.min(first * GROWTH ** failures, Math.max(first, LONGEST_DELAY));
  return longest * (0.5 + random / 2);
}
