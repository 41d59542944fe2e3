// @ts-check
/** One deployment as a row of the list. */

import { fill, h, setProp, setText } from "../dom.js";
import { ago, bytes, costNow, money, rate, shortImage, span } from "../format.js";
import { iconButton, statusBadge } from "./basics.js";
import { endpointLink } from "./endpoint.js";
import { ORDERS, carryOut } from "./orders.js";

/** @typedef {import("../types.js").Deployment} Deployment */

/**
 * @param {import("../types.js").App} app
 * @param {Deployment} first
 * @param {() => number} readAt when what is shown was read, in ms
 * @param {() => void} onOrder called after an order
 */
export function deploymentRow(app, first, readAt, onOrder) {
  let d = first;
  let drawn = "";
  const name = h("a", { class: "row-name", href: `/ui/deployments/${first.id}` });
  const image = h("span", { class: "second mono ellipsis" });
  const badge = h("span");
  const detail = h("span", { class: "second row-detail" });
  const address = h("td", { class: "address" });
  const hourly = h("td", { class: "number", "data-label": "Rate" });
  const soFar = h("td", { class: "number", "data-label": "So far" });
  const buttons = ORDERS.map((order) => ({
    order,
    element: iconButton(
      order.icon,
      `${order.word} ${first.name}`,
      async () => {
        const result = await carryOut(app, d, order.verb);
        if (result) onOrder();
      },
      order.verb === "delete" ? "quiet warn" : "quiet",
    ),
  }));
  const element = h(
    "tr",
    {},
    h("td", {}, name, image),
    h("td", {}, badge, detail),
    address,
    hourly,
    soFar,
    h(
      "td",
      { class: "actions" },
      h(
        "span",
        { class: "row-actions" },
        buttons.map((b) => b.element),
      ),
    ),
  );

  /** @param {Deployment} next */
  const update = (next) => {
    d = next;
    setText(detail, statusDetail(d, Date.now()));
    setProp(detail, "title", d.statusReason?.message ?? null);
    setText(soFar, money(costNow(d, readAt(), Date.now())));
    const now = JSON.stringify([d.name, d.image, d.status, d.endpoints, d.actions, d.hourlyRateCents]);
    if (now === drawn) return;
    drawn = now;
    setText(name, d.name);
    setText(image, shortImage(d.image));
    fill(badge, statusBadge(d.status));
    setText(hourly, rate(d.hourlyRateCents));
    fill(address, addressOf(app, d));
    for (const { order, element: b } of buttons) b.hidden = !isOffered(d, order.verb);
  };
  return { element, update };
}

/**
 * Start and stop share a place; what is not legal now is not offered.
 * @param {Deployment} d
 * @param {string} verb
 */
export function isOffered(d, verb) {
  const isRunning = d.actions.includes("stop");
  return d.actions.includes(verb) && (verb !== "restart" || isRunning);
}

/** @param {import("../types.js").App} app @param {Deployment} d */
function addressOf(app, d) {
  const [endpoint, ...more] = d.endpoints;
  if (!endpoint) return h("span", { class: "soft" }, "—");
  return [
    endpointLink(app, d, endpoint, "ellipsis address-link"),
    more.length > 0 && h("span", { class: "second" }, `and ${more.length} more`),
  ];
}

/**
 * What a status word alone does not say.
 * @param {Deployment} d
 * @param {number} now
 */
function statusDetail(d, now) {
  if (d.status === "pulling" && d.pull) return pullText(d.pull);
  if (d.status === "running") {
    const up = d.startedAt ? span((now - Date.parse(d.startedAt)) / 1000) : "";
    return d.health === "unhealthy" ? `unhealthy · ${up}` : up;
  }
  if (d.statusReason) return d.statusReason.message;
  if (d.status === "stopped" && d.stoppedAt) return ago(d.stoppedAt, now);
  return "";
}

/** @param {import("../types.js").Pull} pull */
export function pullText(pull) {
  if (pull.bytesTotal) return `${bytes(pull.bytesDone)} of ${bytes(pull.bytesTotal)}`;
  return pull.layersTotal > 0 ? `layer ${pull.layersDone} of ${pull.layersTotal}` : "asking the registry";
}
