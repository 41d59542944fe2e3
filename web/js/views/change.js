// @ts-check
/** A change of a deployment: only what differs is sent, and what runs goes on until the new runs. */

import { button, crumb, head, linkButton } from "../components/basics.js";
import { envRows } from "../components/env-rows.js";
import { field, onSubmit } from "../components/field.js";
import { Loaded } from "../components/loaded.js";
import { changeBody } from "../change-body.js";
import { fill, h } from "../dom.js";
import { commandText, limitsOf } from "../order-body.js";
import {
  accessChoice,
  commandField,
  findField,
  healthFields,
  hostnameField,
  limitFields,
  limitSection,
  portRows,
  restartField,
  section,
  sleepField,
  tellAll,
  text,
  value,
  valuesOf,
  volumeRows,
  yieldField,
} from "./order-fields.js";

/** @typedef {import("../types.js").Deployment} Deployment */
/** @typedef {import("../components/field.js").Field} Field */

/** @type {import("../types.js").View} */
export const view = {
  title: "Change",
  mount(root, { app, params }) {
    const page = new Loaded(
      () => Promise.all([app.api.get(`/deployments/${encodeURIComponent(params.id)}`), app.node()]),
      ([{ deployment }, node]) => shown(app, deployment, node),
      () => head("Change", { crumb: crumb("Deployments", "/ui/") }),
    );
    fill(root, page.element);
    return () => page.end();
  },
};

/**
 * @param {import("../types.js").App} app
 * @param {Deployment} d
 * @param {import("../types.js").MachineNode} node
 */
function shown(app, d, node) {
  const back = `/ui/deployments/${d.id}`;
  const fields = new ChangeForm(d, node);
  const problems = h("div", { role: "alert" });
  const form = h(
    "form",
    { class: "with-aside" },
    h("div", { class: "column" }, problems, fields.element),
    h(
      "aside",
      { class: "aside" },
      meaning(d),
      button("Apply the change", { kind: "primary wide", type: "submit" }),
      linkButton("Cancel", back, { kind: "quiet wide-next" }),
    ),
  );
  onSubmit(
    form,
    async () => {
      fill(problems);
      const body = changeBody(d, fields.values);
      if (Object.keys(body).length === 0) app.toasts.say("Nothing is different");
      else await app.api.patch(`/deployments/${d.id}`, body);
      app.router.go(back);
    },
    (error) => tellAll(problems, "It was not changed", error, (name) => fields.find(name)),
  );
  return [head(`Change ${d.name}`, { crumb: crumb(d.name, back) }), form];
}

/** What a change does, said before it is made. @param {Deployment} d */
function meaning(d) {
  const how =
    d.volumes.length > 0
      ? "Its volumes can have one writer only: the old container is stopped first, and comes back if the new one fails."
      : "The new container is tried beside the old one, which goes on until the new one is healthy. If that fails, nothing changes.";
  return [
    h("h2", { class: "aside-title" }, "What happens"),
    h("p", { class: "soft" }, "Name, access, host name, restarts and sleep count at once."),
    h(
      "p",
      { class: "soft aside-more" },
      `All else needs a new container. ${d.status === "running" ? how : "It counts from the next start."}`,
    ),
  ];
}

class ChangeForm {
  #name;
  #image;
  #variables = envRows();
  #ports = portRows();
  #volumes = volumeRows();
  #limits;
  #access;
  #command;
  #hostname;
  #restarts;
  #idleTimeout;
  #yields;
  #health;
  element;

  /** @param {Deployment} d @param {import("../types.js").MachineNode} node */
  constructor(d, node) {
    this.#name = field("Name", text({ maxlength: 63, value: d.name }));
    this.#image = field("Image", text({ class: "mono", value: d.image, autocapitalize: "none" }));
    this.#limits = limitFields(limitsOf(d.resources), node);
    this.#access = accessChoice(d.access);
    this.#command = commandField(commandText(d.command));
    this.#hostname = hostnameField(d.hostname ?? "");
    this.#restarts = restartField(d.restartPolicy);
    this.#idleTimeout = sleepField(d.idleTimeoutMinutes);
    this.#yields = yieldField(d.evictable);
    this.#health = healthFields(null, d.healthCheck);
    for (const [name, known] of Object.entries(d.env)) this.#variables.add({ name, value: known });
    for (const name of d.secretNames)
      this.#variables.add({ name, value: "", secret: "yes" }, { value: "unchanged" });
    d.ports?.forEach((p) => this.#ports.add({ port: String(p.port), protocol: p.protocol }));
    d.volumes.forEach((v) => this.#volumes.add({ name: v.name, path: v.path }));
    this.element = this.#layout(d, node);
  }

  /** @param {Deployment} d @param {import("../types.js").MachineNode} node */
  #layout(d, node) {
    return h(
      "div",
      {},
      this.#image.element,
      this.#name.element,
      section(
        "Variables",
        "Those here, and those of the template. A secret left blank stays as it is.",
        this.#variables.element,
      ),
      section("Access", null, this.#access.element),
      section(
        "Ports",
        d.ports === null ? "None were named: it answers on those the image says it listens on." : null,
        this.#ports.element,
      ),
      section(
        "Volumes",
        "One that is taken out keeps its data until the deployment is deleted.",
        this.#volumes.element,
      ),
      limitSection(this.#limits, node),
      section(
        "More",
        null,
        this.#command.element,
        this.#hostname.element,
        this.#restarts.element,
        this.#idleTimeout.element,
        this.#yields.element,
        this.#health.element,
      ),
    );
  }

  /** @returns {import("../change-body.js").ChangeValues} */
  get values() {
    return {
      name: value(this.#name),
      image: value(this.#image),
      variables: this.#variables.values,
      ports: this.#ports.values,
      volumes: this.#volumes.values,
      limits: valuesOf(this.#limits),
      command: value(this.#command),
      access: this.#access.value(),
      hostname: value(this.#hostname),
      health: this.#health.values(),
      restartPolicy: this.#restarts.input.value,
      idleTimeout: value(this.#idleTimeout),
      evictable: this.#yields.input.value === "yes",
    };
  }

  /** @param {string} name of a field of the API @returns {Field | null} */
  find(name) {
    const plain = {
      image: this.#image,
      name: this.#name,
      hostname: this.#hostname,
      command: this.#command,
      restartPolicy: this.#restarts,
      idleTimeoutMinutes: this.#idleTimeout,
      evictable: this.#yields,
    };
    const rows = { ports: this.#ports, volumes: this.#volumes };
    return findField(
      { plain, limits: this.#limits, health: this.#health, rows, variables: this.#variables },
      name,
    );
  }
}
