// Looks after the connections of a page, for htmx 2 and htmx 4:
//
// - An element has one stream, however often it is processed, morphed or kept; and none when it has
//   left the document.
// - Streams are closed when the page is left, and opened when it comes back out of the browser's
//   back/forward cache. A page in that cache would keep them, and six per host are all there are.
//   It goes by `pagehide`: at `beforeunload` the user may still decide to stay. What the monitor watches
//   is left to it.
// - htmx 2 cannot be told not to reconnect; an element with `sse-kit-reconnect="off"` is kept closed.
import { serveHtmx2 } from './connection-htmx2.js';
import { serveHtmx4 } from './connection-htmx4.js';

/**
 * @typedef {object} PageGlobals
 * @property {boolean} [sseKitConnection] whether this script has run already
 * @property {{monitor?: {watches: (id: string) => boolean}}} [sseKit]
 */

const page = /** @type {Window & PageGlobals} */ (window);

/** @param {string} selector */
const unwatched = (selector) =>
  [...document.querySelectorAll(selector)].filter(({ id }) => !page.sseKit?.monitor?.watches(id));

if (!page.sseKitConnection) {
  page.sseKitConnection = true;
  const removals = [serveHtmx2(unwatched), serveHtmx4(unwatched)];
  new MutationObserver((records) => {
    // In a task, because moving an element may remove it first.
    if (!records.some(({ removedNodes }) => removedNodes.length)) return;
    for (const end of removals) setTimeout(end);
  }).observe(document, { childList: true, subtree: true });
}
