// @ts-check
/** Who did what, from where, and how it ended: newest first, and proof that nothing was taken out. */

import { button, loading, notice, sectionHead } from "../components/basics.js";
import { Loaded } from "../components/loaded.js";
import { pager } from "../components/pager.js";
import { cell, table } from "../components/table.js";
import { fill, h } from "../dom.js";
import { moment, plural } from "../format.js";
import { icon } from "../icons.js";
import { heading } from "../words.js";

const PAGE_SIZE = 50;

/** @typedef {{ id: number, at: string, action: string, object: string | null, result: string, code: string | null, actor: string | null, address: string | null }} Entry */

export class Audit {
  #page;
  #app;
  #proof = h("div", { role: "status" });
  #list;
  element;

  /** @param {import("../types.js").App} app */
  constructor(app) {
    this.#app = app;
    this.#page = Number(new URLSearchParams(location.search).get("page")) || 1;
    this.#list = new Loaded(
      () => app.api.get("/audit", { query: { page: this.#page, limit: PAGE_SIZE } }),
      ({ entries, pagination }) => this.#table(entries, pagination),
    );
    this.element = h(
      "section",
      {},
      sectionHead(
        null,
        "Every order, every act of an admin, every log in and every denial. Entries are never changed.",
        button("Check that it is whole", { onclick: () => void this.#verify() }),
      ),
      this.#proof,
      this.#list.element,
    );
  }

  end() {
    this.#list.end();
  }

  /** @param {Entry[]} entries @param {import("../types.js").Pagination} pagination */
  #table(entries, pagination) {
    return [
      table("audit", ["When", "Who", "What", "On", "Result"], entries.map(row)),
      entries.length === 0 && h("p", { class: "soft" }, "There is no such page."),
      pager(pagination, (page) => {
        this.#page = page;
        this.#app.router.setQuery({ page: page > 1 ? page : null });
        scrollTo(0, 0);
        void this.#list.again();
      }),
    ];
  }

  async #verify() {
    fill(this.#proof, loading("Checking"));
    try {
      fill(this.#proof, verdict(await this.#app.api.get("/audit/verify")));
    } catch (error) {
      fill(
        this.#proof,
        notice("bad", "It could not be checked", h("p", {}, /** @type {Error} */ (error).message)),
      );
    }
  }
}

/** @param {{ entries: number, intact: boolean, firstBroken: number | null }} found */
function verdict({ entries, intact, firstBroken }) {
  if (intact) return notice("good", `${plural(entries, "entry", "entries")}, each as it was written`);
  const how = "It, or the one before it, was changed or taken out of the database by other means.";
  return notice("bad", `Entry ${firstBroken} is not as it was written`, h("p", {}, how));
}

/** @param {Entry} e */
function row(e) {
  const isDenied = e.result === "denied";
  const result = h(
    "span",
    { class: `status ${isDenied ? "bad" : "good"}` },
    icon(isDenied ? "close" : "check"),
    isDenied ? "Denied" : "Done",
  );
  return h(
    "tr",
    {},
    cell("audit-when", h("time", { datetime: e.at }, moment(e.at))),
    cell("wrap", [e.actor ?? "Nobody known", e.address && h("span", { class: "second mono" }, e.address)]),
    cell("audit-what", heading(e.action)),
    cell(`mono wrap ${e.object ? "" : "none"}`, e.object ?? "—", "On"),
    cell("", [result, e.code && h("span", { class: "second" }, heading(e.code))]),
  );
}
