// Looks after the connections of a page, for htmx 2 and htmx 4:
//
// - They are closed when the page is left, and opened when it comes back out of the browser's
//   back/forward cache. A page in that cache would keep them, and six per host are all there are.
//   It goes by `pagehide`: at `beforeunload` the user may still decide to stay. What the monitor watches
//   is left to it.
// - htmx 2 cannot be told not to reconnect; an element with `sse-kit-reconnect="off"` is kept closed.
(() => {
  /**
   * @typedef {object} Powered what htmx keeps at an element
   * @property {{sseEventSource?: EventSource}} [htmx-internal-data] htmx 2
   * @property {{sse?: {reader: ReadableStreamDefaultReader | null}}} [_htmx] htmx 4
   */
  /**
   * @typedef {object} PageGlobals
   * @property {boolean} [sseKitConnection] whether this script has run already
   * @property {{trigger: (element: Element, event: string) => void}} [htmx]
   * @property {{monitor?: {watches: (id: string) => boolean}}} [sseKit]
   */

  const page = /** @type {Window & PageGlobals} */ (window);
  if (page.sseKitConnection) return;
  page.sseKitConnection = true;

  const CONNECTIONS_2 = '[sse-connect], [data-sse-connect]';
  const LISTENERS_2 = '[sse-swap], [data-sse-swap], [hx-trigger*="sse:"], [data-hx-trigger*="sse:"]';

  /**
   * What htmx 2 has to open again.
   * @type {Set<Element>}
   */
  const closed = new Set();

  /**
   * The id that each stream saw last, which a new EventSource does not know.
   * @type {WeakMap<object, string>}
   */
  const lastIds = new WeakMap();

  /** @param {Element} element */
  const powered = (element) => /** @type {Element & Powered} */ (element);

  /** @param {Element} element */
  const sourceOf = (element) => powered(element)['htmx-internal-data']?.sseEventSource;

  /** @param {Element} element */
  const connectAttribute = (element) => (element.hasAttribute('sse-connect') ? 'sse-connect' : 'data-sse-connect');

  /** @param {Element} element */
  const close2 = (element) => {
    const source = sourceOf(element);
    if (!source || source.readyState === EventSource.CLOSED) return;
    source.close();
    closed.add(element);
  };

  /** @param {Element} element */
  const open2 = (element) => {
    const source = sourceOf(element);
    const attribute = connectAttribute(element);
    const id = source && lastIds.get(source);
    if (id) {
      const url = new URL(element.getAttribute(attribute) ?? '', document.baseURI);
      url.searchParams.set('last_event_id', id);
      element.setAttribute(attribute, url.href);
    }
    // This is what the extension connects at; those that listen have to find the new source.
    page.htmx?.trigger(element, 'htmx:afterProcessNode');
    for (const listener of element.querySelectorAll(LISTENERS_2)) {
      if (!listener.matches(CONNECTIONS_2)) page.htmx?.trigger(listener, 'htmx:afterProcessNode');
    }
  };

  document.addEventListener('htmx:sseMessage', (event) => {
    // The detail is the event of the EventSource itself.
    const { target, lastEventId } = /** @type {CustomEvent<MessageEvent>} */ (event).detail;
    if (target && lastEventId) lastIds.set(target, lastEventId);
  });

  document.addEventListener('htmx:sseError', (event) => {
    const element = /** @type {Element} */ (event.target);
    if (element.getAttribute('sse-kit-reconnect') !== 'off') return;
    // Without the attribute the extension has nothing to connect to.
    element.removeAttribute(connectAttribute(element));
    /** @type {CustomEvent<{source?: EventSource}>} */ (event).detail.source?.close();
  });

  /** @param {string} selector */
  const unwatched = (selector) =>
    [...document.querySelectorAll(selector)].filter(({ id }) => !page.sseKit?.monitor?.watches(id));

  addEventListener('pagehide', () => {
    unwatched(CONNECTIONS_2).forEach(close2);
    // htmx 4 comes back by itself, from the id that it saw last.
    for (const element of unwatched('[data-htmx-powered]')) powered(element)._htmx?.sse?.reader?.cancel();
  });

  addEventListener('pageshow', ({ persisted }) => {
    if (!persisted) return;
    for (const element of closed) if (element.isConnected) open2(element);
    closed.clear();
  });
})();
