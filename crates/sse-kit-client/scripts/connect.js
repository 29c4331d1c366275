import { isFinal, isStream, retryAfter } from './answer.js';
import { EventStreamParser } from './parser.js';

/** @import { StreamEvent } from './parser.js' */

/**
 * The outcome of one attempt.
 *
 * @typedef {object} Ending
 * @property {string} reason for people
 * @property {number} status of the answer; 0 when there was none, or when it was a stream
 * @property {boolean} isFinal whether asking again would get the same answer
 * @property {number} retryAfter in milliseconds
 */

/**
 * @typedef {object} Attempt
 * @property {typeof globalThis.fetch} [fetch]
 * @property {RequestInit} init
 * @property {AbortController} control ends it; nothing is called after that. It is aborted at the end
 * @property {() => void} opened is called when the answer is a stream
 * @property {() => void} alive is called for each piece that arrives
 * @property {(event: StreamEvent, retry: number | undefined) => void} receive is called for each event
 */

/**
 * Requests a stream once, and reads it to its end. The request and its body are finished when this returns,
 * even if a callback throws.
 *
 * @param {string} url
 * @param {Attempt} attempt
 * @returns {Promise<Ending>}
 */
export async function connect(url, { fetch = globalThis.fetch, init, control, opened, alive, receive }) {
  const { signal } = control;
  const ending = { status: 0, isFinal: false, retryAfter: 0 };
  try {
    const headers = { ...init.headers, Accept: 'text/event-stream' };
    const response = await fetch(url, { cache: 'no-store', ...init, headers, signal });
    const { status, ok, body } = response;
    if (!ok || !body || !isStream(response.headers)) {
      const reason = ok && body ? 'the answer is no stream' : `status ${status}`;
      return { reason, status, isFinal: isFinal(status), retryAfter: retryAfter(response.headers) };
    }
    opened();
    const parser = new EventStreamParser((event) => {
      if (!signal.aborted) guarded(() => receive(event, parser.retry));
    });
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    while (!signal.aborted) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) break;
      alive();
      parser.push(value);
    }
    return { ...ending, reason: 'the stream has ended' };
  } catch (error) {
    return { ...ending, reason: String(error) };
  } finally {
    control.abort(); // the body of a refused response is not read
  }
}

/**
 * Calls a function of the page, which may throw. The exception is reported, and changes nothing else.
 *
 * @param {() => void} act
 */
export function guarded(act) {
  try {
    act();
  } catch (error) {
    reportError(error);
  }
}
