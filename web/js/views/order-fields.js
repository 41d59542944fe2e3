// @ts-check
/** The fields that a new order and a change of one have in common. */

import { ApiError } from "../api.js";
import { notice } from "../components/basics.js";
import { field, placeErrors } from "../components/field.js";
import { fill, h } from "../dom.js";

/** @typedef {import("../components/field.js").Field} Field */
/** @typedef {import("../components/rows.js").Rows} Rows */

const RESTARTS = [
  ["on-failure", "When it fails"],
  ["always", "Always"],
  ["never", "Never"],
];

/** @param {Record<string, any>} props */
export function text(props) {
  return h("input", { type: "text", autocomplete: "off", spellcheck: "false", ...props });
}

/** @param {Field} f */
export function value(f) {
  return f.input.value.trim();
}

/** @param {"public" | "private"} first */
export function accessChoice(first) {
  const options = [
    ["private", "Private", "Only people with an account here, and holders of a token."],
    ["public", "Public", "Anybody who can reach this machine."],
  ];
  const inputs = options.map(([name]) =>
    h("input", { type: "radio", name: "access", value: name, checked: name === first, id: `access-${name}` }),
  );
  const element = h(
    "div",
    { class: "choices", role: "radiogroup", "aria-label": "Access" },
    options.map(([name, word, meaning], i) =>
      h(
        "div",
        { class: "choice" },
        inputs[i],
        h("label", { for: `access-${name}` }, word, h("span", { class: "second" }, meaning)),
      ),
    ),
  );
  return { element, value: () => inputs.find((input) => input.checked)?.value ?? first };
}

/**
 * @param {Rows} rows
 * @param {string | undefined} index
 * @param {string | undefined} key
 * @returns {Field}
 */
export function rowField(rows, index, key) {
  const setError = (/** @type {string} */ message) =>
    index === undefined || Number.isNaN(Number(index))
      ? rows.setError(message)
      : rows.setRowError(Number(index), key ?? "", message);
  return /** @type {any} */ ({ element: rows.element, setError });
}

/** @param {string} title @param {string | null} hint @param {...import("../dom.js").Child} children */
export function section(title, hint, ...children) {
  return h(
    "section",
    { class: "section form-section" },
    h("h2", {}, title),
    hint && h("p", { class: "soft" }, hint),
    children,
  );
}

/** @param {string} title @param {string | null} hint @param {...import("../dom.js").Child} children */
export function group(title, hint, ...children) {
  return h(
    "div",
    { class: "field" },
    h("h3", {}, title),
    hint && h("p", { class: "field-hint" }, hint),
    children,
  );
}

/** @param {string} title @param {boolean} open @param {...import("../dom.js").Child} children */
export function fold(title, open, ...children) {
  return h(
    "details",
    { class: "fold", open },
    h("summary", {}, title),
    h("div", { class: "fold-body" }, children),
  );
}

/** @param {string} [value] */
export function restartField(value) {
  return field(
    "Restart",
    h(
      "select",
      {},
      RESTARTS.map(([name, label]) => h("option", { value: name, selected: name === value }, label)),
    ),
  );
}

/** @param {number | null | undefined} minutes */
export function sleepField(minutes) {
  return field(
    "Sleep after minutes without use",
    text({ inputmode: "decimal", value: minutes ?? "", placeholder: "never" }),
    {
      note: "optional",
      hint: "It stops, frees its GPU and costs nothing until somebody asks for its address.",
    },
  );
}

/** @param {string} [value] */
export function hostnameField(value) {
  return field("Host name", text({ placeholder: "my-service", value }), {
    note: "optional",
    hint: "A name of its own under this machine's domain.",
  });
}

/**
 * @param {string} value
 * @param {string[] | null} [usual]
 */
export function commandField(value, usual) {
  return field(
    "Command",
    text({ class: "mono", value, placeholder: usual?.join(" ") ?? "the image's own" }),
    { note: "optional", hint: "In place of the image's own. Quotes keep words together." },
  );
}

/** @param {Record<string, string>} limits @returns {Record<string, Field>} */
export function limitFields(limits) {
  return {
    cpus: field("CPUs", text({ inputmode: "decimal", value: limits.cpus, placeholder: "all" })),
    memoryMb: field(
      "Memory, MiB",
      text({ inputmode: "numeric", value: limits.memoryMb, placeholder: "all" }),
    ),
    gpus: field("GPUs", text({ inputmode: "numeric", value: limits.gpus, placeholder: "none" })),
    shmMb: field(
      "Shared memory, MiB",
      text({ inputmode: "numeric", value: limits.shmMb, placeholder: "64" }),
    ),
  };
}

/** @param {Record<string, Field>} fields */
export function valuesOf(fields) {
  return Object.fromEntries(Object.entries(fields).map(([key, f]) => [key, value(f)]));
}

/**
 * Errors beside their fields; those that have none at the top.
 * @param {HTMLElement} place
 * @param {string} title
 * @param {Error} error
 * @param {(name: string) => Field | null} find
 */
export function tellAll(place, title, error, find) {
  const isRefusal = error instanceof ApiError && error.fields.length > 0;
  const rest = isRefusal ? placeErrors(error.fields, find) : [];
  const lines = isRefusal
    ? rest.map((e) => (e.field === "body" ? e.message : `${e.field}: ${e.message}`))
    : [error.message];
  if (lines.length === 0) return;
  fill(
    place,
    notice(
      "bad",
      title,
      lines.map((line) => h("p", {}, line)),
    ),
  );
  place.scrollIntoView({ block: "center" });
}
