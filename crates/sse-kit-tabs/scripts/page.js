// The script's part in a page.

/** @import { StreamsConfig } from './streams.js' */
import { TabBus } from './bus.js';
import { sharedEventSource } from './event-source.js';
import { uniqueName } from './locks.js';
import { shareFetch } from './shared-fetch.js';
import { Streams } from './streams.js';

const CONFIG_ID = 'sse-kit-tabs';

/** The number of streams whose last position is kept for their next source. */
const MAX_LOST = 16;

/** Runs once, because a page that htmx replaces may load the script again. */
export function startPage() {
  const block = document.getElementById(CONFIG_ID);
  if (!block) throw new Error(`the page has no settings for its tabs, #${CONFIG_ID}, before their script`);
  if (!(/** @type {any} */ (globalThis).sseKit?.tabs))
    share({ ...JSON.parse(block.textContent ?? ''), worker: ownUrl() });
}

/**
 * The URL of this script, which the worker loads too; empty for an inline script. An element of the page with
 * the name `currentScript` hides the browser's property, so only a script element counts.
 */
function ownUrl() {
  const { currentScript } = document;
  return currentScript instanceof HTMLScriptElement ? currentScript.src : '';
}

/** @param {StreamsConfig} config */
function share(config) {
  const tab = uniqueName();
  const busName = `sse-kit-tabs:${config.identity}`;
  const report = () => {
    for (const detail of upstreams()) dispatchEvent(new CustomEvent('sse-kit:upstream', { detail }));
  };
  const streams = new Streams(config, tab, busName, report);
  const bus = new TabBus(busName, tab, report);
  const upstreams = () =>
    streams.states.map(({ kind, ...state }) => ({ ...state, tabs: bus.count, transport: streams.transport }));
  const SharedEventSource = sharedEventSource(streams);

  const page = /** @type {any} */ (globalThis);
  page.SharedEventSource = SharedEventSource;
  page.sseKit = { ...page.sseKit, tabs: publicFace(bus, streams, upstreams) };
  shareFetch(streams);
  shareWithHtmx2(streams, SharedEventSource);

  addEventListener('pagehide', () => {
    streams.suspend();
    bus.close();
  });
  addEventListener('pageshow', ({ persisted }) => {
    if (!persisted) return;
    bus.open();
    streams.resume();
  });
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) bus.call();
  });
}

/**
 * What scripts of the page may use: `sseKit.tabs`.
 *
 * @param {TabBus} bus
 * @param {Streams} streams
 * @param {() => object[]} upstreams
 */
function publicFace(bus, streams, upstreams) {
  return {
    send: bus.send.bind(bus),
    on: bus.on.bind(bus),
    upstreams,
    get count() {
      return bus.count;
    },
    get transport() {
      return streams.transport;
    },
  };
}

/**
 * Gives htmx 2 its `EventSource`. The extension keeps an existing one, and starts when the document is
 * loaded, so the order of the scripts does not matter.
 *
 * @param {Streams} streams
 * @param {ReturnType<typeof sharedEventSource>} SharedEventSource
 */
function shareWithHtmx2(streams, SharedEventSource) {
  // When the server refuses, htmx creates a new source for the same URL, without the last event id:
  // https://github.com/bigskysoftware/htmx-extensions/issues/184
  /** @type {Map<string, string>} */
  const lost = new Map();
  const hook = () => {
    const { htmx } = /** @type {any} */ (globalThis);
    if (!htmx || htmx.createEventSource?.isShared) return;
    const create = (/** @type {string} */ url) => {
      if (!streams.includes(url)) return new EventSource(url, { withCredentials: true });
      const source = new SharedEventSource(url, { lastEventId: lost.get(url) });
      lost.delete(url);
      source.addEventListener('error', () => {
        if (source.readyState !== SharedEventSource.CLOSED) return;
        lost.set(url, source.lastEventId);
        const [oldest = ''] = lost.keys();
        if (lost.size > MAX_LOST) lost.delete(oldest);
      });
      return source;
    };
    create.isShared = true;
    htmx.createEventSource = create;
  };
  hook();
  document.addEventListener('DOMContentLoaded', hook);
}
