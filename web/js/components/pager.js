// @ts-check
import { button } from "./basics.js";
import { h } from "../dom.js";

/**
 * Which of how many, and the way on and back; nothing where one page holds all.
 * @param {import("../types.js").Pagination} pagination
 * @param {(page: number) => void} turn
 */
export function pager({ page, limit, total, totalPages }, turn) {
  if (totalPages <= 1) return null;
  const first = (page - 1) * limit + 1;
  const last = Math.min(page * limit, total);
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    h("span", {}, `${first}–${last} of ${total.toLocaleString("en")}`),
    h(
      "span",
      { class: "pager-links" },
      button("Previous", { kind: "small", disabled: page <= 1, onclick: () => turn(page - 1) }),
      button("Next", { kind: "small", disabled: page >= totalPages, onclick: () => turn(page + 1) }),
    ),
  );
}
