// Shows what the hub publishes about itself.
const panel = /** @type {HTMLElement} */ (document.getElementById('status'));
const connection = /** @type {HTMLElement} */ (document.getElementById('connection'));
const label = /** @type {Element} */ (connection.firstElementChild);

/** @param {string} state */
function show(state) {
  connection.dataset.state = state;
  label.textContent = state;
}

const events = new EventSource(panel.dataset.events ?? '');
events.addEventListener('open', () => show('live'));
events.addEventListener('error', () => show(events.readyState === EventSource.CLOSED ? 'closed' : 'reconnecting'));
events.addEventListener('status', (event) => {
  panel.innerHTML = event.data; // rendered by the hub, of numbers alone
});
