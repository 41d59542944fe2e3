// @ts-check
/** The form of a new deployment, made from the template's own fields, or for any image. */

import { button, crumb, head, terms } from "../components/basics.js";
import { onSubmit } from "../components/field.js";
import { Loaded } from "../components/loaded.js";
import { fill, h, setText } from "../dom.js";
import { mebibytes, rate, shortImage } from "../format.js";
import { orderBody, resources } from "../order-body.js";
import { tellAll } from "./order-fields.js";
import { OrderForm } from "./order-form.js";

/** @type {import("../types.js").View} */
export const view = {
  title: "New deployment",
  mount(root, place) {
    const page = new Loaded(
      () => Promise.all([findTemplate(place), place.app.node()]),
      ([template, node]) => shown(place.app, template, node),
      () => head("New deployment", { crumb: crumb("Templates", "/ui/new") }),
    );
    fill(root, page.element);
    return () => page.end();
  },
};

/** @param {import("../types.js").Place} place @returns {Promise<import("../types.js").Template | null>} */
async function findTemplate({ app, params }) {
  if (params.source === "image") return null;
  return (await app.api.get(`/templates/${encodeURIComponent(params.source)}`)).template;
}

/**
 * @param {import("../types.js").App} app
 * @param {import("../types.js").Template | null} template
 * @param {import("../types.js").MachineNode} node
 */
function shown(app, template, node) {
  const fields = new OrderForm(template, node);
  const problems = h("div", { role: "alert" });
  const cost = h("output");
  const estimate = () => setText(cost, rate(hourly(fields.values.limits, node)));
  estimate();
  const form = h(
    "form",
    { class: "with-aside" },
    h("div", { class: "column" }, problems, fields.element),
    h(
      "aside",
      { class: "aside" },
      summary(node, cost),
      button("Deploy", { kind: "primary wide", type: "submit" }),
    ),
  );
  form.addEventListener("input", estimate);
  const attempt = new Attempt();
  onSubmit(
    form,
    async () => {
      fill(problems);
      const body = orderBody({ ...fields.values, nodeId: node.id });
      const made = await app.api.post("/deployments", body, {
        headers: { "Idempotency-Key": attempt.key(body) },
      });
      app.router.go(`/ui/deployments/${made.deployment.id}`);
    },
    (error) => tellAll(problems, "It was not deployed", error, (name) => fields.find(name)),
  );
  queueMicrotask(() => fields.focus());
  return [
    head(template ? template.name : "Any image", {
      crumb: crumb("Templates", "/ui/new"),
      text: about(template),
    }),
    form,
  ];
}

/** @param {import("../types.js").Template | null} template */
function about(template) {
  if (!template)
    return h("p", { class: "soft" }, "A container from an image of Docker Hub or any other registry.");
  return [
    h("p", { class: "soft" }, template.description),
    h("p", { class: "soft mono" }, shortImage(template.image)),
  ];
}

/** What it will cost while it runs, in cents. @param {Record<string, string>} limits @param {import("../types.js").MachineNode} node */
function hourly(limits, { hourlyRateCents, gpuHourlyRateCents = 0 }) {
  const { gpus = 0 } = /** @type {{ gpus?: number | string[] }} */ (resources(limits));
  return hourlyRateCents + gpuHourlyRateCents * (typeof gpus === "number" ? gpus : gpus.length);
}

/**
 * What it will cost, and what the machine has left.
 * @param {import("../types.js").MachineNode} node
 * @param {HTMLElement} cost
 */
function summary({ specs, available: left, ...node }, cost) {
  return [
    h("h2", { class: "aside-title" }, "Left on this machine"),
    terms("facts", [
      ["Processors", `${left.cpus ?? "—"} of ${specs.cpuThreads ?? "—"}`],
      ["Memory", `${mebibytes(left.memoryMb)} of ${mebibytes(specs.ramMb)}`],
      ["Disk", `${left.diskGb ?? "—"} of ${specs.diskGb ?? "—"} GiB`],
      ["GPUs", node.gpus.length === 0 ? "It has none" : `${left.gpus} of ${node.gpus.length}`],
      ["Deployments", `${node.maxDeployments - node.activeDeployments} of ${node.maxDeployments}`],
      ["Estimated cost", cost],
    ]),
  ];
}

/** The same order sent twice makes one deployment; another order gets another key. */
class Attempt {
  #body = "";
  #key = "";

  /** @param {unknown} body */
  key(body) {
    const text = JSON.stringify(body);
    if (text !== this.#body) {
      this.#body = text;
      this.#key = [...crypto.getRandomValues(new Uint8Array(16))]
        .map((b) => b.toString(16).padStart(2, "0"))
        .join("");
    }
    return this.#key;
  }
}
