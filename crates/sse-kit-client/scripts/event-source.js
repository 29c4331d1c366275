/** The base class of our sources: their common ground with the browser's `EventSource`. */
export class StreamSource extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSED = 2;
  CONNECTING = /** @type {const} */ (0);
  OPEN = /** @type {const} */ (1);
  CLOSED = /** @type {const} */ (2);
  withCredentials = true;
  readyState = 0;
  /** @type {((event: Event) => void) | null} */
  onopen = null;
  /** @type {((event: MessageEvent) => void) | null} */
  onmessage = null;
  /** @type {((event: Event) => void) | null} */
  onerror = null;

  /** @param {string} url */
  constructor(url) {
    super();
    this.url = url;
    // Registered as listeners, so the browser reports their exceptions, which go no further.
    this.addEventListener('open', (event) => this.onopen?.(event));
    this.addEventListener('message', (event) => this.onmessage?.(/** @type {MessageEvent} */ (event)));
    this.addEventListener('error', (event) => this.onerror?.(event));
  }

  close() {
    this.readyState = this.CLOSED;
  }

  /**
   * Dispatches an event of the stream, unless the source is closed.
   *
   * @param {string} name
   * @param {string} data
   * @param {string} lastEventId
   */
  show(name, data, lastEventId) {
    if (this.readyState === this.CLOSED) return;
    const { origin } = new URL(this.url, document.baseURI);
    this.dispatchEvent(new MessageEvent(name, { data, lastEventId, origin }));
  }
}
