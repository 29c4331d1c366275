import { HEARTBEATS } from '../../sse-kit-client/scripts/watchdog.js';

/** The longest time, in milliseconds, that a leader may say nothing and not answer. */
const MAX_MS = 8_000;

/** The shortest such time, in milliseconds: a leader that is merely busy keeps its lead. */
const MIN_MS = 2_000;

/** The part of the time after which a follower asks; in the rest the leader has to answer. */
const ASK_AT = 5 / 8;

/**
 * Returns the silence after which a follower asks whether its leader is there, and the time that the leader
 * has to answer, in milliseconds. Together they are at most the time after which a stream is stale.
 *
 * @param {number | null} heartbeatTimeout that the page configures
 * @param {number} heartbeat of the server, in milliseconds; 0: unknown, or none
 */
export function patienceWithLeader(heartbeatTimeout, heartbeat) {
  const timeout = heartbeatTimeout ?? (heartbeat * HEARTBEATS || MAX_MS);
  const whole = Math.min(Math.max(timeout, MIN_MS), MAX_MS);
  return { silence: whole * ASK_AT, answer: whole * (1 - ASK_AT) };
}
