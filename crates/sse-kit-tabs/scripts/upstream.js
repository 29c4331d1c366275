/** @import { StateMessage, StreamMessage } from './protocol.js' */
import { Backoff } from './backoff.js';
import { SseParser } from './parser.js';
import { stateMessage } from './protocol.js';

/** After how long a server that does not answer is given up. */
const ANSWER_MS = 30_000;
/** For how long a connection has to live before the next failure counts as the first. */
const STABLE_MS = 5_000;
/** A server that asks to wait longer than this is not believed. */
const LONGEST_RETRY_AFTER_S = 300;
/** Client errors that pass. All others are the server's last word. */
const PASSING = [408, 425, 429];

/**
 * The one connection to the server. It uses `fetch` and not `EventSource`, which cannot begin with a
 * last event id, sees neither statuses nor comments, and has no patience to be told.
 */
export class Upstream {
  /** Milliseconds without a byte after which the connection counts as dead; 0 for never. */
  patience = 0;
  #url;
  #fetch;
  #onState;
  #onMessage;
  #cursor = '';
  #backoff = new Backoff();
  #running = new AbortController();
  #wake = () => {};

  /**
   * @param {string} url
   * @param {typeof globalThis.fetch} fetch the browser's own
   * @param {(state: StateMessage) => void} onState
   * @param {(message: StreamMessage) => void} onMessage
   */
  constructor(url, fetch, onState, onMessage) {
    this.#url = url;
    this.#fetch = fetch;
    this.#onState = onState;
    this.#onMessage = onMessage;
  }

  /** @param {string} cursor where to go on from, or '' for now */
  open(cursor) {
    this.close();
    this.#cursor = cursor;
    this.#running = new AbortController();
    this.#run(this.#running.signal);
  }

  /** Says nothing more, from now on. */
  close() {
    this.#running.abort();
    this.#wake();
  }

  /** Does not wait for the next attempt any longer: the network is back. */
  wake() {
    this.#wake();
  }

  /** @param {AbortSignal} signal */
  async #run(signal) {
    while (!signal.aborted) {
      const { ending, retryAfter } = await this.#connect(signal);
      if (signal.aborted) return;
      this.#onState(ending);
      if (ending.state === 'closed') return;
      await this.#pause(this.#backoff.next(retryAfter));
    }
  }

  /** @param {AbortSignal} signal */
  async #connect(signal) {
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    signal.addEventListener('abort', abort);
    let isLate = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    /** @param {number} patience */
    const wait = (patience) => {
      clearTimeout(timer);
      if (!patience) return;
      timer = setTimeout(() => {
        isLate = true;
        abort();
      }, patience);
    };
    let since = Number.POSITIVE_INFINITY;
    try {
      wait(ANSWER_MS);
      const response = await this.#fetch(this.#url, this.#request(attempt.signal));
      const refusal = refusalOf(response);
      if (refusal) return refusal;
      this.patience = 0;
      since = performance.now();
      this.#onState(stateMessage('live'));
      await this.#read(response, signal, () => wait(this.patience));
      return { ending: stateMessage('reconnecting', 'the stream has ended') };
    } catch {
      const ending = isLate ? stateMessage('stale', 'no sign of life') : stateMessage('reconnecting', 'no connection');
      return { ending };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      abort(); // what was refused is not read
      if (performance.now() - since > STABLE_MS) this.#backoff.succeed();
    }
  }

  /**
   * @param {AbortSignal} signal
   * @returns {RequestInit}
   */
  #request(signal) {
    const headers = new Headers({ Accept: 'text/event-stream' });
    if (this.#cursor) headers.set('Last-Event-ID', this.#cursor);
    return { headers, signal, cache: 'no-store', credentials: 'same-origin' };
  }

  /**
   * @param {Response} response
   * @param {AbortSignal} signal
   * @param {() => void} alive
   */
  async #read(response, signal, alive) {
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new SseParser(
      (message) => {
        if (signal.aborted) return;
        this.#cursor = message.id || this.#cursor;
        this.#onMessage(message);
      },
      (milliseconds) => this.#backoff.tell(milliseconds),
    );
    while (reader && !signal.aborted) {
      alive();
      const { done, value } = await reader.read();
      if (done) return;
      parser.push(value);
    }
  }

  /** @param {number} milliseconds */
  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }
}

/**
 * Why an answer is no stream: for good, or for now. A page in its place, such as that of a proxy or
 * a login form, is for now, and is never read as a stream.
 *
 * @param {Response} response
 * @returns {{ending: StateMessage, retryAfter?: number} | undefined}
 */
function refusalOf({ status, ok, headers }) {
  const forGood = status === 204 || (status >= 400 && status < 500 && !PASSING.includes(status));
  if (forGood) return { ending: stateMessage('closed', `the server answers ${status}`, status) };
  const isStream = headers.get('Content-Type')?.startsWith('text/event-stream');
  if (ok && isStream) return undefined;
  const seconds = Number(headers.get('Retry-After')) || 0;
  const retryAfter = Math.min(seconds, LONGEST_RETRY_AFTER_S) * 1000;
  const reason = ok ? 'the answer is no stream' : `the server answers ${status}`;
  return { ending: stateMessage('reconnecting', reason, status), retryAfter };
}
