import { isSeen } from './cursor.js';
import { rewind } from './rewind.js';
import { splitCursor } from './stream-url.js';

const CONNECTIONS = '[sse-connect], [data-sse-connect]';
const LISTENERS = '[sse-swap], [data-sse-swap], [hx-trigger*="sse:"], [data-hx-trigger*="sse:"]';

/** @param {Element} element */
const dataOf = (element) =>
  /** @type {Element & {'htmx-internal-data'?: {sseEventSource?: EventSource}}} */ (element)['htmx-internal-data'];

/** @param {Element} element */
const sourceOf = (element) => dataOf(element)?.sseEventSource;

/** @param {Element} element */
const isOpen = (element) => (sourceOf(element)?.readyState ?? EventSource.CLOSED) !== EventSource.CLOSED;

/** @param {Element} element @param {string} event */
const trigger = (element, event) => /** @type {any} */ (window).htmx?.trigger(element, event);

/** @param {Element} element */
const connectAttribute = (element) => (element.hasAttribute('sse-connect') ? 'sse-connect' : 'data-sse-connect');

/** What an element's listeners were made of. @param {Element} element */
const namesOf = (element) =>
  ['sse-swap', 'data-sse-swap', 'sse-close', 'data-sse-close', 'hx-trigger', 'data-hx-trigger']
    .map((name) => element.getAttribute(name))
    .join('|');

/** @param {Element} element */
const askedOf = (element) => splitCursor(element.getAttribute(connectAttribute(element)) ?? '');

/** The id that each stream saw last, which a new EventSource does not know. @type {WeakMap<object, string>} */
const lastIds = new WeakMap();

/**
 * The elements that have a stream, with the stream and cursor that each requested.
 *
 * @type {Map<Element, {stream: string, cursor: string}>}
 */
const connected = new Map();

/**
 * The source and the event names of each element's listeners.
 *
 * @type {WeakMap<Element, {source: object | undefined, names: string}>}
 */
const listening = new WeakMap();

/** Writes the newest cursor of an element into its URL. @param {Element} element */
const writeCursor = (element) => {
  const id = lastIds.get(sourceOf(element) ?? element);
  if (!id) return;
  const attribute = connectAttribute(element);
  const url = new URL(element.getAttribute(attribute) ?? '', document.baseURI);
  url.searchParams.set('last_event_id', id);
  element.setAttribute(attribute, url.href);
  const before = connected.get(element);
  if (before) before.cursor = id;
};

/** Has those within an element that listen find its new source. @param {Element} element */
const listenAnew = (element) => {
  for (const listener of element.querySelectorAll(LISTENERS)) {
    if (!listener.matches(CONNECTIONS)) trigger(listener, 'htmx:afterProcessNode');
  }
};

/**
 * Keeps an element that htmx processes again from getting a second stream.
 *
 * @param {Event} event `htmx:afterProcessNode`, before the extension sees it
 */
const process = (event) => {
  const element = /** @type {Element} */ (event.target);
  if (element.matches(CONNECTIONS)) {
    const asked = askedOf(element);
    const names = namesOf(element);
    const source = sourceOf(element);
    if (source && isOpen(element)) {
      const before = connected.get(element);
      const isSame = before?.stream === asked.stream;
      // The page may have been rendered after a later event than the stream's last one.
      const position = lastIds.get(source) || before?.cursor || '';
      const isBehind = asked.cursor !== '' && position !== '' && !isSeen(asked.cursor, position);
      // Or a morph may have brought content that was rendered after an earlier one.
      const isAhead = asked.cursor !== before?.cursor && asked.cursor !== '' && !isSeen(position, asked.cursor);
      const isLevel = isSame && !isBehind && !isAhead;
      if (isLevel && listening.get(element)?.names === names) return event.preventDefault();
      if (isLevel) writeCursor(element);
      if (isAhead) rewind(element);
      source.close();
      queueMicrotask(() => listenAnew(element));
    }
    connected.set(element, asked);
    listening.set(element, { source: undefined, names });
    // htmx deletes enumerable properties when it processes an element again.
    const data = dataOf(element);
    if (data) {
      const hidden = { value: undefined, writable: true, configurable: true, enumerable: false };
      Object.defineProperty(data, 'sseEventSource', hidden);
    }
  } else if (element.matches(LISTENERS)) {
    let holder = element.parentElement;
    while (holder && !sourceOf(holder)) holder = holder.parentElement;
    const [source, names] = [holder ? sourceOf(holder) : undefined, namesOf(element)];
    const before = listening.get(element);
    if (source && before?.source === source && before.names === names) event.preventDefault();
    else listening.set(element, { source, names });
  }
};

/**
 * @param {(selector: string) => Element[]} unwatched finds elements that no monitor watches
 * @returns {() => void} ends the streams of elements that have left the document
 */
export function serveHtmx2(unwatched) {
  /** What is to be opened again. @type {Set<Element>} */
  const closed = new Set();

  addEventListener('htmx:afterProcessNode', process, true);

  // With a transition per message, browsers skip all but the last, each with an error. A swap that asks for
  // `transition:true` keeps its transition.
  let isMessage = false;
  document.addEventListener('htmx:sseBeforeMessage', () => {
    isMessage = true;
    queueMicrotask(() => {
      isMessage = false;
    });
  });
  document.addEventListener('htmx:beforeTransition', (event) => {
    const swap = /** @type {Element} */ (event.target).closest('[hx-swap], [data-hx-swap]');
    const style = swap?.getAttribute('hx-swap') ?? swap?.getAttribute('data-hx-swap');
    if (isMessage && !style?.includes('transition:true')) event.preventDefault();
  });

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

  // The snapshot has the current content, so it needs the current cursor.
  document.addEventListener('htmx:beforeHistorySave', () =>
    document.querySelectorAll(CONNECTIONS).forEach(writeCursor),
  );

  addEventListener('pagehide', () => {
    for (const element of unwatched(CONNECTIONS)) {
      if (!isOpen(element)) continue;
      sourceOf(element)?.close();
      closed.add(element);
    }
  });

  addEventListener('pageshow', ({ persisted }) => {
    if (!persisted) return;
    for (const element of closed) {
      if (!element.isConnected) continue;
      writeCursor(element);
      // The extension connects when it finds this attribute.
      trigger(element, 'htmx:afterProcessNode');
      listenAnew(element);
    }
    closed.clear();
  });

  return () => {
    for (const element of connected.keys()) {
      if (element.isConnected) continue;
      connected.delete(element);
      sourceOf(element)?.close();
      // The extension would notice only at the next event, and there is none.
      dispatchEvent(new CustomEvent('sse-kit:removed', { detail: element.id }));
    }
  };
}
