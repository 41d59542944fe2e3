// @ts-check
/** A deployment's log: follows, stands still, searches, goes to a file. */

import { button, copyButton } from "../components/basics.js";
import { open } from "../components/dialog.js";
import { select } from "../components/field.js";
import { save } from "../components/save.js";
import { LogList } from "../components/log-list.js";
import { fill, h } from "../dom.js";
import { moment } from "../format.js";
import { icon } from "../icons.js";
import { LogStore, plain } from "../log-store.js";

const TAIL = 5000;
const RETRY_MS = 2000;

/** @typedef {import("../log-store.js").Line} Line */
/** @typedef {import("../types.js").Deployment} Deployment */

export class Logs {
  #app;
  /** @type {Deployment} */
  #d;
  #store = new LogStore();
  #list = new LogList(
    (follows) => this.#followed(follows),
    (line) => showLine(line),
  );
  #ending = new AbortController();
  #filter = { text: "", stream: "" };
  /** @type {string | null} */
  #lastId = null;
  #unseen = 0;
  #isPaused = false;
  /** @type {Line[]} */
  #held = [];
  #count = h("span", { class: "soft small", role: "status" });
  #empty = h("p", { class: "log-empty soft" });
  #jump = button("", { kind: "small log-jump", icon: "down", onclick: () => this.#toEnd() });
  #pause = button("Pause", { kind: "small", icon: "pause", onclick: () => this.#setPaused(!this.#isPaused) });
  element;

  /** @param {import("../types.js").App} app @param {Deployment} d */
  constructor(app, d) {
    this.#app = app;
    this.#d = d;
    this.#jump.hidden = true;
    this.element = h(
      "div",
      {},
      this.#tools(),
      h("div", { class: "log-frame" }, this.#list.element, this.#empty, this.#jump),
    );
    this.#tell();
    void this.#run();
  }

  end() {
    this.#ending.abort();
    this.#list.end();
  }

  /** @param {Deployment} d */
  update(d) {
    this.#d = d;
    this.#tell();
  }

  #tools() {
    const find = h("input", {
      class: "input",
      type: "search",
      placeholder: "Find in the log",
      "aria-label": "Find in the log",
    });
    find.addEventListener("input", () => this.#refine({ text: find.value }));
    const streams = select(
      "Stream",
      [
        ["", "All output"],
        ["stdout", "stdout"],
        ["stderr", "stderr"],
      ],
      "",
      (stream) => this.#refine({ stream }),
    );
    return h(
      "div",
      { class: "tools" },
      h("div", { class: "search" }, icon("search"), find),
      h("div", { class: "status-filter" }, streams),
      this.#count,
      h(
        "span",
        { class: "end tools-end" },
        this.#pause,
        button("Download", { kind: "small", icon: "down", onclick: () => this.#download() }),
      ),
    );
  }

  async #run() {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        await this.#listen(signal);
      } catch (error) {
        if (signal.aborted || /** @type {any} */ (error)?.status === 404) return;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  /** @param {AbortSignal} signal */
  async #listen(signal) {
    const query = { follow: "true", tail: TAIL };
    for await (const messages of this.#app.api.stream(`/deployments/${this.#d.id}/logs`, {
      query,
      lastId: this.#lastId,
      signal,
    })) {
      this.#lastId = messages.at(-1)?.id ?? this.#lastId;
      this.#take(messages.map(toLine));
    }
  }

  /** @param {Line[]} lines */
  #take(lines) {
    if (this.#isPaused) {
      this.#held.push(...lines);
      return this.#tell();
    }
    const before = this.#store.shown.length;
    const gone = this.#store.push(lines);
    if (!this.#list.follows) this.#unseen += this.#store.shown.length + gone - before;
    this.#list.show(this.#store.shown, this.#filter.text, gone);
    this.#tell();
  }

  /** @param {Partial<{ text: string, stream: string }>} changes */
  #refine(changes) {
    Object.assign(this.#filter, changes);
    this.#store.filter(this.#filter);
    this.#list.show(this.#store.shown, this.#filter.text);
    this.#toEnd();
  }

  /** @param {boolean} isPaused */
  #setPaused(isPaused) {
    this.#isPaused = isPaused;
    fill(this.#pause, icon(isPaused ? "play" : "pause"), isPaused ? "Resume" : "Pause");
    this.#pause.setAttribute("aria-pressed", String(isPaused));
    const held = this.#held;
    this.#held = [];
    if (!isPaused) this.#take(held);
    this.#tell();
  }

  /** @param {boolean} follows */
  #followed(follows) {
    if (follows) this.#unseen = 0;
    this.#tell();
  }

  #toEnd() {
    this.#unseen = 0;
    this.#list.follow(true);
    this.#tell();
  }

  #tell() {
    const { shown, total } = this.#store;
    const isFiltered = this.#filter.text !== "" || this.#filter.stream !== "";
    fill(
      this.#count,
      this.#isPaused
        ? `Paused, ${this.#held.length.toLocaleString("en")} new`
        : isFiltered
          ? `${shown.length.toLocaleString("en")} of ${total.toLocaleString("en")} lines`
          : total > 0 &&
            `${total.toLocaleString("en")} lines${this.#store.dropped > 0 ? ", older ones left out" : ""}`,
    );
    this.#jump.hidden = this.#list.follows;
    fill(
      this.#jump,
      icon("down"),
      this.#unseen > 0 ? `${this.#unseen.toLocaleString("en")} new` : "To the end",
    );
    this.#empty.hidden = shown.length > 0;
    fill(this.#empty, total > 0 ? "No line matches." : waiting(this.#d));
  }

  #download() {
    const text = this.#store.all.map((line) => `${line.timestamp} ${line.stream} ${line.message}\n`).join("");
    save(new Blob([text], { type: "text/plain" }), `${this.#d.name}.log`);
  }
}

/** @param {import("../sse.js").Message} message @returns {Line} */
function toLine(message) {
  const data = JSON.parse(message.data);
  if (message.event === "gap")
    return {
      timestamp: data.after ?? "",
      stream: "gap",
      message: "Lines are missing here: the log was rotated away.",
    };
  return { ...data, message: plain(data.message) };
}

/** Why there is nothing to read yet. @param {Deployment} d */
function waiting(d) {
  if (d.status === "running") return "It runs, and has written nothing yet.";
  if (d.status === "failed") return "It wrote nothing before it failed.";
  if (d.status === "stopped" || d.status === "sleeping") return "It wrote nothing.";
  return "The log begins when the container does.";
}

/** @param {Line} line */
function showLine(line) {
  const dialog = open(
    `${moment(line.timestamp)} · ${line.stream}`,
    [h("pre", { class: "log-whole", tabindex: "0" }, line.message)],
    [copyButton(line.message, "line"), button("Close", { onclick: () => dialog.close() })],
  );
  dialog.classList.add("wide");
}
