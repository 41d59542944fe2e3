// @ts-check
/** The fields that a new order and a change of one have in common. */

import { ApiError } from "../api.js";
import { notice } from "../components/basics.js";
import { field, placeErrors } from "../components/field.js";
import { Rows } from "../components/rows.js";
import { fill, h } from "../dom.js";

/** @typedef {import("../components/field.js").Field} Field */

const RESTARTS = [
  ["on-failure", "When it fails"],
  ["always", "Always"],
  ["never", "Never"],
];
const SHARING = [
  ["alone", "Alone"],
  ["shared", "With others"],
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
function rowField(rows, index, key) {
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
  return field("Restart", choice(RESTARTS, value));
}

/** @param {string[][]} options values and words @param {string} [value] */
function choice(options, value) {
  return h(
    "select",
    {},
    options.map(([name, label]) => h("option", { value: name, selected: name === value }, label)),
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

/** @param {boolean} [value] */
export function yieldField(value = false) {
  const options = [
    ["", "Keeps it"],
    ["yes", "Gives it to a deployment that waits"],
  ];
  return field(
    "GPU while idle",
    h(
      "select",
      {},
      options.map(([name, label]) =>
        h("option", { value: name, selected: (name === "yes") === value }, label),
      ),
    ),
    { hint: "One that gave way sleeps until somebody asks for its address." },
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

/**
 * The limits, each with what the machine has left of it.
 * @param {Record<string, string>} limits
 * @param {import("../types.js").MachineNode} node
 * @param {Record<string, string>} [usual] what holds where a field is left blank
 * @returns {Record<string, Field>}
 */
export function limitFields(limits, { specs, available: left, gpus }, usual = {}) {
  const number = (/** @type {string} */ key, /** @type {string} */ placeholder, mode = "numeric") =>
    text({ inputmode: mode, value: limits[key], placeholder: usual[key] || placeholder });
  return {
    cpus: field("CPUs", number("cpus", "all", "decimal"), {
      hint: `${left.cpus ?? "—"} of ${specs.cpuThreads ?? "—"} idle now`,
    }),
    memoryMb: field("Memory, MiB", number("memoryMb", "all"), {
      hint: `${whole(left.memoryMb)} of ${whole(specs.ramMb)} left now`,
    }),
    shmMb: field("Shared memory, MiB", number("shmMb", "64")),
    gpus: field("GPUs", text({ value: limits.gpus, placeholder: usual.gpus || "none" }), {
      hint: `How many, or which (0, 1). ${left.gpus} of ${gpus.length} free now`,
    }),
    vramMb: field("GPU memory, MiB", number("vramMb", "any"), { hint: "Free on each" }),
    minVramMb: field("GPU size, MiB", number("minVramMb", "any"), { hint: "At least, of each" }),
    sharing: field("Use of GPUs", choice(SHARING, limits.sharing), { hint: "Shared by memory" }),
  };
}

/** @param {number | null} mib */
function whole(mib) {
  return mib === null ? "—" : mib.toLocaleString("en");
}

/**
 * The limits as a form shows them; of GPUs only where there are any to speak of.
 * @param {Record<string, Field>} limits
 * @param {import("../types.js").MachineNode} node
 */
export function limitSection(limits, node) {
  const grid = (/** @type {string[]} */ keys) =>
    h(
      "div",
      { class: "fields" },
      keys.map((key) => limits[key].element),
    );
  const hasGpus = node.gpus.length > 0 || limits.gpus.input.value !== "";
  return section(
    "Limits",
    null,
    grid(["cpus", "memoryMb", "shmMb"]),
    hasGpus && grid(["gpus", "sharing", "vramMb", "minVramMb"]),
  );
}

export function portRows() {
  const protocol = {
    key: "protocol",
    label: "Protocol",
    options: /** @type {[string, string][]} */ ([
      ["http", "HTTP"],
      ["tcp", "TCP"],
    ]),
  };
  return new Rows([{ key: "port", label: "Port", placeholder: "8080", type: "number" }, protocol], "port");
}

export function volumeRows() {
  const name = { key: "name", label: "Name", placeholder: "data", mono: true };
  const path = { key: "path", label: "Path in the container", placeholder: "/data", mono: true };
  return new Rows([name, path], "volume");
}

/**
 * @param {import("../types.js").HealthCheck | null} usual what holds while nothing is said
 * @param {import("../types.js").HealthCheck | null} [known] what was said before
 */
export function healthFields(usual, known) {
  const path = field(
    "Health check",
    text({ placeholder: usual?.path ?? "/healthz", value: known?.path ?? "" }),
    { note: "optional" },
  );
  const port = field(
    "Port",
    text({
      inputmode: "numeric",
      placeholder: String(usual?.port ?? "first port"),
      value: String(known?.port ?? ""),
    }),
  );
  const element = h("div", { class: "fields wide-first" }, path.element, port.element);
  return { path, port, element, values: () => ({ path: value(path), port: value(port) }) };
}

/**
 * @typedef {object} Findable the fields of a form, by what the API calls them
 * @property {Record<string, Field>} plain
 * @property {Record<string, Field>} limits
 * @property {{ path: Field, port: Field }} health
 * @property {Record<string, Rows>} rows those that the API knows by their number
 * @property {Rows} variables
 */

/**
 * What shows the error of a field of the API (`ports.0.port`, `env.NAME`), null if nothing does.
 * @param {Findable} form
 * @param {string} name
 * @returns {Field | null}
 */
export function findField({ plain, limits, health, rows, variables }, name) {
  const [top, second, third] = name.split(".");
  if (top in plain) return plain[top];
  if (top === "resources") return second === "exclusive" ? limits.sharing : limits[second ?? "vramMb"];
  if (top === "health") return second === "port" ? health.port : health.path;
  if (top in rows) return rowField(rows[top], second, third);
  if (top !== "env" && top !== "secrets") return null;
  const index = second === undefined ? -1 : variables.indexOf(second);
  return rowField(variables, index < 0 ? undefined : String(index), "name");
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
