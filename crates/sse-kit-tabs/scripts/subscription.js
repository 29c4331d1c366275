/** @import { SharedMessage, StateMessage, StreamMessage } from './protocol.js' */
import { guarded } from '../../sse-kit-client/scripts/connect.js';
import { GAP, HEARTBEAT, HELLO, readControl } from '../../sse-kit-client/scripts/control.js';
import { isSeen, later, noteLineage, renewed } from '../../sse-kit-htmx/scripts/cursor.js';

/**
 * Who listens in a page.
 *
 * @typedef {object} Listener
 * @property {(state: StateMessage) => void} onState
 * @property {(message: StreamMessage) => void} onMessage
 */

/** A page's own view of a stream: every event once, in order, from its cursor on. */
export class Subscription {
  #listener;

  /**
   * @param {string} id
   * @param {string} url
   * @param {string} key of the stream that it belongs to
   * @param {string} cursor what the page has seen
   * @param {Listener} listener
   */
  constructor(id, url, key, cursor, listener) {
    this.id = id;
    this.url = url;
    this.key = key;
    this.cursor = cursor;
    this.#listener = listener;
  }

  /** @param {SharedMessage} message */
  receive(message) {
    if (message.kind === 'state') guarded(() => this.#listener.onState(message));
    else if (message.event === HELLO) this.#begin(message);
    else if (message.event === GAP) this.#miss(message);
    else if (!message.id || !isSeen(message.id, this.cursor)) this.#pass(message);
    else if (message.event === HEARTBEAT) this.#show({ ...message, id: '' }); // a sign of life still
  }

  /** @param {StreamMessage} hello */
  #begin(hello) {
    const { newest = '', ...facts } = readControl(hello.data);
    noteLineage(facts);
    this.cursor = renewed(this.cursor);
    const { cursor } = this;
    const { id } = hello;
    // With an id that is not behind us, we are not where we thought.
    const isLost = id !== '' && cursor !== '' && !isSeen(id, cursor);
    // What a stream that resumes brings first is for the tabs that have seen a part of it.
    if (!cursor) this.cursor = later(newest, id);
    if (hello.data) {
      // The connection is that of all tabs: whoever left it out would leave all of them out.
      const data = { ...facts, cursor: this.cursor, connection: '' };
      // Without an id a gap comes next, for all that have a cursor.
      const isHere = !cursor || (id !== '' && !isLost);
      this.#show({ ...hello, id: isHere ? this.cursor : '', data: JSON.stringify(data) });
    }
    if (!isLost) return;
    const gap = { from: cursor, to: id, reason: 'unknown-epoch' };
    this.#pass({ ...hello, event: GAP, data: JSON.stringify(gap) });
  }

  /**
   * A gap that ends before our cursor is one of other tabs, which were further behind.
   *
   * @param {StreamMessage} gap
   */
  #miss(gap) {
    const { to = '', reason } = readControl(gap.data);
    if (reason === 'future' || !isSeen(to, this.cursor)) this.#pass(gap);
  }

  /** @param {StreamMessage} message */
  #pass(message) {
    this.cursor = message.id || this.cursor;
    this.#show(message);
  }

  /** @param {StreamMessage} message */
  #show(message) {
    guarded(() => this.#listener.onMessage(message));
  }
}
