// @ts-check
/** This machine: what it is, what it has, who holds it, and what is wrong with it. */

import { copyable, head, notice, terms } from "../components/basics.js";
import { Loaded } from "../components/loaded.js";
import { cell, table } from "../components/table.js";
import { fill, h } from "../dom.js";
import { mebibytes, plural, rate } from "../format.js";
import { icon } from "../icons.js";
import { LEAK_ADVICE } from "../words.js";

/** @typedef {import("../types.js").MachineNode} MachineNode */
/** @typedef {import("../types.js").Gpu} Gpu */
/** @typedef {{ name: string, status: "ok" | "warn" | "fail" | "unknown", detail: string, remedy: string, why: string }} Check */

/** @type {Record<Check["status"], { tone: string, word: string, sign: import("../icons.js").IconName }>} */
const VERDICTS = {
  ok: { tone: "good", word: "Good", sign: "check" },
  warn: { tone: "busy", word: "Could be better", sign: "warning" },
  fail: { tone: "bad", word: "Wrong", sign: "close" },
  unknown: { tone: "idle", word: "Not known", sign: "info" },
};

/** @type {import("../types.js").View} */
export const view = {
  title: "Machine",
  mount(root, { app }) {
    const page = new Loaded(
      async () => {
        const node = await app.node();
        return { node, checks: app.session.isAdmin ? (await app.api.get("/doctor")).checks : null };
      },
      ({ node, checks }) => shown(node, checks),
      () => head("Machine"),
    );
    fill(root, page.element);
    return () => page.end();
  },
};

/** @param {MachineNode} node @param {Check[] | null} checks */
function shown(node, checks) {
  const { specs } = node;
  const place = [specs.os, node.region, node.country].filter(Boolean).join(" · ");
  return [
    head(node.name, { text: h("p", { class: "soft" }, place) }),
    terms("facts", facts(node)),
    section("GPUs", gpus(node.gpus)),
    checks && section("Findings", findings(checks)),
    section(
      "Details",
      terms("sheet", [
        ["Id", copyable(h("span", { class: "mono" }, node.id), node.id, "id")],
        ["Status", node.status],
        ["Podman", specs.podmanVersion ?? "does not answer"],
        ["Network", specs.networkSpeedMbps ? `${specs.networkSpeedMbps} Mbit/s` : "—"],
      ]),
    ),
  ];
}

/** @param {string} title @param {import("../dom.js").Child} body */
function section(title, body) {
  return h("section", { class: "section" }, h("h2", { class: "section-title" }, title), body);
}

/** @param {MachineNode} node @returns {[string, import("../dom.js").Child][]} */
function facts(node) {
  const { specs, available: left } = node;
  const cores = `${specs.cpuCores ?? "—"} cores, ${specs.cpuThreads ?? "—"} threads, ${left.cpus ?? "—"} idle`;
  return [
    ["Processor", [specs.cpuModel ?? "—", h("span", { class: "second" }, cores)]],
    ["Memory", [mebibytes(specs.ramMb), h("span", { class: "second" }, `${mebibytes(left.memoryMb)} left`)]],
    [
      "Disk",
      [
        specs.diskGb ? `${specs.diskGb} GiB` : "—",
        h("span", { class: "second" }, [`${left.diskGb ?? "—"} GiB left`, kindOf(specs.diskType)]),
      ],
    ],
    ["Deployments", `${node.activeDeployments} active, at most ${node.maxDeployments}`],
    [
      "Rate",
      [
        rate(node.hourlyRateCents),
        node.gpuHourlyRateCents
          ? h("span", { class: "second" }, `and ${rate(node.gpuHourlyRateCents)} a GPU`)
          : null,
      ],
    ],
    ["Up", node.uptimePercent === null ? "—" : `${node.uptimePercent} %`],
  ];
}

/** @param {string | null} disk */
function kindOf(disk) {
  return disk && `, ${disk.toUpperCase()}`;
}

/** @param {Gpu[]} found */
function gpus(found) {
  if (found.length === 0)
    return h("p", { class: "soft" }, "This machine has no GPU that the appliance can use.");
  return [leaks(found), table("gpus", ["GPU", "Memory", "Load", "Held by"], found.map(gpuRow))];
}

/** What deployments left behind, and what to do about it. @param {Gpu[]} found */
function leaks(found) {
  const lines = found.flatMap((gpu) =>
    (gpu.leaked ?? []).map(({ deploymentId, vramMb }) =>
      h(
        "p",
        {},
        `${mebibytes(vramMb)} on GPU ${gpu.index}, from `,
        deploymentId === null
          ? "somebody else's deployment"
          : h("a", { class: "mono", href: `/ui/deployments/${deploymentId}` }, deploymentId),
      ),
    ),
  );
  if (lines.length === 0) return null;
  return notice("bad", "GPU memory did not come back", lines, h("p", {}, LEAK_ADVICE));
}

/** @param {Gpu} gpu */
function gpuRow(gpu) {
  const used = isKnown(gpu.vramUsedMb) ? `${mebibytes(gpu.vramUsedMb)} used` : null;
  const foreign = gpu.foreignVramMb ? `${mebibytes(gpu.foreignVramMb)} by other programs` : null;
  const load = [
    isKnown(gpu.utilizationPercent) ? `${gpu.utilizationPercent} %` : null,
    gpu.temperatureC ? `${gpu.temperatureC} °C` : null,
    gpu.powerWatts ? `${Math.round(gpu.powerWatts)} W` : null,
  ].filter((text) => text !== null);
  return h(
    "tr",
    {},
    cell("wrap", [
      gpu.name ?? "GPU",
      h(
        "span",
        { class: "second" },
        [gpu.brand, gpu.driverVersion && `driver ${gpu.driverVersion}`].filter(Boolean).join(", "),
      ),
    ]),
    cell(
      "",
      [
        mebibytes(gpu.vramMb),
        used && h("span", { class: "second" }, used),
        foreign && h("span", { class: "second" }, foreign),
      ],
      "Memory",
    ),
    cell("", load.length > 0 ? load.join(", ") : "—", "Load"),
    cell("wrap", holders(gpu), "Held by"),
  );
}

/** @param {number | null | undefined} value */
function isKnown(value) {
  return value !== null && value !== undefined;
}

/** @param {Gpu} gpu */
function holders(gpu) {
  const held = gpu.holders ?? [];
  if (held.length === 0) return "Nobody";
  return held.map(({ deploymentId }) =>
    deploymentId
      ? h("a", { class: "mono holder", href: `/ui/deployments/${deploymentId}` }, deploymentId)
      : h("span", { class: "holder" }, "Somebody else's deployment"),
  );
}

/** What is wrong; what is well is folded away. @param {Check[]} checks */
function findings(checks) {
  const order = ["fail", "warn", "unknown"];
  const well = checks.filter((check) => check.status === "ok");
  const rest = checks.filter((check) => check.status !== "ok");
  rest.sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status));
  return [
    rest.length === 0 ? h("p", { class: "soft" }, "Nothing is wrong.") : list(rest),
    h(
      "details",
      { class: "fold" },
      h("summary", {}, `${plural(well.length, "check")} found all well`),
      list(well),
    ),
  ];
}

/** @param {Check[]} checks */
function list(checks) {
  return h(
    "ul",
    { class: "findings" },
    checks.map(({ name, status, detail, remedy, why }) => {
      const { tone, word, sign } = VERDICTS[status];
      return h(
        "li",
        { class: "finding" },
        h("span", { class: `status ${tone}` }, icon(sign), word),
        h(
          "div",
          { class: "wrap" },
          h("p", { class: "timeline-title" }, name),
          h("p", { class: "soft" }, detail),
          status !== "ok" && why && h("p", { class: "soft" }, why),
          status !== "ok" && remedy && h("pre", { class: "command", tabindex: "0" }, remedy),
        ),
      );
    }),
  );
}
