// @ts-check
/** Server-sent events (WHATWG HTML, section 9.2) out of text as it arrives. */

/** @typedef {{ id: string | null, event: string, data: string }} Message */

export class EventParser {
  #rest = "";
  /** @type {string | null} */
  #id = null;
  #event = "";
  /** @type {string[]} */
  #data = [];

  /**
   * The messages that are complete with this piece of text.
   * @param {string} piece
   * @returns {Message[]}
   */
  push(piece) {
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.#line(line));
  }

  /**
   * @param {string} line
   * @returns {Message[]}
   */
  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return [];
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    if (name === "event") this.#event = value;
    if (name === "id") this.#id = value;
    return [];
  }

  /** @returns {Message[]} */
  #dispatch() {
    const message = { id: this.#id, event: this.#event || "message", data: this.#data.join("\n") };
    const isEmpty = this.#data.length === 0;
    this.#data = [];
    this.#event = "";
    return isEmpty ? [] : [message];
  }
}
