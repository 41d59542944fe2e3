// @ts-check
/** The settings in force, and a copy of everything the appliance knows. */

import { Loaded } from "../components/loaded.js";
import { cell, table } from "../components/table.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";
import { backup } from "./backup.js";

/** @typedef {{ name: string, value: string | null, source: string, help: string }} Setting */

export class Upkeep {
  #list;
  element;

  /** @param {import("../types.js").App} app */
  constructor(app) {
    this.#list = new Loaded(async () => (await app.api.get("/settings")).settings, inForce);
    this.element = h(
      "div",
      {},
      backup(app),
      certificate(),
      h(
        "section",
        { class: "section" },
        h("h2", {}, "In force"),
        h(
          "p",
          { class: "soft section-text" },
          "Set by variables, flags, or appliance.toml in the data directory; read when the appliance starts.",
        ),
        this.#list.element,
      ),
    );
  }

  end() {
    this.#list.end();
  }
}

/** @param {Setting[]} settings */
function inForce(settings) {
  return table("settings", ["Setting", "Value"], settings.map(row));
}

/** How browsers come to trust the addresses of this machine. */
function certificate() {
  return h(
    "section",
    { class: "section" },
    h("h2", {}, "Certificate"),
    h(
      "p",
      { class: "soft section-text" },
      "Addresses of deployments are encrypted by an authority of this machine. Browsers warn until they are told to trust it.",
    ),
    h(
      "p",
      { class: "tools" },
      h(
        "a",
        { class: "button", href: "/trust", target: "_blank", rel: "noopener" },
        icon("out"),
        "How to trust it",
      ),
      h("a", { class: "button", href: "/ca.crt", download: "" }, icon("down"), "Download the authority"),
    ),
  );
}

/** @param {Setting} s */
function row({ name, help, value, source }) {
  const isSet = value !== null && value !== "";
  const from = source === "default" ? "default" : `from ${source}`;
  return h(
    "tr",
    {},
    cell("", [h("span", { class: "mono wrap" }, name), h("span", { class: "second wrap" }, help)]),
    cell("wrap", [
      h("span", { class: "mono" }, isSet ? String(value) : "—"),
      h("span", { class: "second" }, from),
    ]),
  );
}
