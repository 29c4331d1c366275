/**
 * @typedef {object} StreamEvent
 * @property {string} name
 * @property {string} data
 * @property {string} id that of the last event that had one
 * @property {number | undefined} retry
 */

/**
 * Reads an event stream: give it the text as it comes, and it gives the events that are complete.
 *
 * @returns {(text: string) => StreamEvent[]}
 */
export function eventReader() {
  let rest = '';
  let id = '';
  let name = '';
  /** @type {string[]} */
  let data = [];
  /** @type {number | undefined} */
  let retry;

  return (text) => {
    /** @type {StreamEvent[]} */
    const events = [];
    // A CR at the very end may be half of a CRLF.
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line) {
        if (data.length) events.push({ name: name || 'message', data: data.join('\n'), id, retry });
        name = '';
        data = [];
        retry = undefined;
        continue;
      }
      const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (field === 'data') data.push(value);
      else if (field === 'event') name = value;
      else if (field === 'id' && !value.includes('\0')) id = value;
      else if (field === 'retry' && /^\d+$/.test(value)) retry = Number(value);
    }
    return events;
  };
}
