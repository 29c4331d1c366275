/** The query parameter by which a page resumes from the moment it was rendered. */
const PARAMETER = 'last_event_id';

/**
 * Splits the URL of a stream, relative to the page, into the stream's own and the cursor in it.
 *
 * @param {string | URL} url
 */
export function splitCursor(url) {
  const target = new URL(url, document.baseURI);
  const cursor = target.searchParams.get(PARAMETER) ?? '';
  target.searchParams.delete(PARAMETER);
  target.hash = '';
  return { stream: target.href, cursor };
}

/**
 * Returns the URL that resumes a stream after an event.
 *
 * @param {string | URL} url
 * @param {string} cursor
 */
export function resuming(url, cursor) {
  if (!cursor) return String(url);
  const resumed = new URL(splitCursor(url).stream);
  resumed.searchParams.set(PARAMETER, cursor);
  return resumed.href;
}
