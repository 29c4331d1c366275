// The `text/event-stream` format: https://html.spec.whatwg.org/multipage/server-sent-events.html

/** @import { StreamMessage } from './protocol.js' */

/** Reads a stream, in whatever pieces it comes. */
export class SseParser {
  #onMessage;
  #onRetry;
  #line = '';
  #endedByCr = false;
  #id = '';
  #event = '';
  /** @type {string[]} */
  #data = [];

  /**
   * @param {(message: StreamMessage) => void} onMessage
   * @param {(milliseconds: number) => void} onRetry
   */
  constructor(onMessage, onRetry) {
    this.#onMessage = onMessage;
    this.#onRetry = onRetry;
  }

  /** @param {string} piece decoded, without a byte order mark; what it leaves unfinished is kept */
  push(piece) {
    if (!piece) return;
    // A CR ends its line at once. An LF that comes with the next piece belongs to it.
    const rest = this.#endedByCr && piece.startsWith('\n') ? piece.slice(1) : piece;
    this.#endedByCr = piece.endsWith('\r');
    const lines = (this.#line + rest).split(/\r\n|\r|\n/);
    this.#line = lines.pop() ?? '';
    for (const line of lines) this.#take(line);
  }

  /** @param {string} line */
  #take(line) {
    if (!line) {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return; // a comment
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^[0-9]+$/.test(value)) this.#onRetry(Number(value));
  }

  #dispatch() {
    const message = { id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') };
    const hasData = this.#data.length > 0;
    this.#data = [];
    this.#event = '';
    if (!hasData) return; // an id without data is that of the next event
    this.#id = '';
    this.#onMessage({ kind: 'message', ...message });
  }
}
