// The transports of a page's streams: a worker, a leading tab, or a connection per stream.
import { until } from './patience.js';

/**
 * Waits until the streams of a page use this transport. On a busy machine a page may use a leading tab until
 * its worker answers.
 *
 * @param {{evaluate: (ask: () => string) => Promise<string>}} page
 * @param {string} transport
 */
export async function goesBy(page, transport) {
  await until(
    () => page.evaluate(() => window.sseKit.tabs.transport),
    (found) => found === transport,
    `the page's streams should travel by ${transport}`,
  );
}
