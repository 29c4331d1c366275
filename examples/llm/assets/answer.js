// Appends the tokens of an answer as they come.
(() => {
  const answer = /** @type {HTMLElement} */ (document.getElementById('answer'));
  const failed = /** @type {HTMLElement} */ (document.getElementById('failed'));
  let isDone = false;
  // The monitor notices a connection that is dead, reconnects, and reloads the page after a gap.
  const { sseKit } = /** @type {any} */ (window);
  const source = sseKit.monitor.open('answer', answer.dataset.events ?? '');
  source.addEventListener('message', (/** @type {MessageEvent} */ { data }) => answer.append(data));
  source.addEventListener('done', () => {
    isDone = true;
  });
  source.addEventListener('failed', () => {
    failed.hidden = false;
  });
  // Nothing follows: everything has been said, or a new process of the server does not know the answer.
  answer.addEventListener('sse-kit:state', (event) => {
    const { to } = /** @type {CustomEvent} */ (event).detail;
    if (to === 'closed') failed.hidden = isDone;
  });
})();
