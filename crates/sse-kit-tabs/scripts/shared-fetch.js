// htmx 4 reads streams by `fetch`, and its reconnects call the global one.

/** @import { StateMessage, StreamMessage } from './protocol.js' */
/** @import { Streams } from './streams.js' */
/** @import { Subscription } from './subscription.js' */

const EVENT_STREAM = 'text/event-stream';

/**
 * Makes `fetch` answer requests for shared streams from the one connection. All others it leaves as
 * they are: htmx 4 accepts event streams with every request, so that says nothing.
 *
 * @param {Streams} streams
 */
export function shareFetch(streams) {
  const nativeFetch = globalThis.fetch;
  /** @type {typeof globalThis.fetch} */
  const fetch = (input, init) => {
    const isPlain = typeof input === 'string' || input instanceof URL;
    if (!isPlain || (init?.method ?? 'GET').toUpperCase() !== 'GET' || !streams.includes(input)) {
      return nativeFetch.call(globalThis, input, init);
    }
    const headers = new Headers(init?.headers);
    if (!headers.get('Accept')?.includes(EVENT_STREAM)) return nativeFetch.call(globalThis, input, init);
    return new SharedResponse(streams, input, headers.get('Last-Event-ID') ?? '', init?.signal).ready;
  };
  globalThis.fetch = fetch;
}

/** The answer to one request: the stream, from where the request says. */
class SharedResponse {
  /** @type {Promise<Response>} */
  ready;
  #streams;
  #isResumed;
  #subscription;
  /** @type {(response: Response) => void} */
  #answer = () => {};
  /** @type {(reason: unknown) => void} */
  #refuse = () => {};
  /** @type {ReadableStreamDefaultController<Uint8Array> | undefined} */
  #controller;
  #body;
  #isAnswered = false;
  #encoder = new TextEncoder();

  /**
   * @param {Streams} streams
   * @param {string | URL} url
   * @param {string} cursor
   * @param {AbortSignal | null} [signal]
   */
  constructor(streams, url, cursor, signal) {
    this.#streams = streams;
    this.#isResumed = cursor !== '';
    this.ready = new Promise((answer, refuse) => {
      this.#answer = answer;
      this.#refuse = refuse;
    });
    this.#body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => this.#leave(),
    });
    if (signal?.aborted) {
      this.#refuse(signal.reason);
      return;
    }
    signal?.addEventListener('abort', () => this.#abort(signal.reason), { once: true });
    /** @type {Subscription | undefined} */
    this.#subscription = streams.subscribe(url, cursor, {
      onState: (state) => this.#enter(state),
      onMessage: (message) => this.#controller?.enqueue(this.#encoder.encode(textOf(message))),
    });
  }

  /** @param {StateMessage} state */
  #enter({ state, status }) {
    if (!this.#controller) return;
    if (state === 'live' && !this.#isAnswered) {
      this.#isAnswered = true;
      this.#answer(new Response(this.#body, { headers: { 'Content-Type': EVENT_STREAM } }));
    } else if (state === 'closed') {
      this.#close(status);
    } else if (this.#isAnswered && state === 'reconnecting') {
      this.#end();
    }
    // Not answered yet, and the server is away: to wait until it is back is better than to fail, as
    // the waiting times of htmx would come on top of the hub's.
  }

  /**
   * The server wants no more requests. htmx would make one every half second after a 204, or after
   * the end of its stream, so there is neither: the page learns by `sse-kit:upstream`.
   *
   * @param {number} status
   */
  #close(status) {
    if (this.#isAnswered || (status < 400 && (this.#isResumed || !status))) return;
    this.#isAnswered = true;
    this.#answer(new Response(null, { status }));
    this.#leave();
  }

  /** The client sees that the connection is lost, and asks again. */
  #end() {
    this.#controller?.close();
    this.#leave();
  }

  /** @param {unknown} reason */
  #abort(reason) {
    if (this.#isAnswered) this.#controller?.error(reason);
    this.#refuse(reason);
    this.#leave();
  }

  #leave() {
    this.#controller = undefined;
    if (this.#subscription) this.#streams.unsubscribe(this.#subscription);
  }
}

/** @param {StreamMessage} message */
function textOf({ id, event, data }) {
  const fields = [];
  if (id) fields.push(`id: ${id}`);
  if (event !== 'message') fields.push(`event: ${event}`);
  for (const line of data.split('\n')) fields.push(`data: ${line}`);
  return `${fields.join('\n')}\n\n`;
}
