// A proxy in front of a real server that injects the faults of networks and servers.
import { once } from 'node:events';
import { request as ask, createServer } from 'node:http';
import { addressOf } from './launch.js';

/**
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 *
 * @typedef {(request: Request, response: Response) => void} Fault answers instead of the server
 *
 * @typedef {object} Asked a request that came
 * @property {string} url
 * @property {string | undefined} lastEventId the header
 * @property {number} at in milliseconds of `performance.now()`
 */

/** Answers with a status. @type {(status: number, type?: string, body?: string) => Fault} */
export const answer =
  (status, type = 'text/html', body = '<h1 id="error-page">This is no stream</h1>') =>
  (_, response) => {
    if (status === 204) response.writeHead(204).end();
    else response.writeHead(status, { 'Content-Type': type }).end(body);
  };

/** Accepts the request as a server does that streams, and ends the stream at once. @type {Fault} */
export const acceptThenClose = (_, response) => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' }).end(': and that is all\n\n');
};

/** There is no server. @type {Fault} */
export const down = (request) => {
  request.socket.destroy();
};

/**
 * Starts a proxy, and stops it after the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} target the server behind it; others can take its place later
 */
export async function startProxy(t, target) {
  /** @type {Asked[]} */
  const asked = [];
  /** Of streams that are open: what the server says, and to whom. @type {Map<Response, Request>} */
  const streams = new Map();
  /** What goes wrong with the next requests for streams. @type {Fault[]} */
  const next = [];
  /** @type {Fault | undefined} */
  let always;
  let delay = 0;
  /** Requests for streams that wait for an answer. @type {(() => void)[] | undefined} */
  let held;
  /** What is served from here. @type {Map<string, {headers: Record<string, string>, body: string}>} */
  const files = new Map();
  /** @type {WeakSet<Response>} */
  const stalled = new WeakSet();

  /** @type {(request: Request, response: Response) => void} */
  const pass = (request, response) => {
    const { method, url, headers } = request;
    const upstream = ask(target + url, { method, headers, agent: false }, (from) => {
      response.writeHead(from.statusCode ?? 502, from.headers);
      response.flushHeaders();
      const isStream = from.headers['content-type'] === 'text/event-stream';
      if (isStream) streams.set(response, from);
      from.on('data', (/** @type {Buffer} */ chunk) => {
        if (!stalled.has(response)) response.write(chunk);
      });
      from.on('end', () => response.end());
      from.on('error', () => response.destroy());
    });
    upstream.on('error', () => response.destroy());
    response.on('close', () => {
      streams.delete(response);
      upstream.destroy();
    });
    request.pipe(upstream);
  };

  const server = createServer((request, response) => {
    const { url = '', headers } = request;
    const file = files.get(url.split('?')[0] ?? '');
    if (file) {
      response.writeHead(200, file.headers).end(file.body);
      return;
    }
    asked.push({ url, lastEventId: headers['last-event-id']?.toString(), at: performance.now() });
    if (!url.startsWith('/events')) return pass(request, response);
    const fault = next.shift() ?? always ?? pass;
    if (held) {
      held.push(() => response.destroyed || fault(request, response));
      return;
    }
    // A test that is over does not wait for it.
    if (delay > 0) setTimeout(fault, delay, request, response).unref();
    else fault(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });

  return {
    base: addressOf(server),
    files,
    /** Requests for streams. */
    get events() {
      return asked.filter(({ url }) => url.startsWith('/events'));
    },
    /** Streams that are open. */
    get open() {
      return streams.size;
    },
    /** Another server takes the place of the one behind. @param {string} other */
    redirect(other) {
      target = other;
    },
    /** What goes wrong with requests for streams from now on; nothing, if nothing is given. @param {Fault} [fault] */
    fault(fault) {
      always = fault;
    },
    /** What goes wrong with the next requests for streams, one after the other. @param {Fault[]} faults */
    faults(...faults) {
      next.push(...faults);
    },
    /** Stops all faults. */
    mend() {
      next.length = 0;
      always = undefined;
    },
    /** Answers to requests for streams come so much later. @param {number} milliseconds */
    delay(milliseconds) {
      delay = milliseconds;
    },
    /** Holds back requests for streams. @returns {() => void} lets them pass */
    hold() {
      held = [];
      return () => {
        const waiting = held ?? [];
        held = undefined;
        for (const pass of waiting) pass();
      };
    },
    /** Cuts all streams in the middle of an event. */
    cut() {
      for (const response of streams.keys()) response.destroy();
    },
    /** Silences all current streams, heartbeats included, but leaves them open. */
    stall() {
      for (const response of streams.keys()) stalled.add(response);
    },
  };
}
