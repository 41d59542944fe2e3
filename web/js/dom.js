// @ts-check
/**
 * Builds DOM. Text becomes text nodes and nothing else: no function here turns text into markup,
 * and the page's policy (Trusted Types) lets no other do it either.
 */

const SVG = "http://www.w3.org/2000/svg";
const SAFE_LINK = /^(https?:\/\/|\/(?!\/)|#)/i;
const AS_PROPERTY = new Set(["value", "checked", "disabled", "selected", "open", "readOnly"]);
const FORBIDDEN = /^(style|srcdoc|innerhtml|outerhtml|src)$/i;

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */
/** @typedef {Record<string, any>} Props */

/**
 * An element. `onclick` and its like take functions; null, undefined and false leave a prop away.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  element.append(...nodes(children));
  for (const [name, value] of Object.entries(props)) setProp(element, name, value);
  return element;
}

/**
 * An SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, props = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) setProp(element, name, value);
  element.append(...nodes(children));
  return element;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {any} value
 */
export function setProp(element, name, value) {
  if (typeof value === "function") {
    element.addEventListener(name.replace(/^on/, ""), value);
  } else if (AS_PROPERTY.has(name)) {
    /** @type {any} */ (element)[name] = value ?? "";
  } else if (value === null || value === undefined || value === false) {
    element.removeAttribute(name);
  } else if (FORBIDDEN.test(name) || name.startsWith("on")) {
    throw new TypeError(`${name} is not set by the page`);
  } else {
    element.setAttribute(name, name === "href" ? safeLink(value) : value === true ? "" : String(value));
  }
}

/**
 * A link that leads to a page and runs nothing; anything else becomes "#".
 * @param {unknown} link
 */
export function safeLink(link) {
  const text = String(link).trim();
  return SAFE_LINK.test(text) ? text : "#";
}

/**
 * @param {Child[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  return /** @type {any[]} */ (children).flat(Infinity).flatMap((child) => {
    if (child === null || child === undefined || child === false || child === "") return [];
    return [child instanceof Node ? child : String(child)];
  });
}

/**
 * Puts `children` in place of what is there.
 * @template {Element} E
 * @param {E} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

/**
 * Writes a text only if it changed, so that a selection in it lives on.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Keeps children in step with items: an item keeps its element, and so its focus, by its key.
 * @template T
 * @param {Element} container
 * @param {(item: T) => string} keyOf
 * @param {(item: T) => { element: Element, update: (item: T) => void }} make
 */
export function keyed(container, keyOf, make) {
  /** @type {Map<string, { element: Element, update: (item: T) => void }>} */
  const known = new Map();
  return (/** @type {T[]} */ items) => {
    const keys = new Set(items.map(keyOf));
    for (const [key, part] of known) {
      if (!keys.has(key)) {
        part.element.remove();
        known.delete(key);
      }
    }
    items.forEach((item, index) => {
      const part = known.get(keyOf(item)) ?? make(item);
      known.set(keyOf(item), part);
      part.update(item);
      if (container.children[index] !== part.element) {
        container.insertBefore(part.element, container.children[index] ?? null);
      }
    });
  };
}
