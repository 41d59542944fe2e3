// @ts-check
/** What is different from how a deployment is, as the body of its `PATCH`. Pure. */

import { healthOf, number, portsOf, resources, volumesOf, words } from "./order-body.js";

/** @typedef {import("./types.js").Deployment} Deployment */

/**
 * @typedef {object} ChangeValues
 * @property {string} name
 * @property {string} image
 * @property {Record<string, string>[]} variables name, value and whether it is a secret
 * @property {Record<string, string>} limits
 * @property {Record<string, string>[]} ports
 * @property {Record<string, string>[]} volumes
 * @property {{ path: string, port: string }} health
 * @property {string} command
 * @property {string} access
 * @property {string} hostname
 * @property {string} restartPolicy
 * @property {string} idleTimeout minutes, blank: never
 * @property {boolean} evictable
 */

const NO_LIMITS = {
  cpus: null,
  memoryMb: null,
  shmMb: null,
  gpus: 0,
  minVramMb: null,
  vramMb: null,
  exclusive: true,
};

/** @param {Deployment} d @param {ChangeValues} form @returns {Record<string, unknown>} */
export function changeBody(d, form) {
  const { env, secrets } = variables(d, form.variables);
  const health = healthOf(form.health);
  const wanted = {
    name: form.name,
    image: form.image,
    env,
    command: words(form.command),
    ports: ports(d, form.ports),
    volumes: volumesOf(form.volumes),
    resources: { ...NO_LIMITS, ...resources(form.limits) },
    access: form.access,
    hostname: form.hostname || null,
    health: health && { port: null, ...health },
    restartPolicy: form.restartPolicy,
    evictable: form.evictable,
    idleTimeoutMinutes: number(form.idleTimeout),
  };
  const today = { ...d, health: d.healthCheck };
  const differs = Object.entries(wanted).filter(
    ([key, value]) => !same(value, today[/** @type {keyof Deployment} */ (key)]),
  );
  const body = Object.fromEntries(differs);
  return Object.keys(secrets).length > 0 ? { ...body, secrets } : body;
}

/**
 * A port that stays keeps its name; without any, and none ever said, they are those of the image.
 * @param {Deployment} d
 * @param {Record<string, string>[]} rows
 */
function ports(d, rows) {
  if (rows.length === 0 && d.ports === null) return null;
  const nameOf = (/** @type {unknown} */ port) => d.ports?.find((known) => known.port === port)?.name ?? null;
  return portsOf(rows).map((p) => ({ ...p, name: nameOf(p.port) }));
}

/**
 * A secret that is known and left blank stays as it is; one whose row is gone goes.
 * @param {Deployment} d
 * @param {Record<string, string>[]} rows
 */
function variables(d, rows) {
  const plain = rows.filter((row) => !row.secret);
  const hidden = rows.filter((row) => row.secret);
  /** @type {Record<string, string | null>} */
  const secrets = {};
  for (const { name, value } of hidden)
    if (value !== "" || !d.secretNames.includes(name)) secrets[name] = value;
  for (const name of d.secretNames) if (!hidden.some((row) => row.name === name)) secrets[name] = null;
  return { env: Object.fromEntries(plain.map(({ name, value }) => [name, value])), secrets };
}

/** Equal as JSON, whatever the order of names. @param {unknown} a @param {unknown} b */
function same(a, b) {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

/** @param {any} value @returns {unknown} */
function sorted(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
}
