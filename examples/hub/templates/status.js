// Shows what the hub publishes about itself.
const panel = document.getElementById('status');
const connection = document.getElementById('connection');

function show(state) {
  connection.dataset.state = state;
  connection.firstElementChild.textContent = state;
}

const events = new EventSource(panel.dataset.events);
events.addEventListener('open', () => show('live'));
events.addEventListener('error', () => show(events.readyState === EventSource.CLOSED ? 'closed' : 'reconnecting'));
events.addEventListener('status', (event) => {
  panel.innerHTML = event.data; // rendered by the hub, of numbers alone
});
