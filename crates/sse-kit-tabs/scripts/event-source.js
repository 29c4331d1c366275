import { StreamSource } from '../../sse-kit-client/scripts/event-source.js';

/** @import { StateMessage } from './protocol.js' */
/** @import { Streams } from './streams.js' */
/** @import { Subscription } from './subscription.js' */

/**
 * Returns the class `SharedEventSource`: an `EventSource` that shares its connection with other tabs.
 *
 * @param {Streams} streams
 */
export function sharedEventSource(streams) {
  return class SharedEventSource extends StreamSource {
    /** @type {Subscription} */
    #subscription;

    /**
     * @param {string | URL} url of this origin
     * @param {{lastEventId?: string}} options where to resume from
     */
    constructor(url, { lastEventId = '' } = {}) {
      const { href, origin } = new URL(url, document.baseURI);
      if (origin !== location.origin) throw new DOMException('only streams of this origin are shared', 'SecurityError');
      super(href);
      this.#subscription = streams.subscribe(href, lastEventId, {
        onState: (state) => this.#enter(state),
        onMessage: ({ event, data }) => this.show(event, data, this.lastEventId),
      });
    }

    /** The id of the last event. */
    get lastEventId() {
      return this.#subscription.cursor;
    }

    /** @override */
    close() {
      super.close();
      streams.unsubscribe(this.#subscription);
    }

    /** @param {StateMessage} message */
    #enter({ state }) {
      // A stale stream is still open.
      if (this.readyState === this.CLOSED || state === 'connecting' || state === 'stale') return;
      if (state === 'live') {
        if (this.readyState === this.OPEN) return;
        this.readyState = this.OPEN;
        this.dispatchEvent(new Event('open'));
        return;
      }
      this.readyState = this.CONNECTING;
      if (state === 'closed') this.close();
      this.dispatchEvent(new Event('error'));
    }
  };
}
