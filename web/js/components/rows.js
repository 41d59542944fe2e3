// @ts-check
/** A list of rows that grows and shrinks: ports, volumes, variables. */

import { h } from "../dom.js";
import { icon } from "../icons.js";
import { button, iconButton } from "./basics.js";
import { showError } from "./field.js";

/**
 * @typedef {object} Column
 * @property {string} key
 * @property {string} label
 * @property {string} [placeholder]
 * @property {boolean} [mono]
 * @property {[string, string][]} [options] makes it a choice
 * @property {"number" | "checkbox"} [type]
 * @property {boolean} [exact] blanks at its ends are meant
 */

/** @typedef {Record<string, string>} Values */

export class Rows {
  #columns;
  #body = h("div", { class: "rows" });
  #error = h("p", { class: "field-error", hidden: true });
  /** @type {{ element: HTMLElement, inputs: Record<string, HTMLInputElement | HTMLSelectElement>, error: HTMLElement }[]} */
  #rows = [];
  element;

  /**
   * @param {Column[]} columns
   * @param {string} what one of them: "port"
   * @param {HTMLElement[]} [beside] stands beside the button that adds one
   */
  constructor(columns, what, beside = []) {
    this.#columns = columns;
    const add = button(`Add ${what}`, { kind: "small", icon: "plus", onclick: () => this.add({}).focus() });
    this.element = h(
      "div",
      { class: `rows-field rows-${what}` },
      this.#body,
      h("div", { class: "tools" }, add, beside),
      this.#error,
    );
  }

  /** @param {Values} values @param {Values} [hints] placeholders in place of the usual ones */
  add(values, hints = {}) {
    /** @type {Record<string, HTMLInputElement | HTMLSelectElement>} */
    const inputs = {};
    const cells = this.#columns.map((column) => {
      inputs[column.key] = cell(
        { ...column, placeholder: hints[column.key] ?? column.placeholder },
        values[column.key] ?? "",
      );
      return column.type === "checkbox"
        ? h("label", { class: "check" }, inputs[column.key], column.label)
        : inputs[column.key];
    });
    const error = h("p", { class: "field-error", hidden: true });
    const row = { element: h("div", { class: "row" }), inputs, error };
    row.element.append(
      ...cells,
      iconButton("close", "Remove", () => this.#remove(row)),
      error,
    );
    row.element.addEventListener("input", () =>
      Object.values(inputs).forEach((input) => showError(input, error, "")),
    );
    this.#body.append(row.element);
    this.#rows.push(row);
    return inputs[this.#columns[0].key];
  }

  /** What the rows hold; one whose first field is blank is none. @returns {Values[]} */
  get values() {
    return this.#filled().map(({ inputs }) =>
      Object.fromEntries(this.#columns.map((column) => [column.key, read(inputs[column.key], column.exact)])),
    );
  }

  /** @param {string} message */
  setError(message) {
    this.#error.hidden = message === "";
    this.#error.replaceChildren(...(message === "" ? [] : [icon("warning"), message]));
  }

  /** The error of the row of that index among `values`. @param {number} index @param {string} key @param {string} message */
  setRowError(index, key, message) {
    const row = this.#filled()[index];
    if (!row) return this.setError(message);
    showError(row.inputs[key] ?? Object.values(row.inputs)[0], row.error, message);
  }

  /** A row by the value of its first field. @param {string} first */
  indexOf(first) {
    return this.values.findIndex((values) => values[this.#columns[0].key] === first);
  }

  #filled() {
    return this.#rows.filter(({ inputs }) => inputs[this.#columns[0].key].value.trim() !== "");
  }

  /** @param {{ element: HTMLElement }} row */
  #remove(row) {
    row.element.remove();
    this.#rows = this.#rows.filter((other) => other !== row);
    this.setError("");
  }
}

/** @param {Column} column @param {string} value */
function cell({ label, placeholder, mono, options, type }, value) {
  if (options) {
    return h(
      "select",
      { class: "input", "aria-label": label },
      options.map(([name, text]) => h("option", { value: name, selected: name === value }, text)),
    );
  }
  if (type === "checkbox") return h("input", { type, checked: value === "yes" });
  return h("input", {
    class: `input ${mono ? "mono" : ""}`,
    "aria-label": label,
    placeholder: placeholder ?? label,
    value,
    inputmode: type === "number" ? "numeric" : null,
    autocomplete: "off",
    spellcheck: "false",
  });
}

/** @param {HTMLInputElement | HTMLSelectElement} input @param {boolean} [exact] */
function read(input, exact) {
  if (input instanceof HTMLInputElement && input.type === "checkbox") return input.checked ? "yes" : "";
  return exact ? input.value : input.value.trim();
}
