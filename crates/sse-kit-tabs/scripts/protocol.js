// The messages from a shared stream to its listeners, whatever carries them.

/**
 * An event of the stream.
 *
 * @typedef {object} StreamMessage
 * @property {'message'} kind
 * @property {string} id its own id, or '' when it has none
 * @property {string} event its name
 * @property {string} data
 */

/** @typedef {'connecting' | 'live' | 'stale' | 'reconnecting' | 'closed'} State */

/**
 * How the connection to the server is.
 *
 * @typedef {object} StateMessage
 * @property {'state'} kind
 * @property {State} state
 * @property {string} reason why, for people
 * @property {number} status what the server answered, or 0
 */

/** @typedef {StreamMessage | StateMessage} SharedMessage */

/** @typedef {(message: SharedMessage) => void} Send */

/**
 * @typedef {object} SharingOptions
 * @property {number} events how many events are kept for tabs that come later
 * @property {number} characters of how many characters in all
 * @property {number} reconnectDelay the upper bound of the first wait, in milliseconds
 * @property {number | null} heartbeatTimeout how long silence may be, in milliseconds; null: what the server says
 */

/**
 * @param {State} state
 * @param {string} reason
 * @param {number} status
 * @returns {StateMessage}
 */
export function stateMessage(state, reason = '', status = 0) {
  return { kind: 'state', state, reason, status };
}
