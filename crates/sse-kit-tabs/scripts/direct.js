/** @import { Hubs } from './hubs.js' */
/** @import { Subscription } from './subscription.js' */

/** The last resort: a connection for this page alone. */
export class DirectTransport {
  name = 'direct';
  #hubs;
  /** @type {Set<Subscription>} */
  #joined = new Set();

  /** @param {Hubs} hubs */
  constructor(hubs) {
    this.#hubs = hubs;
  }

  /** @param {Subscription} subscription */
  join(subscription) {
    const { key, url, id, cursor } = subscription;
    this.#joined.add(subscription);
    this.#hubs.join(key, url, id, cursor, (message) => subscription.receive(message));
  }

  /** @param {Subscription} subscription */
  leave(subscription) {
    this.#joined.delete(subscription);
    this.#hubs.leave(subscription.key, subscription.id, 'comes back');
  }

  suspend() {
    for (const { key, id } of this.#joined) this.#hubs.leave(key, id, 'is gone');
    this.#joined.clear();
  }
}
