/** @import { StateMessage, StreamMessage } from './protocol.js' */
/** @import { Streams } from './streams.js' */
/** @import { Subscription } from './subscription.js' */

/**
 * The class `SharedEventSource`: an `EventSource` whose connection other tabs use too.
 *
 * @param {Streams} streams
 */
export function sharedEventSource(streams) {
  return class SharedEventSource extends EventTarget {
    static CONNECTING = 0;
    static OPEN = 1;
    static CLOSED = 2;
    CONNECTING = 0;
    OPEN = 1;
    CLOSED = 2;
    withCredentials = true;
    readyState = 0;
    /** @type {((event: Event) => void) | null} */
    onopen = null;
    /** @type {((event: MessageEvent) => void) | null} */
    onmessage = null;
    /** @type {((event: Event) => void) | null} */
    onerror = null;
    /** @type {Subscription} */
    #subscription;

    /**
     * @param {string | URL} url of this origin
     * @param {{lastEventId?: string}} options where to go on from
     */
    constructor(url, { lastEventId = '' } = {}) {
      super();
      const { href, origin } = new URL(url, location.href);
      if (origin !== location.origin) throw new DOMException('only streams of this origin are shared', 'SecurityError');
      this.url = href;
      this.addEventListener('open', (event) => this.onopen?.(event));
      this.addEventListener('message', (event) => this.onmessage?.(/** @type {MessageEvent} */ (event)));
      this.addEventListener('error', (event) => this.onerror?.(event));
      this.#subscription = streams.subscribe(href, lastEventId, {
        onState: (state) => this.#enter(state),
        onMessage: (message) => this.#show(message),
      });
    }

    /** The id of the last event. */
    get lastEventId() {
      return this.#subscription.cursor;
    }

    close() {
      this.readyState = 2;
      streams.unsubscribe(this.#subscription);
    }

    /** @param {StateMessage} state */
    #enter({ state }) {
      if (this.readyState === 2 || state === 'connecting') return;
      if (state === 'live') {
        if (this.readyState === 1) return;
        this.readyState = 1;
        this.dispatchEvent(new Event('open'));
        return;
      }
      this.readyState = 0;
      if (state === 'closed') this.close();
      this.dispatchEvent(new Event('error'));
    }

    /** @param {StreamMessage} message */
    #show({ event, data }) {
      if (this.readyState === 2) return;
      const init = { data, lastEventId: this.lastEventId, origin: location.origin };
      this.dispatchEvent(new MessageEvent(event, init));
    }
  };
}
