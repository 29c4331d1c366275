// htmx 4 reads streams by `fetch`, and its reconnects call the global one.

/** @import { StateMessage, StreamMessage } from './protocol.js' */
/** @import { Streams } from './streams.js' */
/** @import { Subscription } from './subscription.js' */

const EVENT_STREAM = 'text/event-stream';

/**
 * Makes `fetch` answer requests for shared streams from the one connection. Other requests are left alone.
 * The `Accept` header does not tell them apart: htmx 4 accepts event streams with every request.
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
    return respond(streams, input, headers.get('Last-Event-ID') ?? '', init?.signal);
  };
  globalThis.fetch = fetch;
}

/**
 * Answers one request with the stream, from the requested position.
 *
 * @param {Streams} streams
 * @param {string | URL} url
 * @param {string} cursor
 * @param {AbortSignal | null} [signal]
 * @returns {Promise<Response>}
 */
function respond(streams, url, cursor, signal) {
  return new Promise((answer, refuse) => {
    /** @type {ReadableStreamDefaultController<Uint8Array> | undefined} */
    let controller;
    /** @type {Subscription | undefined} */
    let subscription;
    let isAnswered = false;
    const encoder = new TextEncoder();

    const leave = () => {
      controller = undefined;
      if (subscription) streams.unsubscribe(subscription);
    };
    const body = new ReadableStream({
      start: (its) => {
        controller = its;
      },
      cancel: leave,
    });
    const abort = () => {
      if (isAnswered) controller?.error(signal?.reason);
      refuse(signal?.reason);
      leave();
    };
    if (signal?.aborted) return abort();
    signal?.addEventListener('abort', abort, { once: true });

    /** @param {StateMessage} message */
    const enter = ({ state, status }) => {
      if (!controller) return;
      if (state === 'live' && !isAnswered) {
        isAnswered = true;
        answer(new Response(body, { headers: { 'Content-Type': EVENT_STREAM } }));
      } else if (state === 'closed') {
        // The server wants no more requests. htmx would send one every half second after a 204, or after the
        // end of its stream, so this response stays open: the page learns of it by `sse-kit:upstream`.
        if (isAnswered || (status < 400 && (cursor || !status))) return;
        isAnswered = true;
        answer(new Response(null, { status }));
        leave();
      } else if (isAnswered && state === 'reconnecting') {
        controller.close(); // the client notices the lost connection, and reconnects
        leave();
      }
      // The request is not answered yet, and the server is away. Waiting is better than failing, because the
      // retries of htmx would add to those of the shared stream.
    };
    subscription = streams.subscribe(url, cursor, {
      onState: enter,
      onMessage: (message) => controller?.enqueue(encoder.encode(textOf(message))),
    });
  });
}

/** @param {StreamMessage} message */
function textOf({ id, event, data }) {
  const fields = [];
  if (id) fields.push(`id: ${id}`);
  if (event !== 'message') fields.push(`event: ${event}`);
  for (const line of data.split('\n')) fields.push(`data: ${line}`);
  return `${fields.join('\n')}\n\n`;
}
