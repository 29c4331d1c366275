// Says in `#sharing` how many tabs listen to the one connection.
(() => {
  const place = /** @type {HTMLElement} */ (document.getElementById('sharing'));
  addEventListener('sse-kit:upstream', (event) => {
    const { tabs, transport } = /** @type {CustomEvent} */ (event).detail;
    const all = tabs === 1 ? '1 tab' : `${tabs} tabs`;
    place.textContent = transport === 'direct' ? `${all}, each with its own connection` : `One connection, ${all}`;
  });
})();
