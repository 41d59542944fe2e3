// @ts-check
import { h } from "../dom.js";

/**
 * Links to the parts of a page, each at its own address; the one in sight is marked and in view.
 * @param {string} label told to those who listen
 * @param {string} base
 * @param {readonly { name: string, label: string }[]} parts
 * @param {string} current
 */
export function tabs(label, base, parts, current) {
  const links = parts.map(({ name, label: text }) =>
    h("a", { href: `${base}/${name}`, "aria-current": name === current ? "page" : null }, text),
  );
  const element = h("nav", { class: "tabs", "aria-label": label }, links);
  requestAnimationFrame(() => {
    const marked = links.find((link) => link.hasAttribute("aria-current"));
    if (marked) element.scrollLeft = marked.offsetLeft - element.offsetLeft;
  });
  return element;
}
