// @ts-check
/** The first run: the one-time link names the owner, then leads straight to the first deployment. */

import { ApiError } from "../api.js";
import { button, linkButton, loading, notice } from "../components/basics.js";
import { field, onSubmit, placeErrors } from "../components/field.js";
import { fill, h } from "../dom.js";
import { icon } from "../icons.js";

/** @type {import("../types.js").View} */
export const view = {
  title: "Set up",
  mount(root, { app }) {
    let hasEnded = false;
    const code = new URLSearchParams(location.hash.slice(1)).get("code") ?? "";
    const show = (/** @type {import("../dom.js").Child[]} */ ...children) => {
      if (!hasEnded)
        fill(
          root,
          h("main", { class: "gate" }, h("p", { class: "brand" }, icon("brand"), "Neuranet"), children),
        );
    };
    const load = async () => {
      show(loading());
      try {
        const { needed } = await app.api.get("/setup");
        if (needed) show(...(code === "" ? noCode() : form(app, code)));
        else show(...done());
        root.querySelector("input")?.focus();
      } catch (error) {
        show(notice("bad", /** @type {Error} */ (error).message), button("Try again", { onclick: load }));
      }
    };
    void load();
    return () => {
      hasEnded = true;
    };
  },
};

/** @param {import("../types.js").App} app @param {string} code */
function form(app, code) {
  const email = field("E-mail", h("input", { type: "email", autocomplete: "username" }), {
    hint: "Your name here. Nothing is ever sent to it.",
  });
  const password = field("Password", h("input", { type: "password", autocomplete: "new-password" }), {
    hint: "8 characters or more.",
  });
  const problem = h("div", { role: "alert" });
  const element = h(
    "form",
    {},
    email.element,
    password.element,
    problem,
    button("Create the owner", { kind: "primary", type: "submit" }),
  );
  onSubmit(
    element,
    async () => {
      fill(problem);
      const body = { code, email: email.input.value.trim(), password: password.input.value };
      app.session.begin(await app.api.post("/setup", body));
      app.router.go("/ui/new", { replace: true });
    },
    (error) => {
      const known = error instanceof ApiError ? error.fields : [];
      const rest = placeErrors(
        known,
        (name) => ({ email, password })[/** @type {"email" | "password"} */ (name)] ?? null,
      );
      if (known.length === 0 || rest.length > 0)
        fill(problem, notice("bad", "The owner was not created", h("p", {}, error.message)));
    },
  );
  return [
    h("h1", {}, "Welcome to your appliance"),
    h(
      "p",
      { class: "soft" },
      "First, who owns it. The owner may do everything here, and can add other people later.",
    ),
    element,
  ];
}

function noCode() {
  return [
    h("h1", {}, "This appliance has no owner yet"),
    h(
      "p",
      { class: "soft" },
      "Its first start printed a one-time link. For a fresh one, run on the machine itself:",
    ),
    h("pre", { class: "command", tabindex: "0" }, "appliance setup"),
  ];
}

function done() {
  return [
    h("h1", {}, "It is set up already"),
    h("p", { class: "soft" }, "This link has done its work. Log in with your account."),
    h("p", { class: "gate-more" }, linkButton("Log in", "/ui/login", { kind: "primary" })),
  ];
}
