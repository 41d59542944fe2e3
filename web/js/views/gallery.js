// @ts-check
/** What can be deployed: the catalogue, or any image. Search and category are in the address. */

import { crumb, empty, head } from "../components/basics.js";
import { Loaded } from "../components/loaded.js";
import { fill, h } from "../dom.js";
import { shortImage } from "../format.js";
import { icon } from "../icons.js";

/** @typedef {import("../types.js").Template} Template */

/** @type {import("../types.js").View} */
export const view = {
  title: "New deployment",
  mount(root, place) {
    const gallery = new Gallery(root, place);
    return () => gallery.end();
  },
};

class Gallery {
  #app;
  #q;
  #category;
  /** @type {Template[]} */
  #templates = [];
  #chips = h("div", { class: "chips", role: "group", "aria-label": "Category" });
  #found = h("div");
  #list;

  /**
   * @param {HTMLElement} root
   * @param {import("../types.js").Place} place
   */
  constructor(root, { app, query }) {
    this.#app = app;
    this.#list = new Loaded(
      async () => (await app.api.get("/templates")).templates,
      (templates) => {
        this.#templates = templates;
        this.#refresh();
        return this.#found;
      },
    );
    this.#q = query.get("q") ?? "";
    this.#category = query.get("category") ?? "";
    const find = h("input", {
      class: "input",
      type: "search",
      placeholder: "Find a template",
      "aria-label": "Find a template",
      value: this.#q,
    });
    find.addEventListener("input", () => this.#refine(find.value.trim(), this.#category));
    fill(
      root,
      head("New deployment", {
        crumb: crumb("Deployments", "/ui/"),
        text: h("p", { class: "soft" }, "Choose a template, or bring an image of your own."),
      }),
      h("div", { class: "tools" }, h("div", { class: "search" }, icon("search"), find), this.#chips),
      this.#list.element,
    );
  }

  end() {
    this.#list.end();
  }

  /** @param {string} q @param {string} category */
  #refine(q, category) {
    this.#q = q;
    this.#category = category;
    this.#app.router.setQuery({ q, category });
    this.#refresh();
  }

  #refresh() {
    const categories = [...new Set(this.#templates.map((t) => t.category))].sort();
    fill(
      this.#chips,
      ["", ...categories].map((name) =>
        h(
          "button",
          {
            class: "chip",
            type: "button",
            "aria-pressed": String(name === this.#category),
            onclick: () => this.#refine(this.#q, name),
          },
          name === "" ? "All" : categoryName(name),
        ),
      ),
    );
    const found = this.#templates.filter(
      (t) => (this.#category === "" || t.category === this.#category) && matches(t, this.#q),
    );
    const own = this.#category === "" && this.#q === "" ? [ownImage()] : [];
    fill(
      this.#found,
      found.length + own.length === 0
        ? empty(
            "No template matches",
            "Any image can be deployed without one.",
            h("a", { class: "button", href: "/ui/new/image" }, "Use an image"),
          )
        : h("ul", { class: "gallery" }, own, found.map(entry)),
    );
  }
}

/** @param {string} name */
function categoryName(name) {
  return name === "ai" ? "AI" : name.charAt(0).toUpperCase() + name.slice(1);
}

/** @param {Template} t @param {string} q */
function matches(t, q) {
  const text = `${t.name} ${t.description} ${t.image} ${t.category}`.toLowerCase();
  return q
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** @param {Template} t */
function entry(t) {
  return item(
    `/ui/new/${encodeURIComponent(t.id)}`,
    t.name,
    t.description,
    shortImage(t.image),
    [t.gpu.required ? "GPU" : "", t.access === "private" ? "private" : ""].filter((mark) => mark !== ""),
  );
}

function ownImage() {
  return item(
    "/ui/new/image",
    "Any image",
    "A container image by its name, from Docker Hub or any other registry.",
    "registry/name:tag",
    [],
  );
}

/**
 * @param {string} href
 * @param {string} name
 * @param {string} text
 * @param {string} image
 * @param {string[]} marks
 */
function item(href, name, text, image, marks) {
  return h(
    "li",
    {},
    h(
      "a",
      { class: "gallery-item", href },
      h(
        "span",
        { class: "gallery-name" },
        name,
        marks.map((mark) => h("span", { class: "tag" }, mark)),
      ),
      h("span", { class: "gallery-text" }, text),
      h("span", { class: "gallery-foot second mono ellipsis" }, image),
    ),
  );
}
