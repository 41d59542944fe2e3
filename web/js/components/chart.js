// @ts-check
/** Lines over time in SVG: two at most, told apart by dash as well as by colour. */

import { fill, h, setText, svg } from "../dom.js";
import { clock } from "../format.js";
import { peak, ticks } from "../scale.js";

const WIDTH = 600;
const HEIGHT = 140;
const LEFT = 64;
const BOTTOM = 20;
const TOP = 8;

/** @typedef {{ at: number, value: number | null }} Point */

export class Chart {
  #format;
  #names;
  #legend = h("span", { class: "chart-now" });
  #drawing = svg("svg", { class: "chart-svg", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  element;

  /**
   * @param {string} title
   * @param {(value: number) => string} format
   * @param {string[]} names of the lines
   */
  constructor(title, format, names) {
    this.#format = format;
    this.#names = names;
    this.#drawing.setAttribute("aria-label", title);
    this.element = h("figure", { class: "chart" }, h("figcaption", { class: "chart-head" }, h("h3", {}, title), this.#legend), this.#drawing);
  }

  /** @param {Point[][]} lines */
  draw(lines) {
    const points = lines.flat().filter((p) => p.value !== null);
    const span = { from: Math.min(...points.map((p) => p.at)), to: Math.max(...points.map((p) => p.at)) };
    const top = peak(points.map((p) => p.value ?? 0));
    const words = lines.map((line, i) => this.#latest(line, i)).filter((text) => text !== null);
    setText(this.#legend, words.join("  ·  "));
    this.#drawing.setAttribute("aria-label", words.join(", "));
    if (points.length === 0) return;
    fill(this.#drawing, this.#axes(top, span), lines.map((line, i) =>
      svg("path", { class: `chart-line line-${i}`, d: path(line, span, top), "vector-effect": "non-scaling-stroke" })));
  }

  /** @param {Point[]} line @param {number} index */
  #latest(line, index) {
    const last = line.at(-1)?.value;
    if (last === null || last === undefined) return null;
    return this.#names.length === 1 ? this.#format(last) : `${this.#names[index]} ${this.#format(last)}`;
  }

  /** @param {number} top @param {{ from: number, to: number }} span */
  #axes(top, span) {
    const rows = ticks(top).map((value) => {
      const y = HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
      return [svg("path", { class: "chart-rule", d: `M${LEFT} ${y}H${WIDTH}` }),
        svg("text", { class: "chart-text end", x: LEFT - 8, y: y + 4 }, this.#format(value))];
    });
    const at = (/** @type {number} */ t) => clock(new Date(t).toISOString());
    return [rows, svg("text", { class: "chart-text", x: LEFT, y: HEIGHT - 4 }, at(span.from)),
      svg("text", { class: "chart-text end", x: WIDTH, y: HEIGHT - 4 }, at(span.to))];
  }
}

/**
 * A line; where a value is not known it is broken.
 * @param {Point[]} line
 * @param {{ from: number, to: number }} span
 * @param {number} top
 */
function path(line, span, top) {
  const width = Math.max(1, span.to - span.from);
  let pen = "M";
  return line.map(({ at, value }) => {
    if (value === null) {
      pen = "M";
      return "";
    }
    const x = LEFT + ((at - span.from) / width) * (WIDTH - LEFT);
    const y = HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
    const step = `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
    return step;
  }).join("");
}
