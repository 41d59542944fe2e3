// @ts-check
/** The bar over every view: where one can go, who is here, and whether the appliance is. */

import { button } from "./components/basics.js";
import { fill, h, setProp } from "./dom.js";
import { icon } from "./icons.js";

const PLACES = [
  { label: "Deployments", href: "/ui/", within: /^\/ui(\/?$|\/new|\/deployments)/ },
  { label: "Machine", href: "/ui/machine", within: /^\/ui\/machine/ },
  { label: "Usage", href: "/ui/usage", within: /^\/ui\/usage/ },
  { label: "Settings", href: "/ui/settings", within: /^\/ui\/settings/, forAdmins: true },
];

export class Frame {
  #app;
  #main = h("main", { class: "view", id: "main" });
  #links = PLACES.map((place) => ({ ...place, element: h("a", { href: place.href }, place.label) }));
  #who = h("div", { class: "bar-end" });
  #connection = h("div", { class: "connection", role: "status", hidden: true });
  #element;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #countdown;

  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.#app = app;
    this.#element = h(
      "div",
      {},
      h(
        "header",
        { class: "bar" },
        h(
          "div",
          { class: "bar-inner" },
          h("a", { class: "brand", href: "/ui/" }, icon("brand"), "Neuranet"),
          h(
            "nav",
            { class: "nav", "aria-label": "Main" },
            this.#links.map((link) => link.element),
          ),
          this.#who,
        ),
      ),
      this.#connection,
      this.#main,
    );
    app.router.onChange(() => this.#mark());
    app.session.onChange(() => this.#name());
    app.live.onState(() => this.#tell());
    this.#name();
  }

  /** The place of a view, the frame around it. @param {HTMLElement} root */
  body(root) {
    if (this.#element.parentElement !== root) fill(root, this.#element);
    return this.#main;
  }

  #mark() {
    for (const { element, within } of this.#links) {
      setProp(element, "aria-current", within.test(location.pathname) ? "page" : null);
    }
  }

  #name() {
    const { session, api } = this.#app;
    const leave = async () => {
      await api.post("/auth/logout").catch(() => {});
      session.end();
    };
    for (const { element, forAdmins } of this.#links) element.hidden = Boolean(forAdmins) && !session.isAdmin;
    fill(
      this.#who,
      h(
        "a",
        { class: "ellipsis small soft", href: "/ui/account", title: "Your account" },
        session.user?.email,
      ),
      button("Log out", { kind: "quiet small", onclick: leave }),
    );
  }

  #tell() {
    const { live } = this.#app;
    clearInterval(this.#countdown);
    this.#connection.hidden = live.state !== "lost";
    if (live.state !== "lost") return;
    const wait = h("span", { class: "soft" });
    const show = () => {
      const left = Math.max(0, Math.ceil((live.retryAt - Date.now()) / 1000));
      fill(wait, left > 0 ? `Trying again in ${left} s.` : "Trying again…");
    };
    show();
    this.#countdown = setInterval(show, 1000);
    fill(
      this.#connection,
      h(
        "div",
        { class: "connection-inner" },
        h("strong", {}, "The connection to the appliance is lost."),
        wait,
        button("Try now", { kind: "small", onclick: () => live.retryNow() }),
      ),
    );
  }
}
