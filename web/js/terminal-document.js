// @ts-check
/**
 * What lets xterm.js work under the page's policy. It writes style elements and style attributes,
 * which the policy forbids as it forbids everything inline. While a terminal is open the same rules
 * go through the CSS object model, which no policy has to forbid: what is set there is no markup.
 *
 * xterm.js 6 has an option for a document of one's own, but does not ask it for every element, so
 * it is the document itself that makes them otherwise.
 */

/** @returns {() => void} ends it */
export function quietDocument() {
  document.createElement = /** @type {typeof document.createElement} */ (
    (/** @type {string} */ tag) => quiet(tag)
  );
  return () => {
    // The method of its kind shows again from under the one that was put over it.
    Reflect.deleteProperty(document, "createElement");
  };
}

/** @param {string} tag */
function quiet(tag) {
  if (tag === "style") return sheetElement();
  const element = Document.prototype.createElement.call(document, tag);
  if (tag === "span") element.setAttribute = (name, value) => setAttribute(element, name, value);
  return element;
}

/** In place of a style element: its text becomes a sheet of the document for as long as it is there. */
function sheetElement() {
  const element = Document.prototype.createElement.call(document, "template");
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperty(element, "textContent", { get: () => "", set: (text) => sheet.replaceSync(text) });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    Element.prototype.remove.call(element);
  };
  return element;
}

/** @param {HTMLElement} element @param {string} name @param {string} value */
function setAttribute(element, name, value) {
  if (name === "style") element.style.cssText = value;
  else Element.prototype.setAttribute.call(element, name, value);
}
