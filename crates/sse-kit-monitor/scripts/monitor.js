// Monitors the connections of a page, shows their state, and reconnects them: with htmx 2, with htmx 4 and
// without htmx. The configuration is in blocks `<script type="application/json" data-sse-kit-monitor>`.

import { splitCursor } from '../../sse-kit-htmx/scripts/stream-url.js';
import { Connection } from './connection.js';
import { observe, open, serveHtmx2 } from './htmx2.js';
import { endRemoved, instrument, serveHtmx4 } from './htmx4.js';
import { hide, show } from './overlay.js';
import { reload, watchFields } from './reload.js';

/** By the ids of their elements. @type {Map<string, Connection>} */
const connections = new Map();

/** Blocks that have been read. @type {WeakSet<Element>} */
const blocks = new WeakSet();

/** Finds the configuration blocks of the page. */
function discover() {
  for (const block of document.querySelectorAll('script[data-sse-kit-monitor]')) {
    if (blocks.has(block)) continue;
    blocks.add(block);
    const config = JSON.parse(block.textContent ?? '');
    const known = connections.get(config.connection);
    if (known) {
      known.block = block;
      continue;
    }
    const connection = new Connection(config, show);
    connection.block = block;
    connections.set(config.connection, connection);
    show(connection);
    adopt(connection);
  }
}

/** Forgets the connections that have no transport, and neither an element nor a block in the document. */
function forget() {
  for (const [id, connection] of connections) {
    if (connection.element || connection.transport || connection.block?.isConnected) continue;
    connections.delete(id);
    hide(connection);
  }
}

/**
 * Takes over a connection that was opened before this script ran.
 *
 * @param {Connection} connection
 */
function adopt(connection) {
  const element = /** @type {any} */ (connection.element);
  const [stream, source] = [element?._htmx?.sse, element?.['htmx-internal-data']?.sseEventSource];
  if (stream) {
    connection.from(stream.url);
    instrument(connection, stream);
    connection.asks();
    if (stream.reader) connection.opened();
  } else if (source) {
    observe(connection, source);
  }
}

/** @param {string} id */
function find(id) {
  if (!connections.has(id)) discover();
  return connections.get(id);
}

/** @param {string} url */
function connectionTo(url) {
  discover();
  const candidates = [...connections.values()].filter(({ element }) => urlOf(element) === url);
  // Two elements may have the same URL.
  return candidates.find(({ transport, closed }) => !transport || closed) ?? candidates[0];
}

/** @param {Element | null} element */
function urlOf(element) {
  const attributes = ['hx-sse:connect', 'data-hx-sse:connect', 'sse-connect', 'data-sse-connect'];
  return attributes.map((name) => element?.getAttribute(name)).find(Boolean);
}

/** @param {Connection} connection */
const isUnused = ({ element, transport }) => !urlOf(element) && !transport;

/**
 * Returns whether a connection is to this stream, regardless of its cursor.
 *
 * @param {Connection} connection
 * @param {string} url absolute, and without a cursor
 */
function isTo({ element }, url) {
  const own = urlOf(element);
  return !!own && splitCursor(own).stream === url;
}

/** @type {Parameters<typeof serveHtmx4>[0]} */
function on(name, act) {
  // Registered after the page's own listeners, which may prevent the default reaction.
  addEventListener(name, (event) => {
    const { target, detail } = /** @type {CustomEvent} */ (event);
    const connection = target instanceof Element && target.id ? find(target.id) : undefined;
    if (connection) act(connection, detail, event);
  });
}

/** @param {(connection: Connection) => void} act */
const all = (act) => connections.forEach(act);

function start() {
  serveHtmx4(on, all);
  watchFields();
  // A page that reads these sources reconnects them itself.
  on('htmx:sseOpen', (connection, { source }) => observe(connection, source));
  on('htmx:sseClose', (connection, { type }) => connection.ends(type));
  addEventListener('sse-kit:removed', (event) => {
    const id = /** @type {CustomEvent<string>} */ (event).detail;
    // Unless another element has taken its place.
    if (!document.getElementById(id)) connections.get(id)?.ends('removed');
  });
  addEventListener('sse-kit:rewound', (event) => {
    connections.get(/** @type {CustomEvent<string>} */ (event).detail)?.forgets();
  });
  for (const name of ['hello', 'heartbeat', 'shutdown', 'busy', 'close']) {
    on(`sse-kit:${name}`, (connection, { data }) => connection.hears(name, data));
  }
  on('sse-kit:gap', (connection, _, event) => {
    if (connection.config.gap !== 'report' && !event.defaultPrevented) reload(connection);
  });

  // Only the tab or worker with the connection knows the state of a shared stream.
  const heed = (/** @type {any} */ { url, state, reason }) => {
    const found = [...connections.values()].filter((connection) => isTo(connection, url));
    for (const connection of found) connection.shares(state, reason);
    // A source of a page without htmx reports no state. If no connection claims a shared stream, it belongs
    // to the one connection without a transport.
    const idle = [...connections.values()].filter(isUnused);
    if (!found.length && idle.length === 1) idle[0]?.follows(state, reason);
  };
  addEventListener('sse-kit:upstream', (event) => heed(/** @type {CustomEvent} */ (event).detail));
  document.addEventListener('visibilitychange', () => {
    all((connection) => {
      const stream = /** @type {any} */ (connection.element)?._htmx?.sse;
      connection.seen(document.hidden, stream?.config.pauseOnBackground);
    });
  });
  addEventListener('offline', () => all((connection) => connection.closed || connection.become('offline', 'offline')));
  const heedAll = () => page.sseKit.tabs?.upstreams().forEach(heed);
  addEventListener('online', () => {
    all((connection) => connection.state === 'offline' && connection.refresh());
    heedAll();
  });

  // A status element may be added late, and the page may remove a connection's element without htmx.
  new MutationObserver(() => {
    all((connection) => {
      endRemoved(connection);
      connection.repaint();
    });
    setTimeout(forget); // moving a block may remove it first
  }).observe(document, {
    childList: true,
    subtree: true,
  });

  // A page in the back/forward cache would keep its connections, and six per host are all there are.
  addEventListener('pagehide', () => all((connection) => connection.parks()));
  addEventListener('pageshow', ({ persisted }) => persisted && all((connection) => connection.resumes()));

  const begin = () => {
    const { htmx } = /** @type {any} */ (window);
    if (htmx && !htmx.version?.startsWith('4')) serveHtmx2(htmx, connectionTo);
    discover();
    heedAll();
  };
  begin();
  // htmx and the blocks may load later.
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', begin);
}

const page = /** @type {any} */ (window);
// A page that htmx replaces may load this script again.
if (!page.sseKit?.monitor) {
  page.sseKit = {
    ...page.sseKit,
    monitor: {
      /**
       * Returns whether the connection of the element with this id is monitored.
       *
       * @param {string} id
       */
      watches: (id) => find(id) !== undefined,
      /**
       * Opens a monitored `EventSource`, in a page without htmx.
       *
       * @param {string} id of the element that the connection is configured for
       * @param {string} url
       */
      open(id, url) {
        const connection = find(id);
        if (!connection) throw new Error(`no monitor is configured for #${id}`);
        return open(connection, url);
      },
    },
  };
  start();
}
