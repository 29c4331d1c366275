/** @import { SharedStreams } from './shared-streams.js' */
/** @import { Subscription } from './subscription.js' */

/** The last fallback: a connection for this page alone. */
export class DirectTransport {
  name = 'direct';
  #streams;

  /** @param {SharedStreams} streams */
  constructor(streams) {
    this.#streams = streams;
  }

  /** @param {Subscription} subscription */
  join(subscription) {
    const { key, url, id, cursor } = subscription;
    this.#streams.join(key, url, id, cursor, (message) => subscription.receive(message));
  }

  /** @param {Subscription} subscription */
  leave({ key, id }) {
    this.#streams.leave(key, id, 'comes back');
  }

  suspend() {
    this.#streams.close();
  }
}
