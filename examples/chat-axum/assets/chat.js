// Empties the field when what was typed in it is said, keeps the newest in sight, and says when the room
// is closed.
(() => {
  const form = document.getElementById('say');
  if (!form) return;
  const said = document.getElementById('said');
  const newestInSight = () => said.lastElementChild?.scrollIntoView({ block: 'end' });
  new MutationObserver(newestInSight).observe(said, { childList: true });
  newestInSight();

  // htmx 2 and htmx 4 say so by events of different names and details.
  document.addEventListener('htmx:afterRequest', ({ detail }) => {
    if (detail.elt === form && detail.successful) form.reset();
  });
  document.addEventListener('htmx:after:request', ({ detail }) => {
    if (detail.ctx?.sourceElement === form && detail.ctx.response?.status === 200) form.reset();
  });

  // The room is closed: nothing more can be said.
  const closed = () => {
    form.querySelector('button').disabled = true;
    document.getElementById('refusal').textContent = 'This room is closed.';
  };
  document.addEventListener('htmx:sseClose', ({ detail }) => detail.type === 'message' && closed());
  document.addEventListener('htmx:sse:close', ({ detail }) => detail.reason === 'message' && closed());
})();
