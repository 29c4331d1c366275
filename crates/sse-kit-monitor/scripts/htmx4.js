import { isFinal, isStream, retryAfter } from '../../sse-kit-client/scripts/answer.js';
import { resuming } from '../../sse-kit-htmx/scripts/stream-url.js';

/** @import { Connection } from './connection.js' */

/** A delay that outlives any page, and still fits into `setTimeout`; in milliseconds. */
const FOREVER = 2 ** 31 - 1;

/** Whether the page is in the back/forward cache, or about to enter it. */
let isParked = false;

/** How each connection is carried. @type {WeakMap<Connection, ReturnType<typeof transportOf>>} */
const served = new WeakMap();

/** What the last answer to each asked for by `Retry-After`, in milliseconds. @type {WeakMap<Connection, number>} */
const waits = new WeakMap();

/** @returns {any} */
const htmx4 = () => /** @type {any} */ (window).htmx;

/** @param {Connection} connection what htmx keeps of its stream */
const streamOf = (connection) => /** @type {any} */ (connection.element)?._htmx?.sse;

/** @param {Element | null} element */
const urlFor4 = (element) =>
  element?.getAttribute('hx-sse:connect') ?? element?.getAttribute('data-hx-sse:connect') ?? null;

/**
 * Returns whether a request is for the stream: the element may send others, for pages.
 *
 * @param {Connection} connection
 * @param {any} ctx the request context of htmx
 */
function isForStream(connection, { request }) {
  const url = urlFor4(connection.element);
  const pathOf = (/** @type {string} */ other) => new URL(other, document.baseURI).pathname;
  return url !== null && request.method === 'GET' && pathOf(request.action) === pathOf(url);
}

/**
 * Makes htmx 4 retry with the monitor's backoff: htmx reads the delay before each retry, and gets ours.
 *
 * @param {Connection} connection
 * @param {any} stream
 */
export function instrument(connection, stream) {
  serve(connection);
  Object.assign(stream.config, { reconnectJitter: 0, reconnectMaxDelay: FOREVER });
  Object.defineProperties(stream.config, {
    connectTimeout: { get: () => Math.min(connection.patience, FOREVER) },
    reconnectDelay: {
      get() {
        // A stream that htmx has forgotten does not use the connection's backoff.
        const isOver = isParked || streamOf(connection) !== stream;
        const delay = isOver ? FOREVER : connection.retryDelay(waitOf(connection));
        return delay / 2 ** (stream.attempt - 1);
      },
      set(retry) {
        connection.retry = retry;
      },
    },
  });
}

/**
 * Ends a connection whose element has left the document. htmx dispatches no event for that.
 *
 * @param {Connection} connection
 */
export function endRemoved(connection) {
  if (served.has(connection) && connection.transport && !connection.element) connection.ends('its element is gone');
}

/** @param {Connection} connection */
function waitOf(connection) {
  const wait = waits.get(connection);
  waits.delete(connection);
  return wait;
}

/**
 * Makes htmx a transport of the connection.
 *
 * @param {Connection} connection
 */
function serve(connection) {
  const transport = served.get(connection) ?? transportOf(connection);
  served.set(connection, transport);
  if (!connection.transport) connection.carriedBy(transport);
  return transport;
}

/** @param {Connection} connection */
function transportOf(connection) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const connect = () => {
    clearTimeout(timer);
    timer = undefined;
    const url = urlFor4(connection.element);
    if (url === null || streamOf(connection) || connection.closed) return;
    connection.asks();
    htmx4().ajax('GET', resuming(url, connection.from(url)), { source: connection.element });
  };
  const cut = () => {
    const stream = streamOf(connection);
    if (stream) stream.reader?.cancel();
    else htmx4().trigger(connection.element, 'htmx:abort');
  };
  return {
    cut,
    hurry: () => (timer ? connect() : streamOf(connection)?.delayCanceller?.()),
    stop: () => {
      clearTimeout(timer);
      cut();
    },
    /** Cancels the retry: this element or its replacement has sent a request. */
    begins: () => {
      clearTimeout(timer);
      timer = undefined;
    },
    /** Retries the first request, which htmx itself never does. */
    retryFirst: (/** @type {number} */ atLeast) => {
      clearTimeout(timer);
      timer = setTimeout(connect, connection.retryDelay(atLeast));
    },
  };
}

/**
 * Notes the events of htmx 4 in the connections, and changes some.
 *
 * @param {(name: string, act: (connection: Connection, detail: any, event: Event) => void) => void} on
 * @param {(act: (connection: Connection) => void) => void} all
 */
export function serveHtmx4(on, all) {
  on('htmx:before:request', (connection, { ctx }) => {
    if (!isForStream(connection, ctx) || streamOf(connection)) return;
    serve(connection).begins();
    connection.from(ctx.request.action);
    connection.asks();
    if (connection.state === 'closed') connection.become('connecting', 'asked');
  });
  on('htmx:before:response', (connection, { ctx }, event) => {
    // A response that is no stream, such as a login page, must not be swapped in.
    if (isForStream(connection, ctx) && !isStream(ctx.response.headers)) event.preventDefault();
  });
  on('htmx:finally:request', (connection, { ctx }) => {
    if (!isForStream(connection, ctx) || streamOf(connection) || connection.closed) return;
    const status = ctx.response?.status;
    const reason = status ? `status ${status}` : 'no answer';
    if (isFinal(status)) connection.ends(reason);
    else connection.lost(reason);
    if (connection.closed) return;
    serve(connection).retryFirst(retryAfter(ctx.response?.headers));
  });
  on('htmx:sse:before:connection', (connection, detail, event) => {
    if (detail.connection.attempt === 0) return instrument(connection, detail.connection);
    connection.lost('ended');
    if (connection.closed) event.preventDefault();
    else connection.asks();
  });
  on('htmx:sse:after:connection', (connection, detail) => {
    const { status } = detail.connection;
    if (isFinal(status)) connection.ends(`status ${status}`);
    else connection.opened();
  });
  on('htmx:sse:before:message', (connection, { message }) => {
    connection.receives(message.event || 'message', message.id);
  });
  on('htmx:sse:error', (connection, { status, error }) => {
    if (isFinal(status)) connection.ends(`status ${status}`);
    else connection.lost(String(error?.message));
  });
  on('htmx:sse:close', (connection, detail) => {
    // The element may already have another stream.
    const current = streamOf(connection);
    if (!current || current === detail.connection) connection.ends(detail.reason);
  });
  noteWaits(all);

  addEventListener('pagehide', () => {
    isParked = true;
    all((connection) => streamOf(connection)?.reader?.cancel());
  });
  addEventListener('pageshow', ({ persisted }) => {
    isParked = false;
    if (persisted) all((connection) => served.has(connection) && connection.refresh());
  });
}

/**
 * Reads the headers of refused reconnects in `fetch`, because htmx reports only their status.
 *
 * @param {(act: (connection: Connection) => void) => void} all
 */
function noteWaits(all) {
  const { fetch } = globalThis;
  globalThis.fetch = async (input, init) => {
    const response = await fetch.call(globalThis, input, init);
    const wait = response.ok ? 0 : retryAfter(response.headers);
    all((connection) => wait && streamOf(connection)?.url === input && waits.set(connection, wait));
    return response;
  };
}
