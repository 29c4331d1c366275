/**
 * Announces that an element's content is older than its stream, so the stream is opened again from the
 * content's cursor. Scripts that stored a later position must drop it.
 *
 * @param {Element} element
 */
export function rewind({ id }) {
  dispatchEvent(new CustomEvent('sse-kit:rewound', { detail: id }));
}
