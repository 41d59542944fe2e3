// @ts-check
/** What happened to a deployment, newest first. */

import { failure, loading } from "../components/basics.js";
import { fill, h } from "../dom.js";
import { ago, moment } from "../format.js";
import { statusShape } from "../icons.js";
import { STATUS, heading } from "../words.js";

const BATCH = 1000;

/** @typedef {import("../types.js").HistoryEvent} HistoryEvent */

export class History {
  #app;
  #id;
  /** @type {HistoryEvent[]} */
  #events = [];
  #unsubscribe;
  #hasEnded = false;
  element = h("div", {}, loading());

  /** @param {import("../types.js").App} app @param {import("../types.js").Deployment} d */
  constructor(app, d) {
    this.#app = app;
    this.#id = d.id;
    this.#unsubscribe = app.live.subscribe((change) => {
      if (change.deploymentId === this.#id) void this.#load();
    });
    void this.#load();
  }

  update() {}

  end() {
    this.#hasEnded = true;
    this.#unsubscribe();
  }

  async #load() {
    try {
      const after = this.#events.at(-1)?.id ?? 0;
      const { events } = await this.#app.api.get(`/deployments/${this.#id}/events`, {
        query: { after, limit: BATCH },
      });
      if (this.#hasEnded) return;
      const last = this.#events.at(-1)?.id ?? 0;
      this.#events.push(...events.filter((/** @type {HistoryEvent} */ e) => e.id > last));
      this.#draw();
      if (events.length === BATCH) await this.#load();
    } catch (error) {
      if (!this.#hasEnded && this.#events.length === 0)
        fill(
          this.element,
          failure(/** @type {Error} */ (error), () => void this.#load()),
        );
    }
  }

  #draw() {
    const now = Date.now();
    fill(
      this.element,
      h(
        "ol",
        { class: "timeline" },
        this.#events.toReversed().map((e) => entry(e, now)),
      ),
    );
  }
}

/** @param {HistoryEvent} e @param {number} now */
function entry(e, now) {
  const tone = (e.status && STATUS[e.status]?.tone) || "idle";
  const title = heading(e.type);
  return h(
    "li",
    { class: "timeline-entry" },
    h("span", { class: `status ${tone}` }, statusShape(e.status ?? "pending")),
    h(
      "div",
      {},
      h("p", { class: "timeline-title" }, title),
      e.message && e.message !== title && h("p", { class: "soft wrap" }, e.message),
    ),
    h("time", { class: "soft small", datetime: e.at, title: moment(e.at) }, ago(e.at, now)),
  );
}
