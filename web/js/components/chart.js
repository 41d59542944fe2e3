// @ts-check
/** Lines over time in SVG: two at most, told apart by dash as well as by colour. */

import { fill, h, setText, svg } from "../dom.js";
import { clock } from "../format.js";
import { ticks } from "../scale.js";

const HEIGHT = 148;
const LEFT = 72;
const BOTTOM = 20;
const TOP = 8;
const PLOT = HEIGHT - BOTTOM - TOP;

/** @typedef {{ at: number, value: number | null }} Point */
/** @typedef {{ from: number, to: number, top: number, width: number }} Scale */

export class Chart {
  #title;
  #options;
  /** @type {Point[][]} */
  #lines = [];
  #now = h("span", { class: "chart-now" });
  #drawing = svg("svg", { class: "chart-svg", role: "img", height: HEIGHT });
  #resize = new ResizeObserver(() => this.#draw());
  element;

  /**
   * @param {string} title
   * @param {object} options
   * @param {(value: number) => string} options.format
   * @param {(values: number[]) => number} options.peak the end of the scale that holds them
   * @param {string[]} options.names of the lines
   */
  constructor(title, options) {
    this.#title = title;
    this.#options = options;
    this.#drawing.setAttribute("aria-label", title);
    this.element = h(
      "figure",
      { class: "chart" },
      h("figcaption", { class: "chart-head" }, h("h3", {}, title), this.#now),
      this.#drawing,
    );
    this.#resize.observe(this.element);
  }

  end() {
    this.#resize.disconnect();
  }

  /** @param {Point[][]} lines */
  show(lines) {
    this.#lines = lines;
    const words = lines.map((line, i) => this.#latest(line, i)).filter((text) => text !== null);
    setText(this.#now, words.join("  ·  "));
    this.#drawing.setAttribute("aria-label", [this.#title, ...words].join(", "));
    this.#draw();
  }

  #draw() {
    const points = this.#lines.flat().filter((p) => p.value !== null);
    const width = this.element.clientWidth;
    if (points.length === 0 || width === 0) return;
    const times = this.#lines.flat().map((p) => p.at);
    const top = this.#options.peak(points.map((p) => p.value ?? 0));
    const scale = { from: Math.min(...times), to: Math.max(...times), top, width };
    this.#drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    fill(
      this.#drawing,
      this.#axes(scale),
      this.#lines.map((line, i) => svg("path", { class: `chart-line line-${i}`, d: path(line, scale) })),
    );
  }

  /** @param {Point[]} line @param {number} index */
  #latest(line, index) {
    const last = line.at(-1)?.value;
    if (last === null || last === undefined) return null;
    const { names, format } = this.#options;
    return names.length === 1 ? format(last) : `${names[index]} ${format(last)}`;
  }

  /** @param {Scale} scale */
  #axes({ from, to, top, width }) {
    const rows = ticks(top).map((value) => {
      const y = TOP + PLOT - (value / top) * PLOT;
      return [
        svg("path", { class: "chart-rule", d: `M${LEFT} ${y}H${width}` }),
        svg("text", { class: "chart-text end", x: LEFT - 8, y: y + 4 }, this.#options.format(value)),
      ];
    });
    const at = (/** @type {number} */ t) => clock(new Date(t).toISOString());
    return [
      rows,
      svg("text", { class: "chart-text", x: LEFT, y: HEIGHT - 4 }, at(from)),
      svg("text", { class: "chart-text end", x: width, y: HEIGHT - 4 }, at(to)),
    ];
  }
}

/**
 * A line; where a value is not known it is broken.
 * @param {Point[]} line
 * @param {Scale} scale
 */
function path(line, { from, to, top, width }) {
  const length = Math.max(1, to - from);
  let pen = "M";
  return line
    .map(({ at, value }) => {
      if (value === null) {
        pen = "M";
        return "";
      }
      const x = LEFT + ((at - from) / length) * (width - LEFT);
      const y = TOP + PLOT - (value / top) * PLOT;
      const step = `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
      pen = "L";
      return step;
    })
    .join("");
}
