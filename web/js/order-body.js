// @ts-check
/** What the form holds as the body of `POST /deployments`. Pure: blank things are left away. */

/** @typedef {Record<string, string>} Values */

/**
 * @typedef {object} FormValues
 * @property {string} nodeId
 * @property {string | null} templateId
 * @property {string} image
 * @property {string} name
 * @property {{ name: string, value: string, secret: boolean, default: string | null }[]} settings the template's own
 * @property {Values[]} variables
 * @property {Values[]} ports
 * @property {Values[]} volumes
 * @property {Values} limits
 * @property {string} command
 * @property {string} access
 * @property {string} hostname
 * @property {string} restartPolicy
 * @property {string} idleTimeout minutes, blank: never
 * @property {boolean} evictable
 * @property {{ path: string, port: string }} health
 * @property {import("./types.js").Template | null} template
 */

/** Ports as the API takes them. @param {Values[]} rows */
export function portsOf(rows) {
  return rows.map(({ port, protocol }) => ({ port: number(port), protocol }));
}

/** Volumes as the API takes them. @param {Values[]} rows */
export function volumesOf(rows) {
  return rows.map(({ name, path }) => ({ name, path }));
}

/** A health check as the API takes it. @param {{ path: string, port: string }} health */
export function healthOf({ path, port }) {
  return path ? prune({ path, port: number(port) }) : null;
}

/** @param {FormValues} form */
export function orderBody(form) {
  const { env, secrets } = variables(form);
  const t = form.template;
  const ports = portsOf(form.ports);
  const body = prune({
    nodeId: form.nodeId,
    templateId: form.templateId,
    customImage: form.templateId ? null : form.image,
    name: form.name,
    env: some(env),
    secrets: some(secrets),
    command: words(form.command),
    ports: changed(ports, t?.ports.map(({ port, protocol }) => ({ port, protocol })) ?? []),
    volumes: changed(volumesOf(form.volumes), t?.volumes ?? []),
    resources: changed(resources(form.limits), resources(limitsOf(t?.resources)), true),
    access: form.access,
    hostname: form.hostname,
    restartPolicy: form.restartPolicy,
    evictable: form.evictable || null,
    health: healthOf(form.health),
  });
  const idle = number(form.idleTimeout);
  return idle === (t?.idleTimeoutMinutes ?? null) ? body : { ...body, idleTimeoutMinutes: idle };
}

/** @param {FormValues} form */
function variables(form) {
  /** @type {Values} */
  const env = {};
  /** @type {Values} */
  const secrets = {};
  for (const s of form.settings) {
    if (s.value === "" || (!s.secret && s.value === s.default)) continue;
    (s.secret ? secrets : env)[s.name] = s.value;
  }
  for (const v of form.variables) (v.secret ? secrets : env)[v.name] = v.value;
  return { env, secrets };
}

/** Limits as a form shows them. @param {import("./types.js").Resources | undefined} r @returns {Values} */
export function limitsOf(r) {
  const text = (/** @type {number | null | undefined} */ n) =>
    n === null || n === undefined ? "" : String(n);
  return {
    cpus: text(r?.cpus),
    memoryMb: text(r?.memoryMb),
    shmMb: text(r?.shmMb),
    gpus: gpuText(r?.gpus ?? 0),
    minVramMb: text(r?.minVramMb),
    vramMb: text(r?.vramMb),
    sharing: r?.exclusive === false ? "shared" : "alone",
  };
}

/**
 * Limits of a form: one left blank is what holds without a word.
 * @param {Values} limits
 * @param {Values} usual
 */
export function filled(limits, usual) {
  return Object.fromEntries(Object.entries(limits).map(([key, value]) => [key, value || usual[key]]));
}

/** Limits as the API takes them; without a GPU nothing else is said of GPUs. @param {Values} limits */
export function resources({ cpus, memoryMb, shmMb, gpus, minVramMb, vramMb, sharing }) {
  const which = gpusOf(gpus);
  const ofGpus = which
    ? {
        gpus: which,
        minVramMb: number(minVramMb),
        vramMb: number(vramMb),
        exclusive: sharing === "shared" ? false : null,
      }
    : { gpus: which };
  return prune({ cpus: number(cpus), memoryMb: number(memoryMb), shmMb: number(shmMb), ...ofGpus });
}

/**
 * How many GPUs, or which: `2` is two of them, `0, 1` and `2,` are certain ones.
 * @param {string | undefined} text
 */
function gpusOf(text) {
  if (text === undefined || text === "") return null;
  if (/^[0-9]+$/.test(text)) return Number(text);
  return text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

/** The other way round. @param {number | string[]} gpus */
function gpuText(gpus) {
  if (typeof gpus === "number") return gpus === 0 ? "" : String(gpus);
  return gpus.length === 1 && /^[0-9]+$/.test(gpus[0]) ? `${gpus[0]},` : gpus.join(", ");
}

/**
 * A number as it was meant; what is none goes as text, for the API to say what it may be.
 * @param {string | undefined} text
 */
export function number(text) {
  if (text === undefined || text === "") return null;
  const value = Number(text);
  return Number.isNaN(value) ? text : value;
}

/**
 * A command in words as a shell splits them: quotes keep together.
 * @param {string} text
 * @returns {string[] | null}
 */
export function words(text) {
  const found = text.match(/"(?:\\.|[^"\\])*"|'[^']*'|(?:\\.|[^\s"'\\])+/g);
  if (!found) return null;
  return found.map((word) => {
    if (word.startsWith("'")) return word.slice(1, -1);
    return (word.startsWith('"') ? word.slice(1, -1) : word).replace(/\\(.)/g, "$1");
  });
}

/**
 * `value` if it is not what holds anyway.
 * @template T
 * @param {T} value
 * @param {unknown} usual
 * @param {boolean} [whole] sent whole or not at all
 */
function changed(value, usual, whole = false) {
  if (JSON.stringify(value) === JSON.stringify(usual)) return null;
  return whole || Array.isArray(value) ? value : some(/** @type {any} */ (value));
}

/** @param {Values} values */
function some(values) {
  return Object.keys(values).length > 0 ? values : null;
}

/** @param {Record<string, unknown>} object */
function prune(object) {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null && value !== ""));
}

/** The other way round: a command as one would type it. @param {string[] | null} command */
export function commandText(command) {
  return (command ?? [])
    .map((word) => (/^[^\s"'\\]+$/.test(word) ? word : `"${word.replace(/["\\]/g, "\\$&")}"`))
    .join(" ");
}
