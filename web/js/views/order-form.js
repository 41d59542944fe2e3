// @ts-check
/** The fields of an order, in the order a person thinks of them; the rare ones folded away. */

import { iconButton } from "../components/basics.js";
import { envRows } from "../components/env-rows.js";
import { field } from "../components/field.js";
import { h } from "../dom.js";
import { filled, limitsOf } from "../order-body.js";
import { makeSecret } from "../secret.js";
import {
  accessChoice,
  commandField,
  findField,
  fold,
  group,
  healthFields,
  hostnameField,
  limitFields,
  limitSection,
  portRows,
  restartField,
  section,
  sleepField,
  text,
  value,
  valuesOf,
  volumeRows,
  yieldField,
} from "./order-fields.js";

/** @typedef {import("../types.js").Template} Template */
/** @typedef {import("../types.js").TemplateVariable} TemplateVariable */
/** @typedef {import("../components/field.js").Field} Field */

export class OrderForm {
  #template;
  #image = field("Image", text({ placeholder: "nginx:1.27", autocapitalize: "none" }), {
    mono: false,
    hint: "As for docker pull. Without a registry, Docker Hub; without a tag, latest.",
  });
  #name;
  /** @type {{ variable: TemplateVariable, field: Field }[]} */
  #settings;
  #variables = envRows();
  #ports = portRows();
  #volumes = volumeRows();
  /** @type {Record<string, string>} the template's limits, which hold where none is said */
  #usual;
  /** @type {Record<string, Field>} */
  #limits;
  #access;
  #command;
  #hostname = hostnameField();
  #restarts = restartField();
  #idleTimeout;
  #yields = yieldField();
  #health;
  #node;
  element;

  /** @param {Template | null} template @param {import("../types.js").MachineNode} node */
  constructor(template, node) {
    this.#template = template;
    this.#node = node;
    this.#name = field("Name", text({ maxlength: 63, placeholder: template?.id ?? "made from the image" }), {
      note: "optional",
    });
    this.#settings = (template?.env ?? []).map((variable) => ({ variable, field: setting(variable) }));
    this.#usual = limitsOf(template?.resources);
    this.#limits = limitFields(this.#usual, node, this.#usual);
    this.#access = accessChoice(template?.access ?? "public");
    this.#idleTimeout = sleepField(template?.idleTimeoutMinutes);
    this.#command = commandField("", template?.command);
    this.#health = healthFields(template?.health ?? null);
    template?.ports.forEach((p) => this.#ports.add({ port: String(p.port), protocol: p.protocol }));
    template?.volumes.forEach((v) => this.#volumes.add({ name: v.name, path: v.path }));
    this.element = this.#layout();
  }

  focus() {
    const needed = this.#settings.find(({ variable }) => variable.required && !variable.secret);
    (this.#template ? (needed?.field ?? this.#name) : this.#image).input.focus();
  }

  /** @returns {Omit<import("../order-body.js").FormValues, "nodeId">} */
  get values() {
    return {
      template: this.#template,
      templateId: this.#template?.id ?? null,
      image: value(this.#image),
      name: value(this.#name),
      settings: this.#settings.map(({ variable: v, field: f }) => ({
        name: v.name,
        secret: v.secret,
        default: v.default,
        value: f.input.value,
      })),
      variables: this.#variables.values,
      ports: this.#ports.values,
      volumes: this.#volumes.values,
      limits: filled(valuesOf(this.#limits), this.#usual),
      command: value(this.#command),
      access: this.#access.value(),
      hostname: value(this.#hostname),
      restartPolicy: this.#restarts.input.value,
      idleTimeout: value(this.#idleTimeout),
      evictable: this.#yields.input.value === "yes",
      health: this.#health.values(),
    };
  }

  /** @returns {import("./order-fields.js").Findable} */
  get #fields() {
    return {
      plain: {
        customImage: this.#image,
        name: this.#name,
        hostname: this.#hostname,
        command: this.#command,
        restartPolicy: this.#restarts,
        idleTimeoutMinutes: this.#idleTimeout,
        evictable: this.#yields,
      },
      limits: this.#limits,
      health: this.#health,
      rows: { ports: this.#ports, volumes: this.#volumes },
      variables: this.#variables,
    };
  }

  /** @param {string} name of a field of the API @returns {Field | null} */
  find(name) {
    const [top, second] = name.split(".");
    const own = this.#settings.find(({ variable }) => variable.name === second);
    if (own && (top === "env" || top === "secrets")) return own.field;
    return findField(this.#fields, name);
  }

  #layout() {
    const t = this.#template;
    const required = this.#settings.filter(({ variable }) => variable.required);
    const others = this.#settings.filter(({ variable }) => !variable.required);
    return h(
      "div",
      {},
      !t && this.#image.element,
      this.#name.element,
      required.map((s) => s.field.element),
      others.length > 0 &&
        section(
          "Settings",
          "All of them may stay as they are.",
          others.map((s) => s.field.element),
        ),
      section(
        "Variables",
        "More of the container's environment. Secrets are kept encrypted and never shown again.",
        this.#variables.element,
      ),
      section("Access", null, this.#access.element),
      limitSection(this.#limits, this.#node),
      fold(
        "Ports and volumes",
        !t,
        group("Ports", t ? null : "Without any, those the image says it listens on.", this.#ports.element),
        group(
          "Volumes",
          "Kept over restarts and changes, deleted with the deployment.",
          this.#volumes.element,
        ),
      ),
      fold(
        "More",
        false,
        this.#command.element,
        this.#hostname.element,
        this.#restarts.element,
        this.#idleTimeout.element,
        this.#yields.element,
        this.#health.element,
      ),
    );
  }
}

/** One of the template's own variables. @param {TemplateVariable} v @returns {Field} */
function setting(v) {
  const note = v.required ? "required" : undefined;
  if (!v.secret)
    return field(v.name, text({ value: v.default ?? "" }), { note, hint: v.description, mono: true });
  const input = h("input", {
    type: "password",
    class: "mono",
    autocomplete: "new-password",
    value: v.required ? makeSecret() : "",
  });
  const show = iconButton("eye", "Show or hide", () => {
    input.type = input.type === "password" ? "text" : "password";
  });
  const make = iconButton("key", `Make a new ${v.name}`, () => {
    input.value = makeSecret();
    input.type = "text";
  });
  const hint = v.required
    ? `${v.description} One was made for you; keep a copy, it is not shown again.`
    : v.description;
  return field(v.name, input, { note, hint, mono: true, beside: [show, make] });
}
