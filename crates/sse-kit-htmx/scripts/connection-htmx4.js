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
 * Keeps the stream of a morphed element, if its content allows. The cursor in new content is the position at
 * which it was rendered. The element skips events up to that position; if the content is older than the
 * stream, the stream is opened again from the cursor.
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
      oldNode.removeAttribute(name); // htmx opens a new stream when the attribute changes
      continue;
    }
    if (hxOf(oldNode) !== hxOf(newNode)) {
      // htmx opens a new stream, and content without a cursor counts as current.
      if (!asked.cursor) newNode.setAttribute(name, resuming(other, position));
      continue;
    }
    // htmx would forget the stream, and open another.
    newNode.setAttribute(name, own);
    passOver(oldNode, asked.cursor);
  }
}

/**
 * Notes the cursor of content that arrived while the element's stream went on.
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
 * Notes the cursor of content that is about to be swapped in around preserved elements.
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
 * Keeps an element from requesting its stream twice. htmx sends a request each time it processes an element
 * without a stream, as after a morph, and the second response would repeat the events of the first.
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
    if (!detail.connection) return; // an error in the response to the request itself
    if (current === detail.connection) {
      const { id = '', event: name = '' } = detail.message ?? {};
      const isShown = id !== '' && !name.startsWith('sse-kit:') && isSeen(id, rendered.get(element) ?? '');
      if (isShown) event.preventDefault();
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!event.type.endsWith('before:connection')) {
      // htmx retries a stream even if it forgot the stream during the wait.
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

  // Each message would wait about 0.4 s for the transition of the previous one, and the page would fall
  // behind. A swap that asks for `transition:true` keeps its transition.
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
  // The script of htmx may be deferred, or come later in the page.
  if (/** @type {any} */ (window).htmx) register();
  else document.addEventListener('DOMContentLoaded', register);

  addEventListener('pagehide', () => {
    // htmx reconnects by itself, from the last event id that it saw.
    for (const element of unwatched('[data-htmx-powered]')) htmxOf(element)?.sse?.reader?.cancel();
  });

  return () => {
    for (const [element, { request }] of asking) {
      if (element.isConnected) continue;
      asking.delete(element); // htmx does not report the end of this request
      request.abort();
    }
    for (const element of connected) {
      if (element.isConnected) continue;
      connected.delete(element);
      htmxOf(element)?.sse?.reader?.cancel();
    }
  };
}
