/**
 * The later of two event ids, which is where to resume from. What is not `epoch-offset`, or is of
 * another epoch, cannot be compared: then the newer one holds.
 *
 * @param {string} current
 * @param {string} next
 */
export function later(current, next) {
  const [epoch, offset = ''] = current.split('-');
  const [nextEpoch, nextOffset = ''] = next.split('-');
  if (!next) return current;
  if (epoch !== nextEpoch || !/^\d+$/.test(offset + nextOffset)) return next;
  // Offsets can be larger than numbers are exact.
  const isLater = nextOffset.length - offset.length || (nextOffset > offset ? 1 : -1);
  return isLater > 0 ? next : current;
}

/**
 * The URL that resumes after an event.
 *
 * @param {string} url
 * @param {string} cursor
 * @param {string} base
 */
export function resuming(url, cursor, base) {
  if (!cursor) return url;
  const resumed = new URL(url, base);
  resumed.searchParams.set('last_event_id', cursor);
  return resumed.href;
}
