// The position in a stream: the id of the last event, `<epoch>-<offset>`, or '' when it is unknown.

const FORM = /^([0-9a-f]+)-([0-9]+)$/;

/** The number of earlier epochs that are remembered. */
const MAX_EARLIER = 64;

/** The epochs that another one continues, and through which offset. @type {Map<string, {epoch: string, through: string}>} */
const continued = new Map();

/**
 * Notes that a server's log began a new epoch, that of `cursor`, which contains everything of the earlier
 * epoch up to `last`. Up to there, ids of both epochs name the same positions.
 *
 * @param {string} last
 * @param {string} cursor
 */
export function noteContinued(last, cursor) {
  const [earlier, current] = [parse(last), parse(cursor)];
  if (!earlier || !current || earlier.epoch === current.epoch) return;
  const known = continued.get(earlier.epoch);
  if (known?.epoch === current.epoch && compareOffsets(known.through, earlier.offset) >= 0) return;
  continued.delete(earlier.epoch);
  continued.delete(current.epoch); // keeps the chain of epochs free of cycles
  continued.set(earlier.epoch, { epoch: current.epoch, through: earlier.offset });
  for (const oldest of continued.keys()) {
    if (continued.size <= MAX_EARLIER) break;
    continued.delete(oldest);
  }
}

/**
 * Notes which earlier epochs a server's log continues, as its hello says.
 *
 * @param {{cursor?: string, continues?: unknown}} hello
 */
export function noteLineage({ cursor = '', continues }) {
  if (!Array.isArray(continues)) return;
  for (const last of continues) noteContinued(`${last}`, cursor);
}

/**
 * Returns a negative number when `one` is earlier, a positive one when it is later, 0 when both are the same
 * position, and null when the two have no order: ids of two epochs that do not continue each other so far, or
 * of another form.
 *
 * @param {string} one
 * @param {string} other
 */
export function compareCursors(one, other) {
  if (one === other) return 0;
  let [first, second] = [parse(one), parse(other)];
  if (!first || !second) return null;
  if (first.epoch !== second.epoch) [first, second] = [newest(first), newest(second)];
  return first.epoch === second.epoch ? compareOffsets(first.offset, second.offset) : null;
}

/**
 * Returns the same position as an id of the newest epoch that shares it.
 *
 * @param {string} cursor
 */
export function renewed(cursor) {
  const position = parse(cursor);
  if (!position) return cursor;
  const { epoch, offset } = newest(position);
  return `${epoch}-${offset}`;
}

/** @param {string} cursor */
function parse(cursor) {
  const [, epoch = '', offset = ''] = FORM.exec(cursor) ?? [];
  return epoch ? { epoch, offset } : null;
}

/** @param {{epoch: string, offset: string}} position */
function newest({ epoch, offset }) {
  let next = continued.get(epoch);
  while (next && compareOffsets(offset, next.through) <= 0) {
    epoch = next.epoch;
    next = continued.get(epoch);
  }
  return { epoch, offset };
}

/**
 * Compares as text: offsets exceed what a number holds exactly, and have no leading zeros.
 *
 * @param {string} one
 * @param {string} other
 */
function compareOffsets(one, other) {
  return one.length - other.length || (one === other ? 0 : one < other ? -1 : 1);
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
 * Returns the later of two cursors, which is where to resume from: the second if they have no order, or are
 * the same position.
 *
 * @param {string} current
 * @param {string} next
 */
export function later(current, next) {
  if (!next) return current;
  const order = compareCursors(next, current);
  return order !== null && order < 0 ? current : next;
}
