/** @import { SharedMessage, StateMessage, StreamMessage } from './protocol.js' */
import { guarded } from '../../sse-kit-client/scripts/connect.js';
import { GAP, HEARTBEAT, HELLO, readControl } from '../../sse-kit-client/scripts/control.js';
import { isSeen, later, noteLineage, renewed } from '../../sse-kit-htmx/scripts/cursor.js';

/**
 * A listener in a page.
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
   * @param {string} cursor the last event that the page has seen
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
    // An id that is not after ours means that our position was wrong.
    const isLost = id !== '' && cursor !== '' && !isSeen(id, cursor);
    // The first events of a resumed stream are for tabs that are further behind.
    if (!cursor) this.cursor = later(newest, id);
    if (hello.data) {
      // The connection belongs to all tabs: a publish that excluded it would exclude all of them.
      const data = { ...facts, cursor: this.cursor, connection: '' };
      // After a hello without an id, a gap follows for all listeners with a cursor.
      const isHere = !cursor || (id !== '' && !isLost);
      this.#show({ ...hello, id: isHere ? this.cursor : '', data: JSON.stringify(data) });
    }
    if (!isLost) return;
    const gap = { from: cursor, to: id, reason: 'unknown-epoch' };
    this.#pass({ ...hello, event: GAP, data: JSON.stringify(gap) });
  }

  /**
   * Takes a gap. One that ends before our cursor concerns other tabs, which were further behind.
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
