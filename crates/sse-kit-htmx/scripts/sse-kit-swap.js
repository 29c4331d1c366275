// Swaps named events of a stream into elements, for htmx 4, which only makes DOM events of them:
//
//   <div hx-sse:connect="/events"><p sse-kit-swap="note, warning" hx-swap="beforeend"></p></div>
//
// `message` stands for events without a name. The element that holds the connection may have the
// attribute itself; then it takes in only events of those names.
(() => {
  /**
   * @typedef {object} MessageDetail what htmx says of a message, before it handles it
   * @property {{data: string, event: string, id: string}} message
   * @property {(work: Promise<unknown>) => void} waitUntil the next message waits for it
   */

  const ATTRIBUTE = 'sse-kit-swap';

  /** @type {{attributeValue: (element: Element, name: string) => string | undefined}} */
  let api;

  /** @param {Element} element */
  const namesOf = (element) => (element.getAttribute(ATTRIBUTE) ?? '').split(',').map((name) => name.trim());

  /**
   * The element that holds the connection an element gets its events from.
   * @param {Element | null} element
   * @returns {Element | null}
   */
  const connectionOf = (element) => {
    while (element && !element._htmx?.sse) element = element.parentElement;
    return element;
  };

  /**
   * @param {Element} target
   * @param {string} text
   */
  const swap = (target, text) => {
    const style = api.attributeValue(target, 'hx-swap') ?? htmx.config.defaultSwap;
    return htmx.swap({
      sourceElement: target,
      target: api.attributeValue(target, 'hx-target') ?? target,
      text,
      // What comes out of band only must not empty the target.
      swap: `${style} swapEmpty:false`,
      request: {},
    });
  };

  const extension = {
    init: (internal) => {
      api = internal;
    },

    /**
     * @param {Element} connection
     * @param {MessageDetail} detail
     */
    htmx_sse_before_message: (connection, detail) => {
      const name = detail.message.event || 'message';
      const listed = [connection, ...connection.querySelectorAll(`[${ATTRIBUTE}]`)].filter(
        (element) => namesOf(element).includes(name) && connectionOf(element) === connection,
      );
      const isUnnamed = !detail.message.event;
      for (const element of listed) {
        // htmx itself swaps an unnamed message into the element that holds the connection.
        if (isUnnamed && element === connection) continue;
        detail.waitUntil(swap(element, detail.message.data));
      }
      const isLeftOut = isUnnamed && connection.hasAttribute(ATTRIBUTE) && !listed.includes(connection);
      return !isLeftOut;
    },
  };

  const register = () => htmx.registerExtension(ATTRIBUTE, extension);
  // htmx may be deferred, or stand further down.
  if (window.htmx) register();
  else document.addEventListener('DOMContentLoaded', register);
})();
