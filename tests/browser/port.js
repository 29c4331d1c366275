// Ports for servers that must be told where to listen, or that start again where they were.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** How many ports are tried before a test gives up. */
const TRIES = 1_000;

/**
 * Claims a port until the test has ended, as the tests in Rust do (tests/port): a UDP socket of the same number keeps
 * it from all others that claim ports, and the system gives no port below 32,768 to a connection that goes out.
 *
 * @param {{after: (stop: () => void) => void}} t
 * @param {{from?: number, below?: number}} [range] by default that of the tests in Rust
 */
export async function claimPort(t, { from = 10_000, below = 20_000 } = {}) {
  for (let tried = 0; tried < TRIES; tried += 1) {
    const port = from + Math.floor(Math.random() * (below - from));
    const claim = createSocket('udp4');
    claim.bind(port, '127.0.0.1');
    if (!(await begins(claim))) continue;
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await begins(server);
    server.close();
    if (isFree) {
      t.after(() => claim.close());
      return port;
    }
    claim.close();
  }
  throw new Error(`none of ${TRIES} ports from ${from} to ${below} was free`);
}

/** Whether a socket gets its port. @param {import('node:events').EventEmitter} socket */
const begins = (socket) =>
  once(socket, 'listening').then(
    () => true,
    () => false,
  );
