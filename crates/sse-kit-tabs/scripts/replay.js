/** @import { StreamMessage } from './protocol.js' */
import { GAP, readControl } from '../../sse-kit-client/scripts/control.js';
import { compareCursors, isSeen } from '../../sse-kit-htmx/scripts/cursor.js';

/** The newest events of a stream, for those that come later: a bounded number of bounded size. */
export class ReplayBuffer {
  /** Everything after this is here, or yet to come; '' while that is unknown. */
  floor = '';
  #maxEvents;
  #maxCharacters;
  #characters = 0;
  /** @type {StreamMessage[]} */
  #messages = [];

  /**
   * @param {number} events
   * @param {number} characters
   */
  constructor(events, characters) {
    this.#maxEvents = events;
    this.#maxCharacters = characters;
  }

  /** @param {string} floor */
  restart(floor) {
    this.floor = floor;
    this.#messages = [];
    this.#characters = 0;
  }

  /** @param {StreamMessage} message */
  push(message) {
    this.#messages.push(message);
    this.#characters += message.data.length;
    while (this.#messages.length > this.#maxEvents || this.#characters > this.#maxCharacters) {
      const oldest = this.#messages.shift();
      if (!oldest) return;
      this.#characters -= oldest.data.length;
      // Never back: a gap may end after the events behind it.
      const position = positionOf(oldest);
      if (position && !isSeen(position, this.floor)) this.floor = position;
    }
  }

  /**
   * What somebody lacks who has seen everything up to `cursor`; null when that is not here.
   *
   * @param {string} cursor
   */
  after(cursor) {
    if (!cursor) return [];
    // One that is beyond where its epoch went on in another has seen what was lost.
    const newest = this.#messages.at(-1);
    const isHere = !newest || compareCursors(positionOf(newest), cursor) !== null;
    if (isHere && this.floor && isSeen(this.floor, cursor)) {
      return this.#messages.filter((message) => !isSeen(positionOf(message), cursor));
    }
    // Ids of another server's form have no order, but may be found.
    const found = this.#messages.findLastIndex((message) => message.id === cursor);
    return found < 0 ? null : this.#messages.slice(found + 1);
  }
}

/**
 * A gap concerns all who are before its end, wherever it stands in the stream.
 *
 * @param {StreamMessage} message
 * @returns {string}
 */
function positionOf(message) {
  return message.event === GAP ? (readControl(message.data).to ?? '') : message.id;
}
