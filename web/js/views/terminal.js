// @ts-check
/** A shell in the container. xterm.js draws it; it is loaded here and nowhere else. */

import { button, empty, notice } from "../components/basics.js";
import { fill, h } from "../dom.js";
import { quietDocument } from "../terminal-document.js";

const XTERM = "/ui/vendor/xterm.mjs";
const FIT = "/ui/vendor/addon-fit.mjs";
const STYLE = "/ui/vendor/xterm.css";

/** @type {Record<number, string>} */
const ENDINGS = {
  1000: "The shell has ended.",
  1001: "The appliance was stopped.",
  4408: "Nothing was typed or written for half an hour, so it was closed.",
};

/** @typedef {import("../types.js").Deployment} Deployment */

export class TerminalTab {
  #app;
  #d;
  #screen = h("div", { class: "shell" });
  #state = h("div", { class: "tools", role: "status" });
  /** @type {any} */
  #terminal = null;
  /** @type {any} */
  #fit = null;
  /** @type {WebSocket | null} */
  #socket = null;
  #hasEnded = false;
  /** @type {() => void} */
  #loud = () => {};
  #scheme = matchMedia("(prefers-color-scheme: dark)");
  #recolour = () => this.#terminal && (this.#terminal.options.theme = theme());
  #resize = new ResizeObserver(() => this.#fit?.fit());
  element = h("div");

  /** @param {import("../types.js").App} app @param {Deployment} d */
  constructor(app, d) {
    this.#app = app;
    this.#d = d;
    this.#scheme.addEventListener("change", this.#recolour);
    if (d.status === "running") void this.#open();
    else fill(this.element, empty("Nothing to type into", "A terminal opens in a deployment that runs."));
  }

  end() {
    this.#hasEnded = true;
    this.#scheme.removeEventListener("change", this.#recolour);
    this.#resize.disconnect();
    this.#socket?.close();
    this.#terminal?.dispose();
    this.#loud();
  }

  /** @param {Deployment} d */
  update(d) {
    const starts = d.status === "running" && this.#d.status !== "running";
    this.#d = d;
    if (starts && this.#terminal === null) void this.#open();
  }

  async #open() {
    fill(this.element, this.#state, this.#screen);
    fill(this.#state, h("span", { class: "soft" }, "Opening a shell…"));
    try {
      await this.#draw();
      await this.#connect();
    } catch (error) {
      if (!this.#hasEnded)
        fill(
          this.element,
          notice(
            "bad",
            "The terminal could not be opened",
            h("p", {}, words(error)),
            h(
              "div",
              { class: "notice-actions" },
              button("Try again", { kind: "small", onclick: () => void this.#open() }),
            ),
          ),
        );
    }
  }

  async #draw() {
    if (this.#terminal) return;
    await loadStyle();
    const [{ Terminal }, { FitAddon }] = await Promise.all([import(XTERM), import(FIT)]);
    if (this.#hasEnded) return;
    this.#loud = quietDocument();
    const style = getComputedStyle(document.documentElement);
    this.#terminal = new Terminal({
      fontFamily: style.getPropertyValue("--mono"),
      fontSize: 13,
      theme: theme(),
      cursorBlink: false,
      scrollback: 5000,
    });
    this.#fit = new FitAddon();
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.open(this.#screen);
    this.#terminal.attachCustomKeyEventHandler((/** @type {KeyboardEvent} */ event) => !this.#leaves(event));
    this.#terminal.onData((/** @type {string} */ text) => this.#send(new TextEncoder().encode(text)));
    this.#terminal.onBinary((/** @type {string} */ text) =>
      this.#send(Uint8Array.from(text, (c) => c.charCodeAt(0))),
    );
    this.#terminal.onResize((/** @type {{ cols: number, rows: number }} */ { cols, rows }) =>
      this.#send(JSON.stringify({ resize: [cols, rows] })),
    );
    this.#resize.observe(this.#screen);
  }

  async #connect() {
    const socket = await this.#app.api.terminal(this.#d.id);
    if (this.#hasEnded) return socket.close();
    this.#socket = socket;
    socket.addEventListener("message", (event) => this.#terminal.write(new Uint8Array(event.data)));
    socket.addEventListener("close", (event) => this.#closed(event.code));
    this.#fit.fit();
    this.#send(JSON.stringify({ resize: [this.#terminal.cols, this.#terminal.rows] }));
    this.#terminal.focus();
    fill(this.#state, h("span", { class: "soft" }, "Connected. Shift+Escape leaves the terminal."));
  }

  /** Tab belongs to the shell, so there is another way out. @param {KeyboardEvent} event */
  #leaves(event) {
    if (event.key !== "Escape" || !event.shiftKey) return false;
    this.#terminal.blur();
    const current = document.querySelector(".tabs [aria-current=page]");
    if (current instanceof HTMLElement) current.focus();
    return true;
  }

  /** @param {string | BufferSource} data */
  #send(data) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(data);
  }

  /** @param {number} code */
  #closed(code) {
    this.#socket = null;
    if (this.#hasEnded) return;
    const again = button("New session", {
      kind: "small",
      onclick: () => {
        this.#terminal.reset();
        void this.#open();
      },
    });
    fill(this.#state, h("span", {}, ENDINGS[code] ?? "The connection is lost."), again);
  }
}

/** @param {unknown} error */
function words(error) {
  const isMissing = error instanceof TypeError && /import|module/i.test(error.message);
  return isMissing
    ? "This installation was built without the terminal: install it again with the network at hand."
    : /** @type {Error} */ (error).message;
}

/** The terminal's own style sheet, once. */
async function loadStyle() {
  if (document.querySelector(`link[href="${STYLE}"]`)) return;
  const link = h("link", { rel: "stylesheet", href: STYLE });
  document.head.append(link);
  await new Promise((resolve) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", resolve);
  });
}

/** The page's colours, from its tokens. */
function theme() {
  const style = getComputedStyle(document.documentElement);
  const of = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  return {
    background: of("--sunken"),
    foreground: of("--ink"),
    cursor: of("--accent"),
    cursorAccent: of("--sunken"),
    selectionBackground: of("--accent"),
    selectionForeground: of("--accent-ink"),
    black: of("--ink"),
    brightBlack: of("--ink-faint"),
    red: of("--bad"),
    brightRed: of("--bad-strong"),
    green: of("--good"),
    brightGreen: of("--good"),
    yellow: of("--busy"),
    brightYellow: of("--busy"),
    blue: of("--accent"),
    brightBlue: of("--accent-strong"),
    magenta: of("--violet"),
    brightMagenta: of("--violet"),
    cyan: of("--teal"),
    brightCyan: of("--teal"),
    white: of("--ink-soft"),
    brightWhite: of("--ink"),
  };
}
