// @ts-check
/** Log in, and go on to where one wanted to be. */

import { ApiError } from "../api.js";
import { button } from "../components/basics.js";
import { field, onSubmit } from "../components/field.js";
import { fill, h } from "../dom.js";
import { icon } from "../icons.js";

/** Only places of this page. @param {string | null} next */
function destination(next) {
  return next && /^\/ui\/(?!\/)/.test(next) ? next : "/ui/";
}

/** @type {import("../types.js").View} */
export const view = {
  title: "Log in",
  mount(root, { app, query }) {
    const onwards = destination(query.get("next"));
    if (app.session.token) {
      app.router.go(onwards, { replace: true });
      return () => {};
    }
    const email = field("E-mail", h("input", { type: "email", autocomplete: "username", required: true }));
    const password = field(
      "Password",
      h("input", { type: "password", autocomplete: "current-password", required: true }),
    );
    const form = h(
      "form",
      {},
      email.element,
      password.element,
      button("Log in", { kind: "primary", type: "submit" }),
    );
    onSubmit(
      form,
      async () => {
        const made = await app.api.post("/auth/login", {
          email: email.input.value.trim(),
          password: password.input.value,
        });
        app.session.begin(made);
        app.router.go(onwards, { replace: true });
      },
      (error) => {
        password.setError(words(error));
        password.input.focus();
      },
    );
    fill(
      root,
      h(
        "main",
        { class: "gate" },
        h(
          "div",
          {},
          h("p", { class: "brand" }, icon("brand"), "Neuranet"),
          h("h1", {}, "Log in"),
          h(
            "p",
            { class: "soft" },
            query.get("next")
              ? "Log in to go on where you were."
              : "To this appliance, with your account on it.",
          ),
        ),
        form,
      ),
    );
    email.input.focus();
    return () => {};
  },
};

/** @param {Error} error */
function words(error) {
  if (!(error instanceof ApiError)) return error.message;
  if (error.status === 401) return "E-mail or password is wrong.";
  if (error.status === 429) return `Too many tries. Wait ${error.retryAfterS ?? 60} s, then try again.`;
  return error.message;
}
