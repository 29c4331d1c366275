// Loads a page anew without losing what people are writing.

/** @import { Connection } from './connection.js' */
/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Field */
/** @typedef {{id: string, value: string, checked?: boolean, selected?: boolean[]}} Kept */

/** How old a page is before it loads itself anew: a server may say "gap" each time. In milliseconds. */
const RELOAD_INTERVAL_MS = 5000;

const KEY = 'sse-kit:fields';

/** The fields that people have edited. @type {Set<Field>} */
const touched = new Set();

/** Waits for the fields. @type {(() => void) | undefined} */
let waiting;

/** @param {Field} field */
function isEdited(field) {
  if (!field.isConnected) return false;
  if (field instanceof HTMLSelectElement || field.type === 'checkbox' || field.type === 'radio') return true;
  return field.value !== field.defaultValue;
}

const edited = () => [...touched].filter(isEdited);

/** @param {Field} field @returns {Kept} */
function kept(field) {
  const { id, value } = field;
  if (field instanceof HTMLSelectElement) {
    return { id, value, selected: [...field.options].map(({ selected }) => selected) };
  }
  return { id, value, checked: field instanceof HTMLInputElement ? field.checked : undefined };
}

/** Keeps the values of these fields for the next page; false if it cannot. @param {Field[]} fields */
function keep(fields) {
  if (fields.some(({ id, type }) => !id || type === 'password' || type === 'file')) return false;
  try {
    const focus = document.activeElement?.id;
    sessionStorage.setItem(KEY, JSON.stringify({ url: location.href, focus, fields: fields.map(kept) }));
    return true;
  } catch {
    return false; // the browser refuses
  }
}

/** Gives the fields of this page the values that the page before has kept. */
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
      for (const [n, option] of [...field.options].entries()) option.selected = selected?.[n] ?? option.selected;
    } else {
      field.value = value;
      if (field instanceof HTMLInputElement) field.checked = checked ?? field.checked;
    }
    // The page's own scripts see it as if it was typed.
    for (const name of ['input', 'change']) field.dispatchEvent(new Event(name, { bubbles: true }));
    if (id === found.focus) field.focus();
  }
}

/** Watches the fields, and gives back what was kept. */
export function watchFields() {
  for (const name of ['input', 'change']) {
    document.addEventListener(
      name,
      ({ target }) => {
        const field = /** @type {Field} */ (target);
        if (field instanceof HTMLElement && 'value' in field) touched.add(field);
        setTimeout(() => waiting?.());
      },
      true,
    );
  }
  for (const name of ['submit', 'reset']) {
    document.addEventListener(name, ({ target }) => {
      for (const field of touched) if (field.form === target) touched.delete(field);
      setTimeout(() => waiting?.());
    });
  }
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', restore);
  else restore();
}

/**
 * Loads the page anew, or waits until no field is edited any more.
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
  // By the page's own age, which needs no storage.
  setTimeout(go, Math.max(0, RELOAD_INTERVAL_MS - performance.now()));
}
