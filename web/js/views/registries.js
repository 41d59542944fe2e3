// @ts-check
/** Logins at private registries: used from the next pull on, their passwords never shown again. */

import { button, iconButton, sectionHead } from "../components/basics.js";
import { ask } from "../components/dialog.js";
import { field } from "../components/field.js";
import { formDialog } from "../components/form-dialog.js";
import { Loaded } from "../components/loaded.js";
import { table } from "../components/table.js";
import { h } from "../dom.js";

/** @typedef {{ host: string, username: string }} Registry */

export class Registries {
  #app;
  #list;
  element;

  /** @param {import("../types.js").App} app */
  constructor(app) {
    this.#app = app;
    this.#list = new Loaded(
      async () => (await app.api.get("/registries")).registries,
      (registries) => this.#table(registries),
    );
    this.element = h(
      "section",
      {},
      sectionHead(
        null,
        "Logins for images that not everybody may pull. Public images need none.",
        button("Add registry", { icon: "plus", onclick: () => this.#put(null) }),
      ),
      this.#list.element,
    );
  }

  end() {
    this.#list.end();
  }

  /** @param {Registry[]} registries */
  #table(registries) {
    if (registries.length === 0) return h("p", { class: "soft" }, "There are none.");
    return table(
      "registries",
      ["Registry", "User name"],
      registries.map((r) =>
        h(
          "tr",
          {},
          h("td", { class: "mono wrap" }, r.host),
          h("td", { class: "wrap" }, r.username),
          h(
            "td",
            { class: "actions" },
            h(
              "span",
              { class: "row-actions" },
              iconButton("edit", `Change the login at ${r.host}`, () => this.#put(r)),
              iconButton("trash", `Forget ${r.host}`, () => this.#remove(r), "quiet warn"),
            ),
          ),
        ),
      ),
      true,
    );
  }

  /** @param {Registry | null} known */
  #put(known) {
    const host = field(
      "Registry",
      h("input", {
        type: "text",
        class: "mono",
        placeholder: "ghcr.io",
        value: known?.host,
        readOnly: known !== null,
        autocomplete: "off",
        autocapitalize: "none",
      }),
      { hint: "As it stands before an image's name; with its port, if it has one." },
    );
    const username = field(
      "User name",
      h("input", { type: "text", value: known?.username, autocomplete: "off", autocapitalize: "none" }),
    );
    const password = field(
      "Password or token",
      h("input", { type: "password", autocomplete: "new-password" }),
    );
    formDialog(
      known ? `Login at ${known.host}` : "Add a registry",
      [host, username, password],
      "Save",
      async () => {
        await this.#app.api.put(`/registries/${encodeURIComponent(host.input.value.trim())}`, {
          username: username.input.value.trim(),
          password: password.input.value,
        });
        await this.#list.again();
      },
      { host, username, password },
    );
    if (known) username.input.focus();
  }

  /** @param {Registry} r */
  async #remove(r) {
    const body = [
      `The login of ${r.username} will be lost. What runs goes on; images from there can't be pulled any more.`,
    ];
    if (!(await ask({ title: `Forget ${r.host}?`, body, confirm: "Forget login" }))) return;
    await this.#app.api
      .delete(`/registries/${encodeURIComponent(r.host)}`)
      .catch((error) => this.#app.toasts.fail(error));
    await this.#list.again();
  }
}
