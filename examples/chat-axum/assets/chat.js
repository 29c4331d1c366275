// Empties the field when what was typed in it is said, keeps the newest in sight, and says when the room
// is closed.
(() => {
  const form = /** @type {HTMLFormElement | null} */ (document.getElementById('say'));
  const said = document.getElementById('said');
  if (!form || !said) return;
  const newestInSight = () => said.lastElementChild?.scrollIntoView({ block: 'end' });
  new MutationObserver(newestInSight).observe(said, { childList: true });
  newestInSight();

  /** @type {(name: string, act: (detail: any) => void) => void} */
  const on = (name, act) => document.addEventListener(name, (event) => act(/** @type {CustomEvent} */ (event).detail));

  // htmx 2 and htmx 4 say so by events of different names and details.
  on('htmx:afterRequest', (detail) => {
    if (detail.elt === form && detail.successful) form.reset();
  });
  on('htmx:after:request', (detail) => {
    if (detail.ctx?.sourceElement === form && detail.ctx.response?.status === 200) form.reset();
  });

  // The room is closed: nothing more can be said.
  const closed = () => {
    form.querySelector('button')?.setAttribute('disabled', '');
    document.getElementById('refusal')?.replaceChildren('This room is closed.');
  };
  on('htmx:sseClose', (detail) => detail.type === 'message' && closed());
  on('htmx:sse:close', (detail) => detail.reason === 'message' && closed());
})();
