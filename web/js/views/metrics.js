// @ts-check
/** What a deployment uses: read while one looks, drawn over time. */

import { ApiError } from "../api.js";
import { Chart } from "../components/chart.js";
import { empty } from "../components/basics.js";
import { fill, h } from "../dom.js";
import { bytes } from "../format.js";
import { peakOfBytes, peakOfShares } from "../scale.js";

const EVERY_MS = 2000;
const KEPT = 1800;

/** @typedef {import("../types.js").Deployment} Deployment */
/** @typedef {{ at: number, cpuPercent: number | null, memoryMb: number, memoryLimitMb: number | null, networkRxBytes: number | null, networkTxBytes: number | null }} Sample */

export class Metrics {
  #app;
  #d;
  /** @type {Sample[]} */
  #samples = [];
  #charts = [
    new Chart("CPU", { format: percent, peak: peakOfShares, names: ["used"] }),
    new Chart("Memory", { format: bytes, peak: peakOfBytes, names: ["used", "limit"] }),
    new Chart("Network", { format: (n) => `${bytes(n)}/s`, peak: peakOfBytes, names: ["received", "sent"] }),
  ];
  #grid = h("div", { class: "charts" }, this.#charts.map((chart) => chart.element));
  #ticker;
  element = h("div", {}, this.#grid);

  /** @param {import("../types.js").App} app @param {Deployment} d */
  constructor(app, d) {
    this.#app = app;
    this.#d = d;
    this.#ticker = setInterval(() => void this.#read(), EVERY_MS);
    void this.#read();
    this.update(d);
  }

  end() {
    clearInterval(this.#ticker);
    this.#charts.forEach((chart) => chart.end());
  }

  /** @param {Deployment} d */
  update(d) {
    const wasRunning = this.#d.status === "running";
    this.#d = d;
    const isRunning = d.status === "running";
    if (!isRunning && this.#samples.length === 0) {
      fill(this.element, empty("Nothing to measure", "Figures are read while it runs and this page is open."));
    } else if (!wasRunning || !this.#grid.isConnected) fill(this.element, this.#grid);
  }

  async #read() {
    if (this.#d.status !== "running" || document.hidden) return;
    try {
      const { stats } = await this.#app.api.get(`/deployments/${this.#d.id}/stats`);
      this.#samples.push({ at: Date.now(), ...stats });
      if (this.#samples.length > KEPT) this.#samples.shift();
      this.#draw();
    } catch (error) {
      if (!(error instanceof ApiError)) return;
    }
  }

  #draw() {
    const samples = this.#samples;
    const mib = (/** @type {number | null} */ n) => (n === null ? null : n * 1024 * 1024);
    const [cpu, memory, network] = this.#charts;
    cpu.show([samples.map((s) => ({ at: s.at, value: s.cpuPercent }))]);
    memory.show([samples.map((s) => ({ at: s.at, value: mib(s.memoryMb) })), samples.map((s) => ({ at: s.at, value: mib(s.memoryLimitMb) }))]);
    network.show([rates(samples, "networkRxBytes"), rates(samples, "networkTxBytes")]);
  }
}

/** Of one core. @param {number} n */
function percent(n) {
  return `${n.toFixed(n < 10 ? 1 : 0)} %`;
}

/** @param {Sample[]} samples @param {"networkRxBytes" | "networkTxBytes"} key */
function rates(samples, key) {
  return samples.slice(1).map((s, i) => {
    const before = samples[i];
    const [from, to] = [before[key], s[key]];
    const isKnown = from !== null && to !== null && to >= from;
    return { at: s.at, value: isKnown ? ((to - from) * 1000) / (s.at - before.at) : null };
  });
}
