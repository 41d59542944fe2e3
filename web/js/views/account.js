// @ts-check
/** One's own account: the password, and the tokens that programs use. */

import { button, copyable, head, iconButton, sectionHead } from "../components/basics.js";
import { ask, open } from "../components/dialog.js";
import { field, onSubmit, tell } from "../components/field.js";
import { formDialog } from "../components/form-dialog.js";
import { Loaded } from "../components/loaded.js";
import { table } from "../components/table.js";
import { fill, h } from "../dom.js";
import { ago, moment } from "../format.js";

const DAY_MS = 86_400_000;

/** @typedef {import("../types.js").ApiToken} ApiToken */
/** @typedef {import("../types.js").App} App */

/** @type {import("../types.js").View} */
export const view = {
  title: "Account",
  mount(root, { app }) {
    const tokens = new Tokens(app);
    fill(
      root,
      head("Account", {
        text: h(
          "p",
          { class: "soft" },
          `${app.session.user?.email}, ${app.session.isAdmin ? "admin" : "user"}`,
        ),
      }),
      tokens.element,
      password(app),
    );
    return () => tokens.end();
  },
};

class Tokens {
  #app;
  #list;
  element;

  /** @param {App} app */
  constructor(app) {
    this.#app = app;
    this.#list = new Loaded(
      async () => (await app.api.get("/auth/tokens")).tokens,
      (tokens) => this.#table(tokens),
    );
    this.element = h(
      "section",
      {},
      sectionHead(
        "API tokens",
        "For programs that use the API in your name.",
        button("New token", { icon: "plus", onclick: () => this.#create() }),
      ),
      this.#list.element,
    );
  }

  end() {
    this.#list.end();
  }

  /** @param {ApiToken[]} tokens */
  #table(tokens) {
    if (tokens.length === 0) return h("p", { class: "soft" }, "You have none. The page itself needs none.");
    const now = Date.now();
    return table(
      "tokens",
      ["Name", "May", "Last used", "Ends"],
      tokens.map((t) =>
        h(
          "tr",
          {},
          h("td", { class: "wrap" }, t.name, h("span", { class: "second mono" }, t.id)),
          h("td", { "data-label": "May" }, t.scope === "write" ? "Read and write" : "Read"),
          h("td", { "data-label": "Last used" }, t.lastUsedAt ? ago(t.lastUsedAt, now) : "Never"),
          h("td", { "data-label": "Ends" }, moment(t.expiresAt).slice(0, 10)),
          h(
            "td",
            { class: "actions" },
            iconButton("trash", `Revoke ${t.name}`, () => this.#revoke(t), "quiet warn"),
          ),
        ),
      ),
      true,
    );
  }

  /** @param {ApiToken} t */
  async #revoke(t) {
    const body = ["Programs that use it are refused from that moment on. This can't be undone."];
    if (!(await ask({ title: `Revoke ${t.name}?`, body, confirm: "Revoke token" }))) return;
    await this.#app.api.delete(`/auth/tokens/${t.id}`).catch((error) => this.#app.toasts.fail(error));
    await this.#list.again();
  }

  #create() {
    const name = field(
      "Name",
      h("input", { type: "text", maxlength: 63, placeholder: "laptop", autocomplete: "off" }),
      { hint: "To know it by." },
    );
    const scope = field(
      "May",
      h(
        "select",
        {},
        h("option", { value: "write" }, "Read and write"),
        h("option", { value: "read" }, "Read only"),
      ),
    );
    const days = field(
      "Ends in",
      h(
        "select",
        {},
        [
          ["30", "30 days"],
          ["90", "90 days"],
          ["365", "A year"],
        ].map(([value, text]) => h("option", { value }, text)),
      ),
    );
    formDialog(
      "New token",
      [name, scope, days],
      "Create token",
      async () => {
        const expiresAt = new Date(Date.now() + Number(days.input.value) * DAY_MS).toISOString();
        const made = await this.#app.api.post("/auth/tokens", {
          name: name.input.value.trim(),
          scope: scope.input.value,
          expiresAt,
        });
        showOnce(made.token);
        await this.#list.again();
      },
      { name, scope, expiresAt: days },
    );
  }
}

/** @param {string} token */
function showOnce(token) {
  const dialog = open(
    "Your new token",
    [
      h("p", {}, "Copy it now: it is not kept here and can't be shown again."),
      h("p", { class: "token" }, copyable(h("span", { class: "mono wrap" }, token), token, "token")),
    ],
    [button("Done", { kind: "primary", onclick: () => dialog.close() })],
  );
}

/** @param {App} app */
function password(app) {
  const current = field(
    "Current password",
    h("input", { type: "password", autocomplete: "current-password" }),
  );
  const next = field("New password", h("input", { type: "password", autocomplete: "new-password" }), {
    hint: "8 characters or more. Your other sessions end.",
  });
  const form = h(
    "form",
    { class: "column narrow" },
    current.element,
    next.element,
    button("Change password", { type: "submit" }),
  );
  onSubmit(
    form,
    async () => {
      await app.api.post("/auth/password", { current: current.input.value, new: next.input.value });
      form.reset();
      app.toasts.say("Your password is changed");
    },
    (error) => tell(error, { current, new: next }, current),
  );
  return h("section", { class: "section" }, h("h2", { class: "section-title" }, "Password"), form);
}
