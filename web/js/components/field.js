// @ts-check
/** A labelled input with its hint and its error, tied together for those who listen. */

import { ApiError } from "../api.js";
import { fill, h } from "../dom.js";
import { icon } from "../icons.js";

let count = 0;

/**
 * @typedef {object} FieldOptions
 * @property {string} [note] beside the label: "optional", "required"
 * @property {string} [hint]
 * @property {boolean} [mono]
 * @property {HTMLElement[]} [beside] stands to the right of the input
 */

/**
 * @typedef {object} Field
 * @property {HTMLElement} element
 * @property {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} input
 * @property {(message: string) => void} setError "" takes it away
 */

/**
 * @param {string} label
 * @param {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} input
 * @param {FieldOptions} [options]
 * @returns {Field}
 */
export function field(label, input, { note, hint, mono, beside = [] } = {}) {
  count += 1;
  const id = `field-${count}`;
  const error = h("p", { class: "field-error", id: `${id}-error`, hidden: true });
  input.id = id;
  input.classList.add("input");
  input.setAttribute("aria-describedby", `${id}-error${hint ? ` ${id}-hint` : ""}`);
  const element = h(
    "div",
    { class: "field" },
    h(
      "label",
      { class: "field-label", for: id },
      h("span", { class: mono ? "mono" : "" }, label),
      note && h("span", { class: "soft small" }, note),
    ),
    h("div", { class: "field-row" }, input, beside),
    hint && h("p", { class: "field-hint", id: `${id}-hint` }, hint),
    error,
  );
  const setError = (/** @type {string} */ message) => showError(input, error, message);
  input.addEventListener("input", () => setError(""));
  return { element, input, setError };
}

/**
 * @param {HTMLElement} input
 * @param {HTMLElement} place
 * @param {string} message
 */
export function showError(input, place, message) {
  place.hidden = message === "";
  fill(place, message !== "" && [icon("warning"), h("span", {}, message)]);
  if (message === "") input.removeAttribute("aria-invalid");
  else input.setAttribute("aria-invalid", "true");
}

/**
 * @param {string} label
 * @param {[value: string, text: string][]} options
 * @param {string} value
 * @param {(value: string) => void} onchange
 */
export function select(label, options, value, onchange) {
  const made = h(
    "select",
    { class: "input", "aria-label": label },
    options.map(([name, text]) => h("option", { value: name, selected: name === value }, text)),
  );
  made.addEventListener("change", () => onchange(made.value));
  return made;
}

/**
 * Runs `work` for a form that is sent: once at a time, and what it throws is shown by `onError`.
 * @param {HTMLFormElement} form
 * @param {() => Promise<void>} work
 * @param {(error: any) => void} onError
 */
export function onSubmit(form, work, onError) {
  form.noValidate = true;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const submit = /** @type {HTMLButtonElement | null} */ (form.querySelector("[type=submit]"));
    if (!submit || submit.disabled) return;
    submit.disabled = true;
    try {
      await work();
    } catch (error) {
      onError(error);
    } finally {
      submit.disabled = false;
    }
  });
}

/**
 * Puts the API's errors beside their fields; those that have no field are given back.
 * @param {{ field: string, message: string }[]} errors
 * @param {(name: string) => Field | null} find
 */
export function placeErrors(errors, find) {
  const rest = errors.filter(({ field: name, message }) => {
    const found = find(name);
    found?.setError(sentence(message));
    return !found;
  });
  const first = document.querySelector("[aria-invalid=true]");
  if (first instanceof HTMLElement) first.focus();
  return rest;
}

/**
 * Errors beside their fields, the rest beside the first.
 * @param {any} error
 * @param {Record<string, Field>} fields
 * @param {Field} first
 */
export function tell(error, fields, first) {
  const known = error instanceof ApiError ? error.fields : [];
  const rest = placeErrors(known, (name) => fields[name] ?? null);
  if (known.length === 0 || rest.length > 0) first.setError(error.message);
}

/** @param {string} text */
function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
