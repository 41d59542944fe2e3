// @ts-check
/** The page's own few icons, 16 × 16, drawn with the colour of the text. */

import { svg } from "./dom.js";

const STROKES = {
  brand: "M3 13V3l10 10V3",
  plus: "M8 3v10M3 8h10",
  play: "M5 3.5v9l7.5-4.5z",
  stop: "M3.5 3.5h9v9h-9z",
  restart: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3",
  trash: "M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.5 9h6l.5-9",
  edit: "M3 13l.7-3L10.5 3.2l2.3 2.3L6 12.3z",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.6 10.6 14 14",
  copy: "M5.5 5.5h8v8h-8zM10.5 3v-.5h-8v8H3",
  check: "m3 8.5 3.5 3.5L13 4.5",
  close: "m4 4 8 8M12 4l-8 8",
  out: "M6.5 3.5h-3v9h9v-3M9.5 3h3.5v3.5M13 3 7.5 8.5",
  back: "M9.5 3.5 5 8l4.5 4.5",
  warning: "M8 2.5 14.5 13.5h-13zM8 6.5v3.5M8 11.5v.5",
  info: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.5v3.5M8 5v.5",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  down: "M8 3v9M4 8.5 8 12.5l4-4",
  key: "M10.5 9a3.5 3.5 0 1 0-3.3-2.3L2 12v2h2.5v-1.5H6V11h1.5l1.2-2.2a3.5 3.5 0 0 0 1.8.200zM11 5v.5",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
};

/** @typedef {keyof typeof STROKES} IconName */

/**
 * An icon beside words: hidden from those who listen.
 * @param {IconName} name
 */
export function icon(name) {
  return svg(
    "svg",
    {
      class: "icon-svg",
      viewBox: "0 0 16 16",
      "aria-hidden": "true",
      fill: "none",
      stroke: "currentColor",
      "stroke-width": "1.5",
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
    },
    svg("path", { d: STROKES[name] }),
  );
}

/** A shape for each status: told apart without colour. @type {Record<string, { d: string, filled: boolean }>} */
const SHAPES = {
  pending: { d: "M6 1.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM6 3.5V6l1.8 1.2", filled: false },
  pulling: { d: "M6 1v6.5M3 5l3 3 3-3M2 11h8", filled: false },
  starting: { d: "M3.5 2v8L10 6z", filled: false },
  running: { d: "M6 1.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9z", filled: true },
  stopping: { d: "M2.5 2.5h7v7h-7zM5 6h2", filled: false },
  stopped: { d: "M2.5 2.5h7v7h-7z", filled: false },
  sleeping: { d: "M9.8 7.2A4.5 4.5 0 1 1 4.8 2.2a3.6 3.6 0 0 0 5 5z", filled: false },
  failed: { d: "M6 1 11.5 10.5H.5z", filled: true },
};

/** @param {string} status */
export function statusShape(status) {
  const shape = SHAPES[status] ?? SHAPES.pending;
  return svg(
    "svg",
    {
      viewBox: "0 0 12 12",
      "aria-hidden": "true",
      fill: shape.filled ? "currentColor" : "none",
      stroke: "currentColor",
      "stroke-width": "1.5",
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
    },
    svg("path", { d: shape.d }),
  );
}
