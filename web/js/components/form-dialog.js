// @ts-check
/** A form in a dialog: it closes once its work is done, and shows what was refused. */

import { h } from "../dom.js";
import { button } from "./basics.js";
import { open } from "./dialog.js";
import { onSubmit, tell } from "./field.js";

/** @typedef {import("./field.js").Field} Field */

/**
 * @param {string} title
 * @param {Field[]} fields
 * @param {string} confirm
 * @param {() => Promise<void>} work
 * @param {Record<string, Field>} byName the fields by their names in the API
 */
export function formDialog(title, fields, confirm, work, byName) {
  const element = h(
    "form",
    {},
    fields.map((f) => f.element),
    h(
      "div",
      { class: "dialog-actions" },
      button("Cancel", { onclick: () => dialog.close() }),
      button(confirm, { kind: "primary", type: "submit" }),
    ),
  );
  const dialog = open(title, [element], []);
  onSubmit(
    element,
    async () => {
      await work();
      dialog.close();
    },
    (error) => tell(error, byName, fields[0]),
  );
  fields[0].input.focus();
}
