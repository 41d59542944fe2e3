// @ts-check
/** The small parts that every view is put together from. */

import { fill, h } from "../dom.js";
import { icon, statusShape } from "../icons.js";
import { STATUS } from "../words.js";

/** @typedef {import("../dom.js").Child} Child */
/** @typedef {import("../icons.js").IconName} IconName */

/**
 * @param {string} label
 * @param {{ kind?: string, icon?: IconName, onclick?: (event: MouseEvent) => void, type?: string, disabled?: boolean }} [options]
 */
export function button(label, { kind = "", icon: name, onclick, type = "button", disabled } = {}) {
  return h(
    "button",
    { class: `button ${kind}`, type, onclick, disabled: disabled ?? false },
    name && icon(name),
    label,
  );
}

/**
 * A button that shows only its icon; its name is told and shown on hover.
 * @param {IconName} name
 * @param {string} label
 * @param {(event: MouseEvent) => void} onclick
 * @param {string} [kind]
 */
export function iconButton(name, label, onclick, kind = "quiet") {
  return h(
    "button",
    { class: `button icon ${kind}`, type: "button", title: label, "aria-label": label, onclick },
    icon(name),
  );
}

/**
 * A link that looks like a button.
 * @param {string} label
 * @param {string} href
 * @param {{ kind?: string, icon?: IconName }} [options]
 */
export function linkButton(label, href, { kind = "", icon: name } = {}) {
  return h("a", { class: `button ${kind}`, href }, name && icon(name), label);
}

/** A status by shape, word and colour. @param {string} status */
export function statusBadge(status) {
  const { word, tone } = STATUS[status] ?? { word: status, tone: "idle" };
  return h("span", { class: `status ${tone}` }, statusShape(status), word);
}

/**
 * @param {"bad" | "busy" | "good" | ""} tone
 * @param {string} title
 * @param {...Child} body
 */
export function notice(tone, title, ...body) {
  const sign = tone === "good" ? "check" : tone === "" ? "info" : "warning";
  return h(
    "div",
    { class: `notice ${tone}` },
    icon(sign),
    h("div", {}, h("p", { class: "notice-title" }, title), body),
  );
}

/**
 * @param {string} title
 * @param {string} text
 * @param {...Child} actions
 */
export function empty(title, text, ...actions) {
  return h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, text), actions);
}

/** @param {string} [text] */
export function loading(text = "Loading") {
  return h("p", { class: "loading", role: "status" }, `${text}…`);
}

/**
 * What could not be loaded, and the way to try again.
 * @param {Error} error
 * @param {() => void} again
 */
export function failure(error, again) {
  return notice(
    "bad",
    "This could not be loaded",
    h("p", {}, error.message),
    h("div", { class: "notice-actions" }, button("Try again", { kind: "small", onclick: again })),
  );
}

/**
 * A view's heading; the page moves the focus there when the view opens.
 * @param {Child} title
 * @param {{ text?: Child, actions?: Child[], crumb?: HTMLElement }} [options]
 */
export function head(title, { text, actions = [], crumb } = {}) {
  return h(
    "header",
    { class: "head" },
    h("div", { class: "head-text" }, crumb, h("h1", { tabindex: "-1" }, title), text),
    actions.length > 0 && h("div", { class: "head-actions" }, actions),
  );
}

/**
 * What a part of a page is for, beside what can be done in it.
 * @param {string | null} title
 * @param {string} text
 * @param {...Child} actions
 */
export function sectionHead(title, text, ...actions) {
  return h(
    "div",
    { class: "section-head" },
    h("div", {}, title && h("h2", {}, title), h("p", { class: "soft" }, text)),
    h("div", { class: "head-actions" }, actions),
  );
}

/** @param {string} label @param {string} href */
export function crumb(label, href) {
  return h("a", { class: "crumb", href }, icon("back"), label);
}

/**
 * A text with a button that copies it.
 * @param {Child} shown
 * @param {string} text
 * @param {string} what named to those who listen: "address", "token"
 */
export function copyable(shown, text, what) {
  return h("span", { class: "copyable" }, h("span", {}, shown), copyButton(text, what));
}

/** @param {string} text @param {string} what */
export function copyButton(text, what) {
  const made = iconButton("copy", `Copy ${what}`, async () => {
    const done = await copyText(text);
    fill(made, icon(done ? "check" : "warning"));
    made.setAttribute("aria-label", done ? "Copied" : "Could not copy");
    setTimeout(() => {
      fill(made, icon("copy"));
      made.setAttribute("aria-label", `Copy ${what}`);
    }, 1500);
  });
  return made;
}

/**
 * The clipboard where the browser gives it (HTTPS and loopback), else a selection and the old command.
 * @param {string} text
 */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "visually-hidden", value: text, "aria-hidden": "true" });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** A list of terms and what they are. @param {string} kind @param {[string, Child][]} pairs */
export function terms(kind, pairs) {
  if (kind === "facts") {
    return h(
      "dl",
      { class: kind },
      pairs.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))),
    );
  }
  return h(
    "dl",
    { class: kind },
    pairs.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]),
  );
}
