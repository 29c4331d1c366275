// The `text/event-stream` format: https://html.spec.whatwg.org/multipage/server-sent-events.html

/**
 * An event of a stream.
 *
 * @typedef {object} StreamEvent
 * @property {string} event its name
 * @property {string} data
 * @property {string} id the last id of the stream so far, as in `MessageEvent.lastEventId`
 * @property {string} ownId the id that came with this event, or ''
 */

/** Parses a stream that arrives in pieces. */
export class EventStreamParser {
  /** The last reconnection time that the server sent, in milliseconds. @type {number | undefined} */
  retry;
  #receive;
  #line = '';
  #endedByCr = false;
  #id = '';
  #ownId = '';
  #event = '';
  /** @type {string[]} */
  #data = [];

  /** @param {(event: StreamEvent) => void} receive is called with each complete event */
  constructor(receive) {
    this.#receive = receive;
  }

  /** @param {string} piece decoded, without a byte order mark; an unfinished line is kept */
  push(piece) {
    if (!piece) return;
    // A CR ends its line at once. An LF at the start of the next piece belongs to it.
    const rest = this.#endedByCr && piece.startsWith('\n') ? piece.slice(1) : piece;
    this.#endedByCr = piece.endsWith('\r');
    const lines = (this.#line + rest).split(/\r\n|\r|\n/);
    this.#line = lines.pop() ?? '';
    for (const line of lines) this.#take(line);
  }

  /** @param {string} line */
  #take(line) {
    if (!line) return this.#dispatch();
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = this.#ownId = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
  }

  #dispatch() {
    const event = this.#event || 'message';
    const data = this.#data;
    this.#event = '';
    this.#data = [];
    if (!data.length) return; // an id without data belongs to the next event
    const ownId = this.#ownId;
    this.#ownId = '';
    this.#receive({ event, data: data.join('\n'), id: this.#id, ownId });
  }
}
