// Swaps named events of a stream into elements, for htmx 4, which only makes DOM events of them:
//
//   <div hx-sse:connect="/events"><p sse-kit-swap="note, warning" hx-swap="beforeend"></p></div>
//
// `message` stands for events without a name. The element that holds the connection may have the
// attribute itself; then it takes in only events of those names.
(() => {
  /**
   * @typedef {object} Htmx what is used of htmx 4
   * @property {{defaultSwap: string}} config
   * @property {(name: string, extension: object) => void} registerExtension
   * @property {(context: object) => Promise<void>} swap
   */
  /**
   * @typedef {object} Internals what htmx hands to extensions
   * @property {(element: Element, name: string) => string | undefined} attributeValue
   */
  /**
   * @typedef {object} MessageDetail what htmx says of a message, before it handles it
   * @property {{data: string, event: string, id: string}} message
   * @property {(work: Promise<unknown>) => void} waitUntil the next message waits for it
   */

  const ATTRIBUTE = 'sse-kit-swap';

  const page = /** @type {Window & {htmx?: Htmx}} */ (window);

  /** @param {Element} element */
  const namesOf = (element) => (element.getAttribute(ATTRIBUTE) ?? '').split(',').map((name) => name.trim());

  /** @param {Element} element */
  const isConnection = (element) => Boolean(/** @type {Element & {_htmx?: {sse?: object}}} */ (element)._htmx?.sse);

  /**
   * The element that holds the connection an element gets its events from.
   * @param {Element} element
   */
  const connectionOf = (element) => {
    /** @type {Element | null} */
    let found = element;
    while (found && !isConnection(found)) found = found.parentElement;
    return found;
  };

  /** @param {Htmx} htmx */
  const register = (htmx) => {
    /** @type {Internals} */
    let internals;

    /**
     * @param {Element} element
     * @param {string} text
     */
    const swap = (element, text) => {
      const style = internals.attributeValue(element, 'hx-swap') ?? htmx.config.defaultSwap;
      return htmx.swap({
        sourceElement: element,
        target: internals.attributeValue(element, 'hx-target') ?? element,
        text,
        // A message with out-of-band content alone must not empty the target, and a page that waits for a
        // transition per event falls behind.
        swap: `${style} swapEmpty:false${/\btransition:/.test(style) ? '' : ' transition:false'}`,
        request: {},
      });
    };

    /**
     * Swaps a message into the elements that are bound to it; returns whether htmx is to swap it too.
     *
     * @param {Element} connection
     * @param {MessageDetail} detail
     */
    const take = (connection, detail) => {
      const isUnnamed = !detail.message.event;
      const name = detail.message.event || 'message';
      const listed = [connection, ...connection.querySelectorAll(`[${ATTRIBUTE}]`)].filter(
        (element) => namesOf(element).includes(name) && connectionOf(element) === connection,
      );
      for (const element of listed) {
        // htmx itself swaps an unnamed message into the element that holds the connection.
        if (isUnnamed && element === connection) continue;
        detail.waitUntil(swap(element, detail.message.data));
      }
      const isLeftOut = isUnnamed && connection.hasAttribute(ATTRIBUTE) && !listed.includes(connection);
      return !isLeftOut;
    };
    htmx.registerExtension(ATTRIBUTE, {
      /** @param {Internals} given */
      init: (given) => {
        internals = given;
      },
    });
    // Registered after sse-kit-connection, which skips events that the page shows already.
    addEventListener('htmx:sse:before:message', (event) => {
      const { target, detail } = /** @type {CustomEvent<MessageDetail>} */ (event);
      // For an element that has left the document, the target is the document.
      if (event.defaultPrevented || !(target instanceof Element)) return;
      if (!take(target, detail)) event.preventDefault();
    });
  };

  // The script of htmx may be deferred, or come later in the page.
  const start = () => {
    if (page.htmx) register(page.htmx);
  };
  if (page.htmx) start();
  else document.addEventListener('DOMContentLoaded', start);
})();
