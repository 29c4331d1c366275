/** The client errors that are temporary. After any other one, the same request would get the same answer. */
const PASSING = [408, 425, 429];

/** The upper bound for `Retry-After`, in milliseconds. */
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
 * Returns whether a response is an event stream. Anything else, such as a login page, must never be parsed as
 * one.
 *
 * @param {Headers} headers
 */
export function isStream(headers) {
  return /^text\/event-stream\b/i.test(headers.get('Content-Type') ?? '');
}

/**
 * Returns the `Retry-After` of a response in milliseconds; 0 if it has none.
 *
 * @param {Headers | undefined} headers
 */
export function retryAfter(headers) {
  const value = headers?.get('Retry-After');
  if (!value) return 0;
  const delay = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Math.min(Math.max(delay || 0, 0), MAX_RETRY_AFTER_MS);
}
