// Where a stream stands: the id of the last event, `<epoch>-<offset>`, or '' where nothing is known.

const FORM = /^([0-9a-f]+)-([0-9]+)$/;

/**
 * Negative when `one` is earlier, positive when it is later, and null where nobody can tell: ids of
 * two epochs, or of another form than ours.
 *
 * @param {string} one
 * @param {string} other
 */
export function compareCursors(one, other) {
  if (one === other) return 0;
  const [, epoch, offset = ''] = FORM.exec(one) ?? [];
  const [, otherEpoch, otherOffset = ''] = FORM.exec(other) ?? [];
  if (!epoch || epoch !== otherEpoch) return null;
  // As text: offsets go beyond what a number holds exactly, and have no leading zeros.
  return offset.length - otherOffset.length || (offset < otherOffset ? -1 : 1);
}

/**
 * Whether whoever has seen everything up to `cursor` has seen the event with this id.
 *
 * @param {string} id
 * @param {string} cursor
 */
export function isSeen(id, cursor) {
  const order = compareCursors(id, cursor);
  return order !== null && order <= 0;
}

/**
 * The earlier of two cursors: the known one where one is unknown, the first where nobody can tell.
 *
 * @param {string} one
 * @param {string} other
 */
export function earlier(one, other) {
  if (!one || !other) return one || other;
  return isSeen(other, one) ? other : one;
}
