// @ts-check
/** What a deployment used over the last hour, and goes on using while one looks. */

import { empty, failure, loading } from "../components/basics.js";
import { Chart } from "../components/chart.js";
import { fill, h } from "../dom.js";
import { bytes } from "../format.js";
import { peak, peakOfBytes, peakOfShares } from "../scale.js";

const HOUR_MS = 3_600_000;
const MIB = 1024 * 1024;

/** @typedef {import("../types.js").Deployment} Deployment */
/** @typedef {{ at: string, cpuPercent: number | null, memoryMb: number, networkRxBytesPerS: number | null, networkTxBytesPerS: number | null, requestsPerS: number | null, failuresPerS: number | null }} Sample */

export class Metrics {
  #app;
  #d;
  /** @type {Sample[]} */
  #samples = [];
  #cpu = new Chart("CPU", { format: percent, peak: peakOfShares, names: ["used"] });
  #memory = new Chart("Memory", { format: bytes, peak: peakOfBytes, names: ["used", "limit"] });
  #network = new Chart("Network", {
    format: (n) => `${bytes(n)}/s`,
    peak: peakOfBytes,
    names: ["received", "sent"],
  });
  #requests = new Chart("Requests", { format: perSecond, peak, names: ["all", "failed"] });
  #charts = [this.#cpu, this.#memory, this.#network, this.#requests];
  #grid = h(
    "div",
    { class: "charts" },
    this.#charts.map((chart) => chart.element),
  );
  #hasEnded = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #next;
  element = h("div", {}, loading());

  /** @param {import("../types.js").App} app @param {Deployment} d */
  constructor(app, d) {
    this.#app = app;
    this.#d = d;
    void this.#read();
  }

  end() {
    this.#hasEnded = true;
    clearTimeout(this.#next);
    for (const chart of this.#charts) chart.end();
  }

  /** @param {Deployment} d */
  update(d) {
    const hasMoved = d.status !== this.#d.status;
    this.#d = d;
    if (hasMoved) void this.#read();
  }

  async #read() {
    clearTimeout(this.#next);
    let waitMs = 15_000;
    try {
      const since = this.#samples.at(-1)?.at;
      const { intervalS, samples } = await this.#app.api.get(`/deployments/${this.#d.id}/stats/history`, {
        query: { since },
      });
      if (this.#hasEnded) return;
      waitMs = intervalS * 1000;
      this.#take(samples);
    } catch (error) {
      if (this.#hasEnded) return;
      if (this.#samples.length === 0)
        fill(
          this.element,
          failure(/** @type {Error} */ (error), () => void this.#read()),
        );
    }
    this.#next = setTimeout(() => void this.#read(), waitMs);
  }

  /** `since` is inclusive: the last one known comes again. @param {Sample[]} samples */
  #take(samples) {
    const last = this.#samples.at(-1)?.at ?? "";
    const oldest = Date.now() - HOUR_MS;
    this.#samples = [...this.#samples, ...samples.filter((s) => s.at > last)].filter(
      (s) => Date.parse(s.at) > oldest,
    );
    if (this.#samples.length === 0) return this.#showNothing();
    if (!this.#grid.isConnected) fill(this.element, this.#grid);
    this.#draw();
  }

  #showNothing() {
    const isRunning = this.#d.status === "running";
    fill(
      this.element,
      isRunning
        ? empty("The first figures are on their way", "They are read every 15 seconds while it runs.")
        : empty("Nothing was measured", "Figures are there for the last hour in which it ran."),
    );
  }

  #draw() {
    const limitMb = this.#d.resources.memoryMb;
    this.#cpu.show([this.#line((s) => s.cpuPercent)]);
    this.#memory.show([
      this.#line((s) => s.memoryMb * MIB),
      ...(limitMb === null ? [] : [this.#line(() => limitMb * MIB)]),
    ]);
    this.#network.show([this.#line((s) => s.networkRxBytesPerS), this.#line((s) => s.networkTxBytesPerS)]);
    this.#requests.show([this.#line((s) => s.requestsPerS), this.#line((s) => s.failuresPerS)]);
  }

  /** @param {(sample: Sample) => number | null} read */
  #line(read) {
    return this.#samples.map((s) => ({ at: Date.parse(s.at), value: read(s) }));
  }
}

/** 100 % is one core. @param {number} n */
function percent(n) {
  return `${n.toFixed(n < 10 ? 1 : 0)} %`;
}

/** @param {number} n */
function perSecond(n) {
  return `${n.toFixed(n > 0 && n < 10 ? 2 : 0)}/s`;
}
