// @ts-check
/** The list: live by the stream of changes, its filter and page in the address. */

import { button, empty, failure, head, linkButton, loading } from "../components/basics.js";
import { deploymentRow } from "../components/deployment-row.js";
import { select } from "../components/field.js";
import { pager } from "../components/pager.js";
import { fill, h, keyed } from "../dom.js";
import { plural } from "../format.js";
import { icon } from "../icons.js";
import { STATUS, STATUSES } from "../words.js";

const PAGE_SIZE = 20;
const SETTLE_MS = 250;
const TICK_MS = 1000;

/** @typedef {import("../types.js").Deployment} Deployment */

/** @type {import("../types.js").View} */
export const view = {
  title: "Deployments",
  mount(root, place) {
    const list = new List(root, place);
    return () => list.end();
  },
};

class List {
  #app;
  #filter;
  #rows = h("tbody");
  #table = h("table", { class: "table stacks deployments", hidden: true }, columns(), this.#rows);
  #below = h("div", {}, loading());
  #summary = h("p", { class: "soft", role: "status" });
  #update;
  /** @type {Deployment[]} */
  #shown = [];
  #readAt = 0;
  #ending = new AbortController();
  #unsubscribe;
  #ticker;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #settling;

  /**
   * @param {HTMLElement} root
   * @param {import("../types.js").Place} place
   */
  constructor(root, { app, query }) {
    this.#app = app;
    this.#filter = {
      status: query.get("status") ?? "",
      q: query.get("q") ?? "",
      page: Number(query.get("page")) || 1,
    };
    this.#update = keyed(
      this.#rows,
      (/** @type {Deployment} */ d) => d.id,
      (d) =>
        deploymentRow(
          app,
          d,
          () => this.#readAt,
          () => this.#soon(),
        ),
    );
    fill(
      root,
      head("Deployments", {
        text: this.#summary,
        actions: [linkButton("New deployment", "/ui/new", { kind: "primary", icon: "plus" })],
      }),
      this.#tools(),
      this.#table,
      this.#below,
    );
    this.#unsubscribe = app.live.subscribe(
      (change) => this.#changed(change),
      () => this.#soon(),
    );
    this.#ticker = setInterval(() => this.#update(this.#shown), TICK_MS);
    void this.#load();
  }

  end() {
    this.#ending.abort();
    this.#unsubscribe();
    clearInterval(this.#ticker);
    clearTimeout(this.#settling);
  }

  #tools() {
    const find = h("input", {
      class: "input",
      type: "search",
      placeholder: "Name, image or id",
      "aria-label": "Find",
      value: this.#filter.q,
    });
    find.addEventListener("input", () => this.#refine({ q: find.value.trim() }));
    /** @type {[string, string][]} */
    const options = [
      ["", "Any status"],
      ...STATUSES.map((s) => /** @type {[string, string]} */ ([s, STATUS[s].word])),
    ];
    return h(
      "div",
      { class: "tools" },
      h("div", { class: "search" }, icon("search"), find),
      h(
        "div",
        { class: "status-filter" },
        select("Status", options, this.#filter.status, (status) => this.#refine({ status })),
      ),
    );
  }

  /** @param {Partial<{ status: string, q: string, page: number }>} changes */
  #refine(changes) {
    Object.assign(this.#filter, { page: 1 }, changes);
    const { page, ...rest } = this.#filter;
    this.#app.router.setQuery({ ...rest, page: page > 1 ? page : null });
    this.#soon();
  }

  /** A change of one that is shown is shown at once; what it does to the list as a whole, soon. */
  #changed(/** @type {import("../types.js").Change} */ change) {
    const { deployment } = change;
    const index = this.#shown.findIndex((d) => d.id === change.deploymentId);
    if (deployment && index >= 0) {
      this.#shown[index] = { ...deployment, totalCost: deployment.totalCost };
      this.#update(this.#shown);
    }
    this.#soon();
  }

  #soon() {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => void this.#load(), SETTLE_MS);
  }

  async #load() {
    const asked = { ...this.#filter };
    try {
      const answer = await this.#app.api.get("/deployments", { query: { ...asked, limit: PAGE_SIZE } });
      if (this.#ending.signal.aborted || JSON.stringify(asked) !== JSON.stringify(this.#filter)) return;
      this.#show(answer.deployments, answer.pagination);
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      if (this.#readAt === 0)
        fill(
          this.#below,
          failure(/** @type {Error} */ (error), () => void this.#load()),
        );
    }
  }

  /**
   * @param {Deployment[]} deployments
   * @param {import("../types.js").Pagination} pagination
   */
  #show(deployments, pagination) {
    if (deployments.length === 0 && pagination.total > 0)
      return this.#refine({ page: pagination.totalPages });
    this.#shown = deployments;
    this.#readAt = Date.now();
    this.#update(deployments);
    this.#table.hidden = deployments.length === 0;
    const isFiltered = this.#filter.q !== "" || this.#filter.status !== "";
    fill(
      this.#summary,
      pagination.total > 0 && `${plural(pagination.total, "deployment")}${isFiltered ? " found" : ""}`,
    );
    fill(
      this.#below,
      deployments.length === 0
        ? this.#nothing(isFiltered)
        : pager(pagination, (page) => {
            this.#refine({ page });
            scrollTo(0, 0);
          }),
    );
  }

  /** @param {boolean} isFiltered */
  #nothing(isFiltered) {
    if (isFiltered) {
      const clear = () => this.#app.router.go("/ui/");
      return empty(
        "Nothing matches",
        "No deployment has this status and text.",
        button("Show all", { onclick: clear }),
      );
    }
    return empty(
      "No deployments yet",
      "A deployment is a container that this machine keeps running, with an address of its own. Start from a template, or from any image.",
      linkButton("Create the first one", "/ui/new", { kind: "primary", icon: "plus" }),
    );
  }
}

function columns() {
  return h(
    "thead",
    {},
    h(
      "tr",
      {},
      h("th", { class: "col-name", scope: "col" }, "Name"),
      h("th", { class: "col-status", scope: "col" }, "Status"),
      h("th", { class: "col-address", scope: "col" }, "Address"),
      h("th", { class: "col-rate number", scope: "col" }, "Rate"),
      h("th", { class: "col-cost number", scope: "col" }, "So far"),
      h(
        "th",
        { class: "col-actions actions", scope: "col" },
        h("span", { class: "visually-hidden" }, "Actions"),
      ),
    ),
  );
}
