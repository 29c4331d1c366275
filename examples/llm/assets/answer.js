// Appends the tokens of an answer as they come.
(() => {
  const answer = /** @type {HTMLElement} */ (document.getElementById('answer'));
  const failed = /** @type {HTMLElement} */ (document.getElementById('failed'));
  const source = new EventSource(answer.dataset.events ?? '');
  source.onmessage = ({ data }) => answer.append(data);
  source.addEventListener('failed', () => {
    failed.hidden = false;
  });
  // The server has forgotten what this page missed: the page that it renders now has everything.
  source.addEventListener('sse-kit:gap', () => location.reload());
  // Everything has been said.
  source.addEventListener('sse-kit:close', () => source.close());
})();
