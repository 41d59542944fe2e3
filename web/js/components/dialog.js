// @ts-check
/** Asks once, in words that name what will be lost. The browser's own dialog keeps the focus. */

import { fill, h } from "../dom.js";
import { button } from "./basics.js";

/**
 * @param {object} question
 * @param {string} question.title
 * @param {(string | Node)[]} question.body one paragraph each
 * @param {string} question.confirm what the button says it does
 * @param {boolean} [question.danger]
 * @returns {Promise<boolean>}
 */
export function ask({ title, body, confirm, danger = true }) {
  return new Promise((resolve) => {
    const no = button("Cancel", { onclick: () => dialog.close("no") });
    const yes = button(confirm, { kind: danger ? "danger" : "primary", onclick: () => dialog.close("yes") });
    const dialog = open(
      title,
      body.map((text) => h("p", {}, text)),
      [no, yes],
      () => resolve(dialog.returnValue === "yes"),
    );
    (danger ? no : yes).focus();
  });
}

/**
 * A dialog that stays until it is closed; it leaves the page then.
 * @param {string} title
 * @param {import("../dom.js").Child[]} body
 * @param {HTMLElement[]} actions none where the body brings its own
 * @param {() => void} [onClose]
 */
export function open(title, body, actions, onClose = () => {}) {
  const heading = h("h2", { id: "dialog-title" }, title);
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "dialog-title" });
  fill(dialog, heading, body, actions.length > 0 && h("div", { class: "dialog-actions" }, actions));
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
