import { isSeen, later } from './cursor.js';
import { splitCursor } from './stream-url.js';

/**
 * @typedef {object} Stream what htmx keeps of a stream
 * @property {ReadableStreamDefaultReader | null} reader
 * @property {number} attempt
 * @property {string} lastEventId
 */

const ATTRIBUTES = ['hx-sse:connect', 'data-hx-sse:connect'];

/** @param {Element} element */
const htmxOf = (element) => /** @type {Element & {_htmx?: {sse?: Stream}}} */ (element)._htmx;

/** @param {Element} element */
const urlOf = (element) => ATTRIBUTES.map((name) => element.getAttribute(name)).find(Boolean);

/** The elements that have a stream. @type {Set<Element>} */
const connected = new Set();

/**
 * @typedef {object} Request what htmx knows of a request
 * @property {Element} sourceElement
 * @property {{action: string, method: string, abort: () => void}} request
 */

/** Requests that wait for the first answer of a stream, by the elements that sent them. @type {Map<Element, Request>} */
const asking = new Map();

/** Up to where the content of an element was rendered while its stream went on. @type {WeakMap<Element, string>} */
const rendered = new WeakMap();

/**
 * Keeps the URL of an element that goes on with the same stream: htmx would forget the stream that it
 * has, and open another. What the stream still brings of the content that was rendered is passed over.
 *
 * @param {Element} oldNode
 * @param {Node} newNode
 */
function keepUrl(oldNode, newNode) {
  if (!(newNode instanceof Element)) return;
  for (const name of ATTRIBUTES) {
    const [own, other] = [oldNode.getAttribute(name), newNode.getAttribute(name)];
    if (!own || !other) continue;
    const { stream, cursor } = splitCursor(other);
    if (splitCursor(own).stream !== stream) continue;
    newNode.setAttribute(name, own);
    const current = htmxOf(oldNode)?.sse;
    rendered.set(oldNode, later(rendered.get(oldNode) ?? '', cursor));
    if (current) current.lastEventId = later(cursor, current.lastEventId);
  }
}

/**
 * Keeps an element from asking twice for its stream. htmx asks each time it processes an element that has
 * none yet, as after a morph, and the second answer would repeat what the first has brought.
 *
 * @param {Event} event before a request is put in line, or sent
 */
function askOnce(event) {
  const { ctx } = /** @type {CustomEvent<{ctx: Request}>} */ (event).detail;
  const { sourceElement: element, request } = ctx;
  const url = urlOf(element);
  if (!url || request.method !== 'GET') return;
  const { stream } = splitCursor(url);
  if (splitCursor(request.action).stream !== stream) return;
  const other = asking.get(element);
  if (htmxOf(element)?.sse || (other && splitCursor(other.request.action).stream === stream)) {
    event.preventDefault();
    return;
  }
  other?.request.abort(); // for the stream that the element had before
  if (event.type.endsWith('before:request')) asking.set(element, ctx);
}

/** @param {Event} event after a request */
function noteAnswer(event) {
  const { ctx } = /** @type {CustomEvent<{ctx: Request}>} */ (event).detail;
  if (asking.get(ctx.sourceElement) === ctx) asking.delete(ctx.sourceElement);
}

/**
 * @param {(selector: string) => Element[]} unwatched finds elements that no monitor watches
 * @returns {() => void} ends the streams of elements that have left the document
 */
export function serveHtmx4(unwatched) {
  /**
   * Ends the loop of a stream that htmx has forgotten, without the new one of its element.
   *
   * @param {Event} event of a stream
   */
  const endForgotten = (event) => {
    const { target, detail } = /** @type {CustomEvent<{connection: Stream, message?: {id: string, event: string}}>} */ (
      event
    );
    const element = /** @type {Element} */ (target);
    connected.add(element);
    const htmx = htmxOf(element);
    const current = htmx?.sse;
    if (current === detail.connection) {
      const { id = '', event: name = '' } = detail.message ?? {};
      const isShown = id !== '' && !name.startsWith('sse-kit:') && isSeen(id, rendered.get(element) ?? '');
      if (isShown) event.preventDefault();
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!htmx || !current || event.type.endsWith('message')) return;
    // The loop ends now, and takes with it whatever stands here.
    htmx.sse = undefined;
    queueMicrotask(() => {
      htmx.sse ??= current;
    });
  };
  addEventListener('htmx:config:request', askOnce, true);
  addEventListener('htmx:before:request', askOnce, true);
  addEventListener('htmx:finally:request', noteAnswer, true);
  addEventListener('htmx:sse:before:connection', endForgotten, true);
  addEventListener('htmx:sse:before:message', endForgotten, true);

  // Each message would wait for the transition of the one before, about 0.4 s, and the page fall behind.
  // What says `transition:true` has one.
  addEventListener(
    'htmx:before:swap',
    (event) => {
      const { ctx, tasks } = /** @type {CustomEvent} */ (event).detail;
      if (!ctx.response?.headers.get('Content-Type')?.includes('text/event-stream')) return;
      for (const task of tasks) {
        task.swapSpec ??= {};
        task.swapSpec.transition ??= false;
      }
    },
    true,
  );

  const register = () => {
    const { htmx } = /** @type {any} */ (window);
    if (!htmx?.registerExtension) return;
    htmx.registerExtension('sse-kit-connection', {
      /** @type {(element: Element, detail: {oldNode: Element, newNode: Node}) => void} */
      htmx_before_morph_node: (_, { oldNode, newNode }) => keepUrl(oldNode, newNode),
    });
  };
  // htmx may be deferred, or stand further down.
  if (/** @type {any} */ (window).htmx) register();
  else document.addEventListener('DOMContentLoaded', register);

  addEventListener('pagehide', () => {
    // htmx comes back by itself, from the id that it saw last.
    for (const element of unwatched('[data-htmx-powered]')) htmxOf(element)?.sse?.reader?.cancel();
  });

  return () => {
    for (const [element, { request }] of asking) {
      if (!element.isConnected) request.abort();
    }
    for (const element of connected) {
      if (element.isConnected) continue;
      connected.delete(element);
      htmxOf(element)?.sse?.reader?.cancel();
    }
  };
}
