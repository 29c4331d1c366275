// Looks after the connections of a page, for htmx 2 and htmx 4:
//
// - They are closed when the page is left, and opened when it comes back out of the browser's
//   back/forward cache. A page in that cache would keep them, and six per host are all there are.
//   It goes by `pagehide`: at `beforeunload` the user may still decide to stay.
// - htmx 2 cannot be told not to reconnect; an element with `sse-kit-reconnect="off"` is kept closed.
(() => {
  const ONCE = Symbol.for('sse-kit-connection');
  if (window[ONCE]) return;
  window[ONCE] = true;

  const CONNECTIONS_2 = '[sse-connect], [data-sse-connect]';
  const LISTENERS_2 = '[sse-swap], [data-sse-swap], [hx-trigger*="sse:"], [data-hx-trigger*="sse:"]';

  /** @param {Element} element */
  const sourceOf = (element) => /** @type {EventSource | undefined} */ (element['htmx-internal-data']?.sseEventSource);

  /** @param {Element} element */
  const connectAttribute = (element) => (element.hasAttribute('sse-connect') ? 'sse-connect' : 'data-sse-connect');

  /**
   * What htmx 2 has to open again, and the id it saw last, which a new EventSource does not know.
   * @type {Set<Element>}
   */
  const closed = new Set();
  /** @type {WeakMap<EventSource, string>} */
  const lastIds = new WeakMap();

  document.addEventListener('htmx:sseMessage', ({ target, detail }) => {
    // The source is not in the detail of what is a MessageEvent, but it is the event's target.
    if (detail?.lastEventId && detail.target) lastIds.set(detail.target, detail.lastEventId);
  });

  /** @param {Element} element */
  const close2 = (element) => {
    const source = sourceOf(element);
    if (!source || source.readyState === EventSource.CLOSED) return;
    source.close();
    closed.add(element);
  };

  /** @param {Element} element */
  const open2 = (element) => {
    const id = lastIds.get(sourceOf(element));
    const attribute = connectAttribute(element);
    if (id) {
      const url = new URL(element.getAttribute(attribute), document.baseURI);
      url.searchParams.set('last_event_id', id);
      element.setAttribute(attribute, url.href);
    }
    // This is what the extension connects at; those that listen have to find the new source.
    htmx.trigger(element, 'htmx:afterProcessNode');
    for (const listener of element.querySelectorAll(LISTENERS_2)) {
      if (!listener.matches(CONNECTIONS_2)) htmx.trigger(listener, 'htmx:afterProcessNode');
    }
  };

  addEventListener('pagehide', () => {
    document.querySelectorAll(CONNECTIONS_2).forEach(close2);
    // htmx 4 comes back by itself, from the id that it saw last.
    for (const element of document.querySelectorAll('[data-htmx-powered]')) element._htmx?.sse?.reader?.cancel();
  });

  addEventListener('pageshow', ({ persisted }) => {
    if (!persisted) return;
    for (const element of closed) if (element.isConnected) open2(element);
    closed.clear();
  });

  document.addEventListener('htmx:sseError', ({ target, detail }) => {
    if (target.getAttribute('sse-kit-reconnect') !== 'off') return;
    // Without the attribute the extension has nothing to connect to.
    target.removeAttribute(connectAttribute(target));
    detail.source?.close();
  });
})();
