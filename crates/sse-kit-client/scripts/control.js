// The events of sse-kit itself, about a stream.

export const HELLO = 'sse-kit:hello';
export const HEARTBEAT = 'sse-kit:heartbeat';
export const GAP = 'sse-kit:gap';
export const SHUTDOWN = 'sse-kit:shutdown';
export const BUSY = 'sse-kit:busy';
export const CLOSE = 'sse-kit:close';

/**
 * Returns the data of a control event, or an empty object when it is not JSON.
 *
 * @param {string} data
 * @returns {Record<string, any>}
 */
export function readControl(data) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    return {};
  }
}

/**
 * Returns the heartbeat interval of a hello, in milliseconds; 0 if the server sends none.
 *
 * @param {string} hello its data
 */
export function heartbeatOf(hello) {
  return Number(readControl(hello).heartbeat_ms ?? 0);
}
