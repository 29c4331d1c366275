/** @import { Hubs } from './hubs.js' */
/** @import { Subscription } from './subscription.js' */

/** The last resort: a connection for this page alone. */
export class DirectTransport {
  name = 'direct';
  #hubs;

  /** @param {Hubs} hubs */
  constructor(hubs) {
    this.#hubs = hubs;
  }

  /** @param {Subscription} subscription */
  join(subscription) {
    const { key, url, id, cursor } = subscription;
    this.#hubs.join(key, url, id, cursor, (message) => subscription.receive(message));
  }

  /** @param {Subscription} subscription */
  leave({ key, id }) {
    this.#hubs.leave(key, id, 'comes back');
  }

  suspend() {
    this.#hubs.close();
  }
}
