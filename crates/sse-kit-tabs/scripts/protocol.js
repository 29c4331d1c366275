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
 * The state of the connection to the server.
 *
 * @typedef {object} StateMessage
 * @property {'state'} kind
 * @property {State} state
 * @property {string} reason the reason, for people
 * @property {number} status the status of the server's response, or 0
 */

/** @typedef {StreamMessage | StateMessage} SharedMessage */

/** @typedef {(message: SharedMessage) => void} Send */

/**
 * @typedef {object} SharingOptions
 * @property {number} events the number of events that are kept for tabs that join later
 * @property {number} characters the number of characters of all of them
 * @property {number} reconnectDelay the upper bound of the first wait, in milliseconds
 * @property {number | null} heartbeatTimeout the time limit for silence, in milliseconds; null: from the server's hello
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
