// @ts-check
/** What ran in the last 30 days, for how long and at what cost. */

import { button, empty, head } from "../components/basics.js";
import { select } from "../components/field.js";
import { Loaded } from "../components/loaded.js";
import { save } from "../components/save.js";
import { cell, table } from "../components/table.js";
import { fill, h } from "../dom.js";
import { money, span } from "../format.js";

/** @typedef {{ userId: string | null, email: string | null, deploymentId: string | null, name: string | null, day: string | null, runningSeconds: number, gpuSeconds: number, cost: number, energyWh: number, energyCost: number }} Line */

/** @type {[string, string][]} */
const GROUPS = [
  ["deployment", "By deployment"],
  ["user", "By user"],
  ["day", "By day"],
];

/** @type {import("../types.js").View} */
export const view = {
  title: "Usage",
  mount(root, { app, query }) {
    let groupBy = query.get("by") ?? "deployment";
    const list = new Loaded(async () => (await app.api.get("/usage", { query: { groupBy } })).usage, lines);
    const regroup = (/** @type {string} */ by) => {
      groupBy = by;
      app.router.setQuery({ by });
      void list.again();
    };
    const download = () =>
      app.api
        .blob("GET", "/usage", { query: { groupBy, format: "csv" } })
        .then((blob) => save(blob, "usage.csv"))
        .catch((error) => app.toasts.fail(error));
    fill(
      root,
      head("Usage", {
        text: h("p", { class: "soft" }, "The last 30 days."),
        actions: [button("Download as CSV", { icon: "down", onclick: () => void download() })],
      }),
      h(
        "div",
        { class: "tools" },
        h("div", { class: "status-filter" }, select("Grouped", GROUPS, groupBy, regroup)),
      ),
      list.element,
    );
    return () => list.end();
  },
};

/** @param {Line[]} usage */
function lines(usage) {
  if (usage.length === 0) return empty("Nothing ran", "What runs is counted here, to the second.");
  const headings = ["What", "Running", "GPU time", "Cost", "Energy"];
  return table("usage", headings, usage.map(row));
}

/** @param {Line} line */
function row(line) {
  return h(
    "tr",
    {},
    cell("wrap", what(line)),
    cell("", span(line.runningSeconds), "Running"),
    cell("", line.gpuSeconds > 0 ? span(line.gpuSeconds) : "—", "GPU time"),
    cell("", money(line.cost), "Cost"),
    cell(
      "",
      line.energyWh > 0 ? `${(line.energyWh / 1000).toFixed(2)} kWh, ${money(line.energyCost)}` : "—",
      "Energy",
    ),
  );
}

/** @param {Line} line */
function what({ day, name, deploymentId, email, userId }) {
  if (day) return day;
  if (deploymentId === null) return email ?? userId;
  return [
    name ?? deploymentId,
    h("span", { class: "second" }, h("span", { class: "mono" }, deploymentId), email && ` · ${email}`),
  ];
}
