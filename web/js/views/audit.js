// @ts-check
/** Who did what, from where, and how it ended: newest first, and proof that nothing was taken out. */

import { button, failure, loading, notice } from "../components/basics.js";
import { pager } from "../components/pager.js";
import { cell, table } from "../components/table.js";
import { fill, h } from "../dom.js";
import { moment, plural } from "../format.js";
import { icon } from "../icons.js";
import { heading } from "../words.js";

const PAGE_SIZE = 50;

/** @typedef {{ id: number, at: string, action: string, object: string | null, result: string, code: string | null, actor: string | null, address: string | null }} Entry */

export class Audit {
  #app;
  #page;
  #proof = h("div", { role: "status" });
  #list = h("div", {}, loading());
  #hasEnded = false;
  element;

  /** @param {import("../types.js").App} app */
  constructor(app) {
    this.#app = app;
    this.#page = Number(new URLSearchParams(location.search).get("page")) || 1;
    this.element = h(
      "section",
      {},
      h(
        "div",
        { class: "section-head" },
        h(
          "p",
          { class: "soft" },
          "Every order, every act of an admin, every log in and every denial. Entries are never changed.",
        ),
        button("Check that it is whole", { onclick: () => void this.#verify() }),
      ),
      this.#proof,
      this.#list,
    );
    void this.#load();
  }

  end() {
    this.#hasEnded = true;
  }

  async #load() {
    try {
      const answer = await this.#app.api.get("/audit", { query: { page: this.#page, limit: PAGE_SIZE } });
      if (!this.#hasEnded) this.#show(answer.entries, answer.pagination);
    } catch (error) {
      if (!this.#hasEnded)
        fill(
          this.#list,
          failure(/** @type {Error} */ (error), () => void this.#load()),
        );
    }
  }

  /** @param {Entry[]} entries @param {import("../types.js").Pagination} pagination */
  #show(entries, pagination) {
    fill(
      this.#list,
      table("audit", ["When", "Who", "What", "On", "Result"], entries.map(row)),
      pager(pagination, (page) => {
        this.#page = page;
        this.#app.router.setQuery({ page: page > 1 ? page : null });
        scrollTo(0, 0);
        void this.#load();
      }),
    );
  }

  async #verify() {
    fill(this.#proof, loading("Checking"));
    try {
      const { entries, intact, firstBroken } = await this.#app.api.get("/audit/verify");
      fill(
        this.#proof,
        intact
          ? notice("good", `${plural(entries, "entry", "entries")}, each as it was written`)
          : notice(
              "bad",
              `Entry ${firstBroken} is not as it was written`,
              h(
                "p",
                {},
                "It, or the one before it, was changed or taken out of the database by other means.",
              ),
            ),
      );
    } catch (error) {
      fill(
        this.#proof,
        notice("bad", "It could not be checked", h("p", {}, /** @type {Error} */ (error).message)),
      );
    }
  }
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
    cell("mono wrap", e.object ?? "—", "On"),
    cell("", [result, e.code && h("span", { class: "second" }, heading(e.code))]),
  );
}
