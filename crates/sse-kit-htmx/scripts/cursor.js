// The position in a stream: the id of the last event, `<epoch>-<offset>`, or '' when it is unknown.

const FORM = /^([0-9a-f]+)-([0-9]+)$/;

/**
 * Returns a negative number when `one` is earlier, a positive one when it is later, and null when
 * the two have no order: ids of two epochs, or of another form.
 *
 * @param {string} one
 * @param {string} other
 */
export function compareCursors(one, other) {
  if (one === other) return 0;
  const [, epoch, offset = ''] = FORM.exec(one) ?? [];
  const [, otherEpoch, otherOffset = ''] = FORM.exec(other) ?? [];
  if (!epoch || epoch !== otherEpoch) return null;
  // As text: offsets exceed what a number holds exactly, and have no leading zeros.
  return offset.length - otherOffset.length || (offset < otherOffset ? -1 : 1);
}

/**
 * Returns whether a reader at `cursor` has seen the event with this id.
 *
 * @param {string} id
 * @param {string} cursor
 */
export function isSeen(id, cursor) {
  const order = compareCursors(id, cursor);
  return order !== null && order <= 0;
}

/**
 * Returns the earlier of two cursors: the known one if one is unknown, the first if they have no order.
 *
 * @param {string} one
 * @param {string} other
 */
export function earlier(one, other) {
  if (!one || !other) return one || other;
  return isSeen(other, one) ? other : one;
}

/**
 * Returns the later of two cursors, which is where to resume from: the second if they have no order.
 *
 * @param {string} current
 * @param {string} next
 */
export function later(current, next) {
  return !next || isSeen(next, current) ? current : next;
}
