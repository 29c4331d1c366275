// Reloads a page without losing edited fields.

/** @import { Connection } from './connection.js' */
/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Field */
/** @typedef {{id: string, value: string, checked?: boolean, selected?: string[]}} Kept */
/** @typedef {{getAll: (name: string) => unknown[]}} Parameters of a request: a FormData, or those of a URL */

/**
 * The minimum age of a page before it reloads itself, in milliseconds: a server may send a gap after each
 * reload.
 */
const RELOAD_INTERVAL_MS = 5000;

const KEY = 'sse-kit:fields';

/** The fields that people have edited, and that no request has carried to the server. @type {WeakSet<Field>} */
const touched = new WeakSet();

/** The edited fields of each form that was submitted last, in case that this fails. @type {WeakMap<object, Field[]>} */
const submitted = new WeakMap();

/** Waits for the fields. @type {(() => void) | undefined} */
let waiting;

/** Returns the edited fields that are still in the page. @returns {Field[]} */
function touchedHere() {
  const fields = /** @type {NodeListOf<Field>} */ (document.querySelectorAll('input, select, textarea'));
  return [...fields].filter((field) => touched.has(field));
}

/** Whether a field differs from what the server sent. @param {Field} field */
function isEdited(field) {
  if (field instanceof HTMLSelectElement) {
    const options = [...field.options];
    // A list without a selected option shows its first.
    if (!field.multiple && !options.some(({ defaultSelected }) => defaultSelected)) return field.selectedIndex > 0;
    return options.some(({ selected, defaultSelected }) => selected !== defaultSelected);
  }
  if (isBox(field)) return field.checked !== field.defaultChecked;
  return field.value !== field.defaultValue;
}

/** @param {Field} field @returns {field is HTMLInputElement} */
function isBox(field) {
  return field.type === 'checkbox' || field.type === 'radio';
}

/** What is chosen. @param {HTMLSelectElement} field */
const selection = (field) => [...field.selectedOptions].map(({ value }) => value);

const edited = () => touchedHere().filter(isEdited);

/** @param {Field} field @returns {Kept} */
function kept(field) {
  const { id, value } = field;
  if (field instanceof HTMLSelectElement) return { id, value, selected: selection(field) };
  return { id, value, checked: isBox(field) ? field.checked : undefined };
}

/** Keeps the values of these fields for the next page; false if it cannot. @param {Field[]} fields */
function keep(fields) {
  if (fields.some(({ id, type }) => !id || type === 'password' || type === 'file')) return false;
  try {
    const focus = document.activeElement?.id;
    sessionStorage.setItem(KEY, JSON.stringify({ url: location.href, focus, fields: fields.map(kept) }));
    return true;
  } catch {
    return false; // the browser refuses storage
  }
}

/** Restores the values that the page stored before its reload. */
function restore() {
  /** @type {{url: string, focus: string, fields: Kept[]}} */
  let found;
  try {
    found = JSON.parse(sessionStorage.getItem(KEY) ?? '{}');
    sessionStorage.removeItem(KEY);
  } catch {
    return;
  }
  if (found.url !== location.href) return;
  for (const { id, value, checked, selected } of found.fields) {
    const field = /** @type {Field | null} */ (document.getElementById(id));
    if (!field) continue;
    if (field instanceof HTMLSelectElement) {
      // Options are compared by value, because this page may have other options. A value that it lacks is not
      // restored.
      const isThere = (/** @type {string} */ choice) => [...field.options].some(({ value }) => value === choice);
      if (!selected?.every(isThere)) continue;
      for (const option of field.options) option.selected = selected.includes(option.value);
    } else {
      field.value = value;
      if (field instanceof HTMLInputElement) field.checked = checked ?? field.checked;
    }
    // An `input` event lets the page's scripts see the value as typed. A `change` event would send it once
    // more.
    field.dispatchEvent(new Event('input', { bubbles: true }));
    if (id === found.focus) field.focus();
  }
}

/** The values that a request has of a field: none of an empty box, or of a list without a choice. @param {Field} field */
function valuesOf(field) {
  if (field instanceof HTMLSelectElement) return selection(field);
  return isBox(field) && !field.checked ? [] : [field.value];
}

/**
 * Forgets the fields whose values a request has sent to the server.
 *
 * @param {Element} source of the request
 * @param {Parameters} parameters
 */
function saved(source, parameters) {
  const form = source.closest?.('form');
  submitted.delete(source);
  for (const field of touchedHere()) {
    const sent = parameters.getAll(field.name);
    const values = valuesOf(field);
    // A missing value means something only for fields of the request's own form.
    const isOwn = field === source || (form && field.form === form);
    const isSaved = values.length
      ? values.every((value) => sent.includes(value))
      : isOwn && !sent.includes(field.value);
    if (isSaved) touched.delete(field);
  }
  setTimeout(() => waiting?.());
}

/** Remembers the fields of a form that could not be submitted. @param {Element} source of the request */
function failed(source) {
  for (const field of submitted.get(source) ?? []) touched.add(field);
}

/** Watches the fields, and restores stored values. */
export function watchFields() {
  for (const name of ['input', 'change']) {
    document.addEventListener(
      name,
      ({ target }) => {
        if (target) touched.add(/** @type {Field} */ (target));
        setTimeout(() => waiting?.());
      },
      true,
    );
  }
  for (const name of ['submit', 'reset']) {
    document.addEventListener(name, ({ target }) => {
      const fields = touchedHere().filter(({ form }) => form === target);
      for (const field of fields) touched.delete(field);
      if (target) submitted.set(target, name === 'submit' ? fields : []);
      setTimeout(() => waiting?.());
    });
  }
  // htmx 2, and htmx 4.
  listen('htmx:afterRequest', (source, { successful, requestConfig }) => {
    if (successful) saved(source, requestConfig.formData);
    else failed(source);
  });
  listen('htmx:after:request', (source, { ctx: { response, request } }) => {
    const { searchParams } = new URL(request.action, document.baseURI);
    if (response.status < 400) saved(source, request.body ?? searchParams);
    else failed(source);
  });
  listen('htmx:error', (source, { ctx }) => ctx && !ctx.response && failed(source));
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', restore);
  else restore();
}

/**
 * @param {string} name
 * @param {(source: Element, detail: any) => void} act
 */
function listen(name, act) {
  document.addEventListener(name, (event) =>
    act(/** @type {Element} */ (event.target), /** @type {CustomEvent} */ (event).detail),
  );
}

/**
 * Reloads the page, or waits until no field is edited.
 *
 * @param {Connection} connection
 */
export function reload(connection) {
  const go = () => {
    const fields = edited();
    const mayGo = fields.length === 0 || (connection.config.gap === 'reload' && keep(fields));
    if (mayGo) return location.reload();
    waiting ??= go;
    connection.waits();
  };
  // Measured by the page's age, which needs no storage.
  setTimeout(go, Math.max(0, RELOAD_INTERVAL_MS - performance.now()));
}
