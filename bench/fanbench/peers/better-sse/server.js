// To compare with: better-sse on Node's own server, one channel for each topic.
//
// node server.js --listen 127.0.0.1:0

import { createServer } from 'node:http';
import { parseArgs } from 'node:util';

import { createChannel, createSession } from 'better-sse';

const { values } = parseArgs({ options: { listen: { type: 'string', default: '127.0.0.1:8084' } } });
const [host, port] = values.listen.split(':');

const channels = new Map();

const channelOf = (topic) => {
  if (!channels.has(topic)) {
    channels.set(topic, createChannel());
  }
  return channels.get(topic);
};

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const channel = channelOf(url.searchParams.get('topic') ?? '');
  if (request.method === 'GET' && url.pathname === '/events') {
    // Text as it is: the default would be JSON.
    channel.register(await createSession(request, response, { serializer: String }));
  } else if (request.method === 'POST' && url.pathname === '/publish') {
    let text = '';
    request.setEncoding('utf8');
    for await (const piece of request) {
      text += piece;
    }
    channel.broadcast(text);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ receivers: channel.sessionCount }));
  } else {
    response.statusCode = 404;
    response.end();
  }
});
server.listen({ host, port: Number(port), backlog: 4096 }, () => {
  console.log(`listening on http://${host}:${server.address().port}`);
});
