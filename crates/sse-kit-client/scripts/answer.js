/** Client errors that pass. After every other one the same request would get the same answer. */
const PASSING = [408, 425, 429];

/** A longer `Retry-After`, in milliseconds, is cut to this. */
const MAX_RETRY_AFTER_MS = 300_000;

/**
 * Returns whether a status ends a stream for good.
 *
 * @param {number | undefined} status
 */
export function isFinal(status = 0) {
  return status === 204 || (status >= 400 && status < 500 && !PASSING.includes(status));
}

/**
 * Returns whether an answer is an event stream. Others, such as a login page, must never be read as one.
 *
 * @param {Headers} headers
 */
export function isStream(headers) {
  return /^text\/event-stream\b/i.test(headers.get('Content-Type') ?? '');
}

/**
 * Returns the milliseconds that an answer asks a client to wait for; 0 when it does not.
 *
 * @param {Headers | undefined} headers
 */
export function retryAfter(headers) {
  const value = headers?.get('Retry-After');
  if (!value) return 0;
  const delay = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Math.min(Math.max(delay || 0, 0), MAX_RETRY_AFTER_MS);
}
