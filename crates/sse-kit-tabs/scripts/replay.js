/** @import { StreamMessage } from './protocol.js' */
import { GAP, readControl } from '../../sse-kit-client/scripts/control.js';
import { compareCursors, isSeen } from '../../sse-kit-htmx/scripts/cursor.js';

/** The newest events of a stream, for tabs that join later. Their number and size are bounded. */
export class ReplayBuffer {
  /** The position after which nothing is missing here; '' while that is unknown. */
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
      // The floor never moves back, because a gap may end after the events behind it.
      const position = positionOf(oldest);
      if (position && !isSeen(position, this.floor)) this.floor = position;
    }
  }

  /**
   * Returns the events that a listener lacks after `cursor`; null if they are no longer here.
   *
   * @param {string} cursor
   */
  after(cursor) {
    if (!cursor) return [];
    // A cursor beyond the point at which another epoch continued its own has seen lost events.
    const newest = this.#messages.at(-1);
    const isHere = !newest || compareCursors(positionOf(newest), cursor) !== null;
    if (isHere && this.floor && isSeen(this.floor, cursor)) {
      return this.#messages.filter((message) => !isSeen(positionOf(message), cursor));
    }
    // Ids of another form have no order, but may be found.
    const found = this.#messages.findLastIndex((message) => message.id === cursor);
    return found < 0 ? null : this.#messages.slice(found + 1);
  }
}

/**
 * A gap concerns every listener before its end, wherever it is in the stream.
 *
 * @param {StreamMessage} message
 * @returns {string}
 */
function positionOf(message) {
  return message.event === GAP ? (readControl(message.data).to ?? '') : message.id;
}
