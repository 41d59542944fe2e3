// @ts-check
/** This machine: what it is and what it has. */

import { copyable, failure, head, loading, terms } from "../components/basics.js";
import { fill, h } from "../dom.js";
import { mebibytes, rate } from "../format.js";

/** @typedef {import("../types.js").MachineNode} MachineNode */

/** @type {import("../types.js").View} */
export const view = {
  title: "Machine",
  mount(root, { app }) {
    let hasEnded = false;
    const load = async () => {
      try {
        const node = await app.node();
        if (!hasEnded) show(root, node);
      } catch (error) {
        if (!hasEnded) fill(root, head("Machine"), failure(/** @type {Error} */ (error), load));
      }
    };
    fill(root, head("Machine"), loading());
    void load();
    return () => {
      hasEnded = true;
    };
  },
};

/** @param {HTMLElement} root @param {MachineNode} node */
function show(root, node) {
  const { specs } = node;
  fill(
    root,
    head(node.name, {
      text: h("p", { class: "soft" }, [specs.os, node.region, node.country].filter(Boolean).join(" · ")),
    }),
    terms("facts", [
      [
        "Processor",
        [
          specs.cpuModel ?? "—",
          h(
            "span",
            { class: "second" },
            `${specs.cpuCores ?? "—"} cores, ${specs.cpuThreads ?? "—"} threads`,
          ),
        ],
      ],
      ["Memory", mebibytes(specs.ramMb)],
      [
        "Disk",
        [
          specs.diskGb ? `${specs.diskGb} GB` : "—",
          h("span", { class: "second" }, specs.diskType?.toUpperCase()),
        ],
      ],
      ["Deployments", `${node.activeDeployments} active, at most ${node.maxDeployments}`],
      ["Rate", rate(node.hourlyRateCents)],
      ["Up", node.uptimePercent === null ? "—" : `${node.uptimePercent} %`],
    ]),
    gpus(node),
    h(
      "section",
      { class: "section" },
      h("h2", {}, "Details"),
      terms("sheet", [
        ["Id", copyable(h("span", { class: "mono" }, node.id), node.id, "id")],
        ["Status", node.status],
        ["Podman", specs.podmanVersion ?? "does not answer"],
        ["Network", specs.networkSpeedMbps ? `${specs.networkSpeedMbps} Mbit/s` : "—"],
      ]),
    ),
  );
}

/** @param {MachineNode} node */
function gpus(node) {
  return h(
    "section",
    { class: "section" },
    h("h2", {}, "GPUs"),
    node.gpus.length === 0
      ? h("p", { class: "soft" }, "This machine has no GPU that the appliance can use.")
      : terms(
          "sheet",
          node.gpus.map((gpu) => [
            `GPU ${gpu.index}`,
            [gpu.name ?? "GPU", h("span", { class: "second" }, mebibytes(gpu.vramMb))],
          ]),
        ),
  );
}
