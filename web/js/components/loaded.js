// @ts-check
/** A place for what has to be asked for: loading, then what came, or why it did not and another try. */

import { fill, h } from "../dom.js";
import { failure, loading } from "./basics.js";

/** @typedef {import("../dom.js").Child} Child */

/** @template T */
export class Loaded {
  #load;
  #show;
  #heading;
  #turn = 0;
  element = h("div");

  /**
   * @param {() => Promise<T>} load
   * @param {(found: T) => Child} show
   * @param {() => Child} [heading] stands there until it is shown
   */
  constructor(load, show, heading = () => null) {
    this.#load = load;
    this.#show = show;
    this.#heading = heading;
    fill(this.element, heading(), loading());
    void this.again();
  }

  /** Asks anew; of several answers under way only the last one asked for is shown. */
  async again() {
    const mine = ++this.#turn;
    try {
      const found = await this.#load();
      if (mine === this.#turn) fill(this.element, this.#show(found));
    } catch (error) {
      if (mine !== this.#turn) return;
      const why = failure(/** @type {Error} */ (error), () => void this.again());
      fill(this.element, this.#heading(), why);
    }
  }

  /** Nothing is shown any more. */
  end() {
    this.#turn += 1;
  }
}
