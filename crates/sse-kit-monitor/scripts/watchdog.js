/** How long a stream may be silent when neither page nor server says so; in milliseconds. */
const DEFAULT_PATIENCE = 30_000;

/** A heartbeat may be lost, and the next one late. */
const HEARTBEATS = 2.5;

/**
 * How long a stream may be silent, in milliseconds; `Infinity` when the server sends no heartbeats.
 *
 * @param {number | null} configured what the page wants
 * @param {number | undefined} heartbeat how often the server says that heartbeats come
 */
export function patience(configured, heartbeat) {
  if (configured !== null) return configured;
  if (heartbeat === undefined) return DEFAULT_PATIENCE;
  return heartbeat > 0 ? heartbeat * HEARTBEATS : Infinity;
}

/**
 * How much of the patience is left.
 *
 * @param {number} lastSign when the last byte came
 * @param {number} now
 * @param {number} patience
 */
export function timeLeft(lastSign, now, patience) {
  return Math.max(0, lastSign + patience - now);
}
