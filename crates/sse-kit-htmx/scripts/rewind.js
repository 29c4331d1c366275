/**
 * Says that the content of an element is older than its stream, which is opened anew from there: what
 * remembers how far the stream was is wrong.
 *
 * @param {Element} element
 */
export function rewind({ id }) {
  dispatchEvent(new CustomEvent('sse-kit:rewound', { detail: id }));
}
