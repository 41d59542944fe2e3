// @ts-check
/** What a deployment was ordered as. */

import { accessToken } from "../components/access-token.js";
import { copyable, terms } from "../components/basics.js";
import { fill, h } from "../dom.js";
import { mebibytes, moment, plural } from "../format.js";

/** @typedef {import("../types.js").Deployment} Deployment */

/** @param {import("../types.js").App} app @param {Deployment} first */
export function configuration(app, first) {
  const element = h("div");
  let drawn = "";
  const update = (/** @type {Deployment} */ d) => {
    const now = JSON.stringify([
      d.image,
      d.env,
      d.secretNames,
      d.resources,
      d.ports,
      d.healthCheck,
      d.volumes,
      d.command,
      d.access,
      d.hostname,
      d.restartPolicy,
      d.endpoints.length,
    ]);
    if (now === drawn) return;
    drawn = now;
    fill(element, sheet(d), isGuarded(d) && accessToken(app, d));
  };
  update(first);
  return { element, update, end: () => {} };
}

/** Whether the front door keeps strangers out of it. @param {Deployment} d */
function isGuarded(d) {
  return d.access === "private" && d.endpoints.some((endpoint) => endpoint.type === "https");
}

/** @param {Deployment} d */
function sheet(d) {
  return [
    terms("sheet", [
      ["Id", copyable(h("span", { class: "mono" }, d.id), d.id, "id")],
      ["Image", h("span", { class: "mono" }, d.image)],
      ["Template", d.templateId ?? "None"],
      ["Command", d.command ? h("span", { class: "mono" }, d.command.join(" ")) : "The image's own"],
      ["Access", d.access === "private" ? "Private" : "Public"],
      ["Host name", d.hostname ?? "By its id"],
      ["Restart", { always: "Always", never: "Never" }[d.restartPolicy] ?? "When it fails"],
      ["Ports", ports(d.ports)],
      ["Health check", health(d.healthCheck)],
      ["Limits", limits(d.resources)],
      ["Created", moment(d.createdAt)],
    ]),
    part("Variables", variables(d), "No variables were set."),
    part(
      "Volumes",
      d.volumes.map((v) => [v.name, h("span", { class: "mono" }, v.path)]),
      "It keeps no data.",
    ),
  ];
}

/** @param {Deployment} d @returns {[string, import("../dom.js").Child][]} */
function variables(d) {
  return [
    ...Object.entries(d.env).map(
      ([name, value]) => /** @type {[string, Node]} */ ([name, h("span", { class: "mono" }, value)]),
    ),
    ...d.secretNames.map(
      (name) =>
        /** @type {[string, Node]} */ ([
          name,
          h("span", { class: "soft" }, "••••••••  kept encrypted, never shown"),
        ]),
    ),
  ];
}

/** @param {string} title @param {[string, import("../dom.js").Child][]} pairs @param {string} none */
function part(title, pairs, none) {
  const list = terms("sheet", pairs);
  list.classList.add("mono-terms");
  return h(
    "section",
    { class: "section" },
    h("h2", {}, title),
    pairs.length === 0 ? h("p", { class: "soft" }, none) : list,
  );
}

/** @param {import("../types.js").Port[] | null} known */
function ports(known) {
  if (known === null) return "Those the image says it listens on";
  return known.map((p) => `${p.port} ${p.protocol.toUpperCase()}`).join(", ") || "None";
}

/** @param {import("../types.js").HealthCheck | null} check */
function health(check) {
  if (check === null) return "None";
  return h("span", { class: "mono" }, `GET ${check.path}${check.port === null ? "" : ` on ${check.port}`}`);
}

/** @param {import("../types.js").Resources} r */
function limits({ cpus, memoryMb, shmMb, ...ofGpus }) {
  return [
    cpus === null ? "all processors" : `${cpus} CPU`,
    memoryMb === null ? "all memory" : `${mebibytes(memoryMb)} memory`,
    shmMb === null ? null : `${mebibytes(shmMb)} shared memory`,
    ...gpus(ofGpus),
  ]
    .filter((text) => text !== null)
    .join(", ");
}

/** @param {Pick<import("../types.js").Resources, "gpus" | "minVramMb" | "vramMb" | "exclusive">} r */
function gpus({ gpus: which, minVramMb, vramMb, exclusive }) {
  if (which === 0) return [];
  return [
    typeof which === "number" ? plural(which, "GPU") : `GPU ${which.join(" and ")}`,
    minVramMb === null ? null : `of ${mebibytes(minVramMb)} or more`,
    vramMb === null ? null : `with ${mebibytes(vramMb)} free`,
    exclusive ? null : "shared with others",
  ];
}
