// @ts-check
/** A hundred thousand lines, of which only those in sight are in the document. */

import { fill, h } from "../dom.js";
import { clock, moment } from "../format.js";
import { cuts } from "../log-store.js";

const OVERSCAN = 20;
const LONGEST_SHOWN = 2000;

/** @typedef {import("../log-store.js").Line} Line */

export class LogList {
  #sizer = h("div", { class: "log-sizer" });
  #window = h("div", { class: "log-window" });
  #rowHeight = 20;
  /** @type {readonly Line[]} */
  #lines = [];
  #text = "";
  #frame = 0;
  #follows = true;
  #onFollow;
  #onPick;
  #drawn = "";
  element = h("div", { class: "log", tabindex: "0", role: "region", "aria-label": "Log lines" }, this.#sizer);

  /**
   * @param {(follows: boolean) => void} onFollow called when scrolling starts or ends following
   * @param {(line: Line) => void} onPick called when a line is chosen
   */
  constructor(onFollow, onPick) {
    this.#onFollow = onFollow;
    this.#onPick = onPick;
    this.#sizer.append(this.#window);
    this.element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.element.addEventListener("click", (event) => this.#clicked(event));
    this.#resize = new ResizeObserver(() => this.redraw());
    this.#resize.observe(this.element);
  }

  #resize;

  end() {
    this.#resize.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  get follows() {
    return this.#follows;
  }

  /** @param {boolean} follows */
  follow(follows) {
    this.#follows = follows;
    if (follows) this.redraw();
  }

  /**
   * Shows these lines.
   * @param {readonly Line[]} lines
   * @param {string} text marked where it stands in them
   * @param {number} [gone] how many went from the start since: what is in sight stays in sight
   */
  show(lines, text, gone = 0) {
    this.#lines = lines;
    this.#text = text;
    this.#drawn = "";
    if (gone > 0 && !this.#follows) this.element.scrollTop -= gone * this.#rowHeight;
    this.redraw();
  }

  redraw() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    this.#rowHeight = this.#window.firstElementChild?.getBoundingClientRect().height || this.#rowHeight;
    const { element } = this;
    const height = this.#lines.length * this.#rowHeight;
    this.#sizer.style.height = `${height}px`;
    if (this.#follows) element.scrollTop = height;
    const first = Math.max(0, Math.floor(element.scrollTop / this.#rowHeight) - OVERSCAN);
    const last = Math.min(
      this.#lines.length,
      Math.ceil((element.scrollTop + element.clientHeight) / this.#rowHeight) + OVERSCAN,
    );
    const drawn = `${first}-${last}`;
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.#window.style.transform = `translateY(${first * this.#rowHeight}px)`;
    fill(
      this.#window,
      this.#lines.slice(first, last).map((line, i) => row(line, first + i, this.#text)),
    );
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    const isAtEnd = scrollTop + clientHeight >= scrollHeight - this.#rowHeight;
    if (isAtEnd !== this.#follows) {
      this.#follows = isAtEnd;
      this.#onFollow(isAtEnd);
    }
    this.redraw();
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const chosen = event.target instanceof Element ? event.target.closest("[data-index]") : null;
    const line = this.#lines[Number(chosen?.getAttribute("data-index"))];
    if (chosen && line && getSelection()?.isCollapsed) this.#onPick(line);
  }
}

/** @param {Line} line @param {number} index @param {string} text */
function row(line, index, text) {
  const isLong = line.message.length > LONGEST_SHOWN;
  const message = isLong ? line.message.slice(0, LONGEST_SHOWN) : line.message;
  return h(
    "div",
    { class: `log-line ${line.stream}`, "data-index": index },
    h(
      "time",
      { class: "log-time", title: moment(line.timestamp), datetime: line.timestamp },
      clock(line.timestamp),
    ),
    line.stream === "stderr" && h("span", { class: "log-mark", title: "stderr" }, "err"),
    h(
      "span",
      { class: "log-text" },
      cuts(message, text).map((part, i) => (i % 2 === 1 ? h("mark", {}, part) : part)),
      isLong && "…",
    ),
  );
}
