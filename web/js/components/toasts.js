// @ts-check
/** Short messages at the edge: what was done goes by itself, what failed stays until it is read. */

import { h } from "../dom.js";
import { icon } from "../icons.js";
import { iconButton } from "./basics.js";

const SHOWN_MS = 4000;

export class Toasts {
  element = h("div", { class: "toasts", role: "status", "aria-live": "polite" });

  /** @param {string} text */
  say(text) {
    const toast = this.#show("", "check", text);
    setTimeout(() => toast.remove(), SHOWN_MS);
  }

  /** @param {unknown} error */
  fail(error) {
    const text = error instanceof Error ? error.message : String(error);
    const id = /** @type {any} */ (error)?.errorId;
    const isDefect = /** @type {any} */ (error)?.status === 500;
    this.#show("bad", "warning", isDefect && id ? `${text} (${id})` : text);
  }

  /**
   * @param {string} tone
   * @param {import("../icons.js").IconName} sign
   * @param {string} text
   */
  #show(tone, sign, text) {
    const toast = h("div", { class: `toast ${tone}` }, icon(sign), h("span", {}, text));
    toast.append(iconButton("close", "Dismiss", () => toast.remove()));
    this.element.append(toast);
    return toast;
  }
}
