// @ts-check
/** A table that becomes a list of blocks on a phone. */

import { h } from "../dom.js";

/** @typedef {import("../dom.js").Child} Child */

/**
 * @param {string} kind its class
 * @param {string[]} headings
 * @param {HTMLTableRowElement[]} rows
 * @param {boolean} [hasActions] whether a last column holds what can be done
 */
export function table(kind, headings, rows, hasActions = false) {
  const named = headings.map((word) => h("th", { scope: "col" }, word));
  const last = h(
    "th",
    { class: "actions", scope: "col" },
    h("span", { class: "visually-hidden" }, "Actions"),
  );
  return h(
    "table",
    { class: `table stacks ${kind}` },
    h("thead", {}, h("tr", {}, named, hasActions && last)),
    h("tbody", {}, rows),
  );
}

/**
 * A cell; on a phone its heading stands before it where `label` says so.
 * @param {string} kind its class
 * @param {Child} content
 * @param {string} [label]
 */
export function cell(kind, content, label) {
  return h("td", { class: kind || null, "data-label": label }, content);
}
