// @ts-nocheck
// Shows how the stream is doing, in `#connection-status`, for htmx 2 and htmx 4 alike; and loads the
// page anew when the server says that something is missing for good.
(() => {
  const status = document.getElementById('connection-status');
  const connect = document.getElementById('sse-connection');
  const texts = {
    connecting: 'Connecting',
    live: 'Live',
    stale: 'No sign of life',
    reconnecting: 'Reconnecting',
    closed: 'Closed',
  };
  const show = (state) => {
    if (status.dataset.state === state) return;
    status.dataset.state = state;
    status.textContent = texts[state];
  };

  // A connection can be dead without anybody noticing: then the heartbeats stay out.
  let patience = 0;
  let timer;
  const alive = () => {
    show('live');
    clearTimeout(timer);
    if (patience > 0) timer = setTimeout(show, patience, 'stale');
  };
  const down = (state) => {
    clearTimeout(timer);
    show(state);
  };

  // A gap right after a reload can only mean that the server is in a hurry: not faster than that.
  const reload = () => {
    const last = Number(sessionStorage.getItem('reloaded'));
    setTimeout(
      () => {
        sessionStorage.setItem('reloaded', Date.now());
        location.reload();
      },
      Math.max(0, last + 5000 - Date.now()),
    );
  };

  const control = {
    'sse-kit:hello': (data) => {
      patience = 2.5 * JSON.parse(data).heartbeat_ms;
      alive();
    },
    'sse-kit:heartbeat': alive,
    'sse-kit:gap': reload,
    'sse-kit:shutdown': () => down('reconnecting'),
    'sse-kit:busy': () => down('reconnecting'),
  };
  const on = (name, act) => connect.addEventListener(name, ({ detail }) => act(detail));

  // htmx 4: a named event of the stream is an event of the element.
  for (const [name, act] of Object.entries(control)) on(name, ({ data }) => act(data));
  on('htmx:sse:before:connection', ({ connection }) => {
    if (connection.attempt > 0) down('reconnecting');
  });
  on('htmx:sse:after:message', ({ message }) => {
    if (!message.event) alive();
  });
  on('htmx:sse:error', () => down('reconnecting'));
  on('htmx:sse:close', () => down('closed'));
  // It does not try again when the very first request fails; loading the page does.
  on('htmx:finally:request', () => {
    if (!connect._htmx?.sse && status.dataset.state === 'connecting') {
      down('closed');
      reload();
    }
  });

  // htmx 2: it is an event of the EventSource, of which every reconnect may make a new one.
  const listener = ({ type, data }) => control[type](data);
  on('htmx:sseOpen', ({ source }) => {
    for (const name of Object.keys(control)) source.addEventListener(name, listener);
  });
  on('htmx:sseMessage', alive);
  on('htmx:sseError', () => down('reconnecting'));
  on('htmx:sseClose', () => down('closed'));
})();
