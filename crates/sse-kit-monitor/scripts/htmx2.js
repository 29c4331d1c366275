import { BUSY, CLOSE, GAP, HEARTBEAT, HELLO, SHUTDOWN } from '../../sse-kit-client/scripts/control.js';
import { MonitoredEventSource } from './source.js';

/** @import { Connection } from './connection.js' */

/** The names of the control events, for which an `EventSource` needs listeners. */
const CONTROL = [HELLO, HEARTBEAT, GAP, SHUTDOWN, BUSY, CLOSE];

/** @type {WeakSet<EventTarget>} */
const observed = new WeakSet();

/**
 * Opens a monitored source, for htmx 2 and for pages without htmx.
 *
 * @param {Connection} connection
 * @param {string} url
 */
export function open(connection, url) {
  const source = new MonitoredEventSource(url, connection);
  connection.asks();
  connection.become('connecting', 'opened');
  observe(connection, source);
  return source;
}

/**
 * Notes the events of a source in its connection.
 *
 * @param {Connection} connection
 * @param {EventTarget & Pick<EventSource, 'readyState' | 'close'>} source
 */
export function observe(connection, source) {
  if (observed.has(source)) return;
  observed.add(source);
  const isOurs = source instanceof MonitoredEventSource;
  /** @param {Event} event */
  const receives = (event) => {
    const { type, data, lastEventId } = /** @type {MessageEvent} */ (event);
    if (!isOurs) connection.receives(type, lastEventId);
    if (type === 'message') return;
    // htmx 4 dispatches this event itself, in this form.
    const init = { bubbles: true, cancelable: true, detail: { data, id: lastEventId } };
    connection.element?.dispatchEvent(new CustomEvent(type, init));
  };
  for (const name of ['message', ...CONTROL]) source.addEventListener(name, receives);
  if (isOurs) return;

  source.addEventListener('open', () => connection.opened());
  source.addEventListener('error', () => connection.lost('error'));
  connection.from(/** @type {EventSource} */ (source).url);
  connection.carriedBy({
    cut: () => {
      // htmx creates another source when it finds this one closed.
      source.close();
      source.dispatchEvent(new Event('error'));
    },
    hurry: () => {},
    stop: () => source.close(),
  });
  connection.asks();
  if (source.readyState === EventSource.OPEN) connection.opened();
}

/**
 * Gives htmx 2 our sources for monitored elements.
 *
 * @param {any} htmx
 * @param {(url: string) => Connection | undefined} connectionTo
 */
export function serveHtmx2(htmx, connectionTo) {
  const other = htmx.createEventSource;
  // A source that tabs share reconnects by itself.
  if (other?.isShared) return;
  htmx.createEventSource = (/** @type {string} */ url) => {
    const connection = connectionTo(url);
    if (connection) return open(connection, url);
    return other ? other(url) : new EventSource(url, { withCredentials: true });
  };
}
