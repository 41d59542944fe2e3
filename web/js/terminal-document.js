// @ts-check
/**
 * The document as xterm.js sees it. It writes style elements and style attributes, which the page's
 * policy forbids as it forbids everything inline; here the same rules go through the CSS object
 * model, which a policy has no need to forbid: what is set there is no markup.
 */

/** @returns {Document} */
export function quietDocument() {
  const createElement = (/** @type {string} */ tag) => quiet(tag);
  return new Proxy(document, {
    get(target, key) {
      if (key === "createElement") return createElement;
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  });
}

/** @param {string} tag */
function quiet(tag) {
  const element = document.createElement(tag);
  if (tag === "style") adopt(/** @type {HTMLStyleElement} */ (element));
  else if (tag === "span") element.setAttribute = (name, value) => setAttribute(element, name, value);
  return element;
}

/** Its text becomes a sheet of the document for as long as the element is there. @param {HTMLStyleElement} element */
function adopt(element) {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperty(element, "textContent", { get: () => "", set: (text) => sheet.replaceSync(text) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    Element.prototype.remove.call(element);
  };
}

/** @param {HTMLElement} element @param {string} name @param {string} value */
function setAttribute(element, name, value) {
  if (name === "style") element.style.cssText = value;
  else Element.prototype.setAttribute.call(element, name, value);
}
