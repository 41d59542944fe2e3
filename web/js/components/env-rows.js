// @ts-check
/** Variables as a table that takes the text of a `.env` file. */

import { parseDotenv } from "../dotenv.js";
import { h } from "../dom.js";
import { plural } from "../format.js";
import { button } from "./basics.js";
import { open } from "./dialog.js";
import { Rows } from "./rows.js";

const SECRET_NAME = /(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL)/i;

/** @returns {Rows} */
export function envRows() {
  const rows = new Rows(
    [
      { key: "name", label: "Name", placeholder: "NAME", mono: true },
      { key: "value", label: "Value", placeholder: "value", mono: true, exact: true },
      { key: "secret", label: "Secret", type: "checkbox" },
    ],
    "variable",
    [button("Paste .env", { kind: "small", onclick: () => paste((text) => take(rows, text)) })],
  );
  rows.element.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text") ?? "";
    if (!text.trim().includes("\n") || parseDotenv(text).variables.length < 2) return;
    event.preventDefault();
    take(rows, text);
  });
  return rows;
}

/** @param {Rows} rows @param {string} text */
function take(rows, text) {
  const { variables, rejected } = parseDotenv(text);
  for (const [name, value] of variables)
    rows.add({ name, value, secret: SECRET_NAME.test(name) ? "yes" : "" });
  rows.setError(
    rejected.length > 0
      ? `${plural(rejected.length, "line")} left away, not NAME=value: ${rejected[0].slice(0, 60)}`
      : "",
  );
}

/** @param {(text: string) => void} onText */
function paste(onText) {
  const area = h("textarea", {
    class: "input mono",
    rows: "10",
    "aria-label": "Text of a .env file",
    placeholder: "NAME=value",
    spellcheck: "false",
  });
  const dialog = open(
    "Paste .env text",
    [h("p", { class: "soft" }, "One NAME=value a line. Names that sound secret are marked as such."), area],
    [
      button("Cancel", { onclick: () => dialog.close() }),
      button("Add variables", {
        kind: "primary",
        onclick: () => {
          onText(area.value);
          dialog.close();
        },
      }),
    ],
  );
  area.focus();
}
