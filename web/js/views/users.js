// @ts-check
/** Who has an account on this machine, and what they may do. */

import { button, iconButton, sectionHead } from "../components/basics.js";
import { ask } from "../components/dialog.js";
import { field, select } from "../components/field.js";
import { formDialog } from "../components/form-dialog.js";
import { Loaded } from "../components/loaded.js";
import { table } from "../components/table.js";
import { h } from "../dom.js";
import { moment } from "../format.js";

/** @typedef {import("../types.js").User} User */

export class Users {
  #app;
  #list;
  element;

  /** @param {import("../types.js").App} app */
  constructor(app) {
    this.#app = app;
    this.#list = new Loaded(
      async () => (await app.api.get("/users")).users,
      (users) => this.#table(users),
    );
    this.element = h(
      "section",
      {},
      sectionHead(
        null,
        "Users see their own deployments; admins see everything and change these settings.",
        button("New user", { icon: "plus", onclick: () => this.#create() }),
      ),
      this.#list.element,
    );
  }

  end() {
    this.#list.end();
  }

  /** @param {User[]} users */
  #table(users) {
    return table(
      "users",
      ["E-mail", "Role", "Since"],
      users.map((user) => this.#row(user)),
      true,
    );
  }

  /** @param {User} user */
  #row(user) {
    const isMe = user.id === this.#app.session.user?.id;
    const role = select(
      `Role of ${user.email}`,
      [
        ["user", "User"],
        ["admin", "Admin"],
      ],
      user.role,
      (value) => this.#change(user, { role: value }),
    );
    role.disabled = isMe;
    return h(
      "tr",
      {},
      h(
        "td",
        { class: "wrap" },
        user.email,
        isMe && h("span", { class: "second" }, "This is you"),
        user.disabled && h("span", { class: "second" }, "Barred: can't log in"),
      ),
      h("td", {}, h("div", { class: "role" }, role)),
      h("td", { "data-label": "Since" }, moment(user.createdAt).slice(0, 10)),
      h(
        "td",
        { class: "actions" },
        !isMe &&
          h(
            "span",
            { class: "row-actions" },
            button(user.disabled ? "Let in" : "Bar", { kind: "quiet small", onclick: () => this.#bar(user) }),
            button("Set password", { kind: "quiet small", onclick: () => this.#setPassword(user) }),
            iconButton("trash", `Delete ${user.email}`, () => this.#remove(user), "quiet warn"),
          ),
      ),
    );
  }

  /** @param {User} user @param {unknown} body */
  async #change(user, body) {
    await this.#app.api.patch(`/users/${user.id}`, body).catch((error) => this.#app.toasts.fail(error));
    await this.#list.again();
  }

  /** @param {User} user */
  async #bar(user) {
    if (!user.disabled) {
      const body = ["All their sessions and tokens stop working at once. Their deployments go on."];
      if (!(await ask({ title: `Bar ${user.email}?`, body, confirm: "Bar user" }))) return;
    }
    await this.#change(user, { disabled: !user.disabled });
  }

  /** @param {User} user */
  async #remove(user) {
    const body = [
      "Their account, sessions and tokens will be lost. Their deployments have to be deleted first.",
    ];
    if (!(await ask({ title: `Delete ${user.email}?`, body, confirm: "Delete user" }))) return;
    await this.#app.api.delete(`/users/${user.id}`).catch((error) => this.#app.toasts.fail(error));
    await this.#list.again();
  }

  /** @param {User} user */
  #setPassword(user) {
    const password = field("New password", h("input", { type: "password", autocomplete: "new-password" }), {
      hint: "8 characters or more. Tell it to them in person.",
    });
    formDialog(
      `Set the password of ${user.email}`,
      [password],
      "Set password",
      async () => {
        await this.#app.api.patch(`/users/${user.id}`, { password: password.input.value });
        this.#app.toasts.say("The password is set");
      },
      { password },
    );
  }

  #create() {
    const email = field("E-mail", h("input", { type: "email", autocomplete: "off" }));
    const password = field("Password", h("input", { type: "password", autocomplete: "new-password" }), {
      hint: "8 characters or more. They can change it themselves.",
    });
    const role = field(
      "Role",
      h("select", {}, h("option", { value: "user" }, "User"), h("option", { value: "admin" }, "Admin")),
    );
    formDialog(
      "New user",
      [email, password, role],
      "Create user",
      async () => {
        await this.#app.api.post("/users", {
          email: email.input.value.trim(),
          password: password.input.value,
          role: role.input.value,
        });
        await this.#list.again();
      },
      { email, password, role },
    );
  }
}
