// How the streams of a page travel: by a worker, by a leading tab, or each by a connection of its own.
import { until } from './patience.js';

/**
 * Waits until the streams of a page travel this way. On a busy machine a page may go by a leading tab until
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
