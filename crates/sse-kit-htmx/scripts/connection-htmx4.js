import { isSeen, later } from './cursor.js';
import { rewind } from './rewind.js';
import { resuming, splitCursor } from './stream-url.js';

/**
 * @typedef {object} Stream what htmx keeps of a stream
 * @property {ReadableStreamDefaultReader | null} reader
 * @property {number} attempt
 * @property {string} lastEventId
 * @property {{abort: () => void}} [abortController] of its request
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

/** What htmx made an element's stream of, beside its URL. @param {Element} element */
const hxOf = (element) =>
  [...element.attributes]
    .filter(({ name }) => /^(data-)?hx-/.test(name) && !ATTRIBUTES.includes(name))
    .map(({ name, value }) => `${name}=${value}`)
    .sort()
    .join();

/**
 * Keeps the stream of an element that is morphed, where its content allows. The cursor in new content says
 * up to where it was rendered. What the stream still brings of that is passed over; and content that is older
 * than the stream has its stream opened anew, from where it was rendered.
 *
 * @param {Element} oldNode
 * @param {Node} newNode
 */
function keepStream(oldNode, newNode) {
  if (!(newNode instanceof Element)) return;
  for (const name of ATTRIBUTES) {
    const [own, other] = [oldNode.getAttribute(name), newNode.getAttribute(name)];
    if (!own || !other) continue;
    const [begun, asked] = [splitCursor(own), splitCursor(other)];
    if (begun.stream !== asked.stream) continue;
    const current = htmxOf(oldNode)?.sse;
    const position = later(begun.cursor, current?.lastEventId ?? '');
    if (asked.cursor && !isSeen(position, asked.cursor)) {
      rewind(oldNode);
      oldNode.removeAttribute(name); // htmx opens it anew when the attribute changes
      continue;
    }
    if (hxOf(oldNode) !== hxOf(newNode)) {
      // htmx opens it anew, and content without a cursor is taken for that of now.
      if (!asked.cursor) newNode.setAttribute(name, resuming(other, position));
      continue;
    }
    // htmx would forget the stream, and open another.
    newNode.setAttribute(name, own);
    passOver(oldNode, asked.cursor);
  }
}

/**
 * Notes up to where content was rendered that came while the stream of an element went on.
 *
 * @param {Element} element
 * @param {string} cursor
 */
function passOver(element, cursor) {
  rendered.set(element, later(rendered.get(element) ?? '', cursor));
  const current = htmxOf(element)?.sse;
  if (current) current.lastEventId = later(cursor, current.lastEventId);
}

/**
 * Notes up to where content was rendered that is about to come around elements that are preserved.
 *
 * @param {DocumentFragment} fragment
 */
function passOverPreserved(fragment) {
  for (const kept of fragment.querySelectorAll('[hx-preserve], [data-hx-preserve]')) {
    const element = document.getElementById(kept.id);
    const [own, other] = [element && urlOf(element), urlOf(kept)];
    if (!element || !own || !other) continue;
    const { stream, cursor } = splitCursor(other);
    if (splitCursor(own).stream === stream) passOver(element, cursor);
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
  const asked = splitCursor(request.action);
  if (splitCursor(url).stream !== asked.stream) return;
  const other = asking.get(element);
  const before = other && splitCursor(other.request.action);
  const isAsked = before?.stream === asked.stream && (!asked.cursor || isSeen(before.cursor, asked.cursor));
  if (htmxOf(element)?.sse || isAsked) {
    event.preventDefault();
    return;
  }
  other?.request.abort(); // for another stream, or from a later event
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
    const { target, detail } =
      /** @type {CustomEvent<{connection?: Stream, message?: {id: string, event: string}}>} */ (event);
    const element = /** @type {Element} */ (target);
    connected.add(element);
    const htmx = htmxOf(element);
    const current = htmx?.sse;
    if (!detail.connection) return; // an error of the answer to the request itself
    if (current === detail.connection) {
      const { id = '', event: name = '' } = detail.message ?? {};
      const isShown = id !== '' && !name.startsWith('sse-kit:') && isSeen(id, rendered.get(element) ?? '');
      if (isShown) event.preventDefault();
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!event.type.endsWith('before:connection')) {
      // Forgotten while it waited to be tried again, it is tried all the same.
      detail.connection.abortController?.abort();
      return;
    }
    if (!htmx || !current) return;
    // The loop ends now, and would take with it whatever stands here. It looks once, before all others.
    Object.defineProperty(htmx, 'sse', {
      configurable: true,
      get() {
        delete htmx.sse;
        htmx.sse = current;
      },
    });
  };
  addEventListener('htmx:config:request', askOnce, true);
  addEventListener('htmx:before:request', askOnce, true);
  addEventListener('htmx:finally:request', noteAnswer, true);
  addEventListener('htmx:sse:before:connection', endForgotten, true);
  addEventListener('htmx:sse:after:connection', endForgotten, true);
  addEventListener('htmx:sse:error', endForgotten, true);
  addEventListener('htmx:sse:before:message', endForgotten, true);

  // Each message would wait for the transition of the one before, about 0.4 s, and the page fall behind.
  // What says `transition:true` has one.
  addEventListener(
    'htmx:before:swap',
    (event) => {
      const { ctx, tasks } = /** @type {CustomEvent} */ (event).detail;
      for (const { fragment } of tasks) passOverPreserved(fragment);
      if (!ctx.response?.headers.get('Content-Type')?.includes('text/event-stream')) return;
      for (const task of tasks) {
        task.swapSpec ??= {};
        task.swapSpec.transition ??= false;
        // htmx finds the target once, for all messages, and it may have been replaced since.
        const { target } = task;
        if (target?.isConnected === false) task.target = document.getElementById(target.id) ?? target;
      }
    },
    true,
  );

  const register = () => {
    const { htmx } = /** @type {any} */ (window);
    if (!htmx?.registerExtension) return;
    htmx.registerExtension('sse-kit-connection', {
      /** @type {(element: Element, detail: {oldNode: Element, newNode: Node}) => void} */
      htmx_before_morph_node: (_, { oldNode, newNode }) => keepStream(oldNode, newNode),
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
      if (element.isConnected) continue;
      asking.delete(element); // the end of its request is not heard of
      request.abort();
    }
    for (const element of connected) {
      if (element.isConnected) continue;
      connected.delete(element);
      htmxOf(element)?.sse?.reader?.cancel();
    }
  };
}
