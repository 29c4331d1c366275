/** @import { Connection } from './connection.js' */

/** @type {WeakMap<Connection, HTMLElement>} */
const panels = new WeakMap();

/**
 * Removes a connection's part of the overlay.
 *
 * @param {Connection} connection
 */
export function hide(connection) {
  panels.get(connection)?.remove();
}

/**
 * Shows a connection in the overlay for developers.
 *
 * @param {Connection} connection
 */
export function show(connection) {
  const { config, state, closed, lastEvent, cursor, latency, reconnects } = connection;
  if (!config.overlay || !document.body) return;
  const panel = panels.get(connection) ?? document.createElement('pre');
  panels.set(connection, panel);
  panel.dataset.sseKitOverlay = config.connection;
  panel.ariaHidden = 'true';
  // Styles are set as properties, which no content security policy forbids.
  Object.assign(panel.style, {
    position: 'sticky',
    bottom: '0',
    margin: '0',
    padding: '.5em 1em',
    whiteSpace: 'pre-wrap',
    overflowWrap: 'anywhere',
    background: '#222',
    color: '#eee',
    font: '12px/1.5 monospace',
    zIndex: '9999',
  });
  panel.textContent = [
    `${config.connection}: ${state}${closed ? ` (${closed})` : ''}`,
    `last event ${lastEvent || '-'}, last id ${cursor || '-'}`,
    `heartbeat ${latency === undefined ? '-' : `${Math.round(latency)} ms late`}, reconnects ${reconnects}`,
  ].join('\n');
  if (!panel.isConnected) document.body.append(panel);
}
