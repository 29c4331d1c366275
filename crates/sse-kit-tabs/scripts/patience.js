import { HEARTBEATS } from '../../sse-kit-client/scripts/watchdog.js';

/** The longest time, in milliseconds, for which a leader may be silent and not answer. */
const MAX_MS = 8_000;

/** The shortest such time, in milliseconds, so that a busy leader keeps the leadership. */
const MIN_MS = 2_000;

/** The fraction of that time after which a follower asks; the leader has the rest to answer. */
const ASK_AT = 5 / 8;

/**
 * Returns the silence after which a follower asks for a sign of life, and the time that the leader has to
 * answer, in milliseconds. Together they are at most the time after which a stream is stale.
 *
 * @param {number | null} heartbeatTimeout that the page configures
 * @param {number} heartbeat of the server, in milliseconds; 0: unknown, or none
 */
export function patienceWithLeader(heartbeatTimeout, heartbeat) {
  const timeout = heartbeatTimeout ?? (heartbeat * HEARTBEATS || MAX_MS);
  const whole = Math.min(Math.max(timeout, MIN_MS), MAX_MS);
  return { silence: whole * ASK_AT, answer: whole * (1 - ASK_AT) };
}
