// @ts-check
/** The lines of a log and those of them that are shown. Pure: no DOM, no network. */

export const MAX_LINES = 100_000;

/** @typedef {{ timestamp: string, stream: "stdout" | "stderr" | "gap", message: string }} Line */

export class LogStore {
  /** @type {Line[]} */
  #lines = [];
  /** @type {Line[]} */
  #shown = [];
  #text = "";
  #stream = "";
  /** How many lines had to go to make room. */
  dropped = 0;

  /** The lines that match, oldest first. @returns {readonly Line[]} */
  get shown() {
    return this.#isFiltered() ? this.#shown : this.#lines;
  }

  get total() {
    return this.#lines.length;
  }

  /** @returns {readonly Line[]} */
  get all() {
    return this.#lines;
  }

  /**
   * Adds lines at the end; the oldest go where there are too many.
   * @param {Line[]} lines
   * @returns {number} how many shown lines went from the start
   */
  push(lines) {
    for (const line of lines) this.#lines.push(line);
    if (this.#isFiltered()) for (const line of lines) if (this.#matches(line)) this.#shown.push(line);
    return this.#trim();
  }

  /** @param {{ text: string, stream: string }} filter `text` in any case; `stream` "" is both */
  filter({ text, stream }) {
    this.#text = text.toLowerCase();
    this.#stream = stream;
    this.#shown = this.#isFiltered() ? this.#lines.filter((line) => this.#matches(line)) : [];
  }

  /** A tenth at a time, so that a full store does not copy itself at every line. */
  #trim() {
    if (this.#lines.length <= MAX_LINES) return 0;
    const count = this.#lines.length - MAX_LINES + MAX_LINES / 10;
    const gone = new Set(this.#lines.splice(0, count));
    this.dropped += count;
    if (!this.#isFiltered()) return count;
    const before = this.#shown.length;
    this.#shown = this.#shown.filter((line) => !gone.has(line));
    return before - this.#shown.length;
  }

  #isFiltered() {
    return this.#text !== "" || this.#stream !== "";
  }

  /** @param {Line} line */
  #matches(line) {
    if (this.#stream !== "" && line.stream !== this.#stream) return false;
    return this.#text === "" || line.message.toLowerCase().includes(this.#text);
  }
}

/**
 * A message cut where `text` stands in it: plain, found, plain, found, …
 * @param {string} message
 * @param {string} text
 * @returns {string[]}
 */
export function cuts(message, text) {
  if (text === "") return [message];
  const parts = [];
  const lower = message.toLowerCase();
  const wanted = text.toLowerCase();
  let from = 0;
  // Lower case may be longer than the text itself (İ): then places differ, and nothing is marked.
  if (lower.length !== message.length) return [message];
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
    parts.push(message.slice(from, at), message.slice(at, at + wanted.length));
    from = at + wanted.length;
  }
  parts.push(message.slice(from));
  return parts;
}

// The escape sequences of terminals (ECMA-48): colours and cursor moves, which mean nothing here.
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-_])/g;

/** A message as it is read: without a terminal's escape sequences. @param {string} message */
export function plain(message) {
  return message.includes("\u001b") ? message.replace(ESCAPES, "") : message;
}
