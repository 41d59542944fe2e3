// @ts-check
/** One stream of every change, shared by all views: it says when it is lost, and catches up. */

import { ApiError } from "./api.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** @typedef {"off" | "connecting" | "open" | "lost"} LiveState */

export class Live {
  #api;
  /** @type {AbortController | null} */
  #running = null;
  /** @type {string | null} */
  #lastId = null;
  /** @type {Set<(change: import("./types.js").Change) => void>} */
  #changes = new Set();
  /** @type {Set<() => void>} */
  #opens = new Set();
  /** @type {Set<() => void>} */
  #states = new Set();
  /** @type {() => void} */
  #wake = () => {};
  /** @type {LiveState} */
  state = "off";
  retryAt = 0;

  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.#api = api;
    addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.retryNow();
    });
  }

  start() {
    if (this.#running) return;
    this.#running = new AbortController();
    void this.#run(this.#running.signal);
  }

  stop() {
    this.#running?.abort();
    this.#running = null;
    this.#lastId = null;
    this.#become("off");
  }

  retryNow() {
    this.#wake();
  }

  /**
   * Every change, and after each break what was missed.
   * @param {(change: import("./types.js").Change) => void} listener
   * @param {() => void} [onOpen] called each time the stream (re)opens: look again at the whole
   * @returns {() => void} ends it
   */
  subscribe(listener, onOpen = () => {}) {
    this.#changes.add(listener);
    this.#opens.add(onOpen);
    return () => {
      this.#changes.delete(listener);
      this.#opens.delete(onOpen);
    };
  }

  /** @param {() => void} listener */
  onState(listener) {
    this.#states.add(listener);
  }

  /** @param {AbortSignal} signal */
  async #run(signal) {
    let waitMs = FIRST_WAIT_MS;
    this.#become("connecting");
    while (!signal.aborted) {
      try {
        await this.#listen(signal, () => (waitMs = FIRST_WAIT_MS));
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError && error.status === 422) this.#lastId = null;
      }
      if (signal.aborted) return;
      await this.#pause(waitMs);
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    }
  }

  /**
   * @param {AbortSignal} signal
   * @param {() => void} opened
   */
  async #listen(signal, opened) {
    const onOpen = () => {
      opened();
      this.#become("open");
      this.#opens.forEach((listener) => listener());
    };
    for await (const messages of this.#api.stream("/events", { lastId: this.#lastId, signal, onOpen })) {
      for (const message of messages) {
        this.#lastId = message.id ?? this.#lastId;
        const change = JSON.parse(message.data);
        this.#changes.forEach((listener) => listener(change));
      }
    }
  }

  /** @param {number} ms */
  async #pause(ms) {
    this.retryAt = Date.now() + ms;
    // A break that heals at the first try (a network that changes) is nobody's concern.
    this.#become(ms > FIRST_WAIT_MS ? "lost" : "connecting");
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
    this.#wake = () => {};
  }

  /** @param {LiveState} state */
  #become(state) {
    this.state = state;
    this.#states.forEach((listener) => listener());
  }
}
