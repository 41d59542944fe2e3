// @ts-check
/** One deployment: what it is, what it does, what it did; its tab is in the address. */

import { ApiError } from "../api.js";
import {
  button,
  copyable,
  crumb,
  empty,
  failure,
  linkButton,
  loading,
  notice,
  statusBadge,
  terms,
} from "../components/basics.js";
import { isOffered, pullText } from "../components/deployment-row.js";
import { endpointLink } from "../components/endpoint.js";
import { ORDERS, carryOut } from "../components/orders.js";
import { tabs } from "../components/tabs.js";
import { fill, h, setProp, setText } from "../dom.js";
import { ago, costNow, mebibytes, money, rate, shortImage, span } from "../format.js";
import { ADVICE, LEAK_ADVICE } from "../words.js";

const TICK_MS = 1000;

/** @typedef {import("../types.js").Deployment} Deployment */
/** @typedef {{ element: HTMLElement, update: (d: Deployment) => void, end: () => void }} Tab */
/** @typedef {{ name: string, label: string, load: (app: import("../types.js").App, d: Deployment) => Promise<Tab> }} TabKind */

/** @type {TabKind[]} */
const TABS = [
  { name: "logs", label: "Logs", load: async (app, d) => new (await import("./logs.js")).Logs(app, d) },
  {
    name: "metrics",
    label: "Metrics",
    load: async (app, d) => new (await import("./metrics.js")).Metrics(app, d),
  },
  {
    name: "events",
    label: "Events",
    load: async (app, d) => new (await import("./history.js")).History(app, d),
  },
  {
    name: "configuration",
    label: "Configuration",
    load: async (app, d) => (await import("./configuration.js")).configuration(app, d),
  },
  {
    name: "terminal",
    label: "Terminal",
    load: async (app, d) => new (await import("./terminal.js")).TerminalTab(app, d),
  },
];

/** @type {import("../types.js").View} */
export const view = {
  title: "Deployment",
  mount(root, place) {
    const page = new Page(root, place);
    return () => page.end();
  },
};

class Page {
  #root;
  #app;
  #id;
  #tabName;
  /** @type {Deployment | null} */
  #d = null;
  #readAt = 0;
  /** @type {Tab | null} */
  #tab = null;
  #header = h("header", { class: "head" });
  #notice = h("div");
  #facts = h("div");
  #uptime = h("span");
  #cost = h("span");
  #tabPlace = h("div", { class: "tab-body" });
  #drawn = "";
  #hasEnded = false;
  #unsubscribe;
  #ticker;

  /** @param {HTMLElement} root @param {import("../types.js").Place} place */
  constructor(root, { app, params }) {
    this.#root = root;
    this.#app = app;
    this.#id = params.id;
    this.#tabName = params.tab ?? TABS[0].name;
    fill(root, loading());
    this.#unsubscribe = app.live.subscribe(
      (change) => this.#changed(change),
      () => void this.#load(),
    );
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    void this.#load();
  }

  end() {
    this.#hasEnded = true;
    this.#unsubscribe();
    clearInterval(this.#ticker);
    this.#tab?.end();
  }

  async #load() {
    try {
      const answer = await this.#app.api.get(`/deployments/${encodeURIComponent(this.#id)}`);
      if (!this.#hasEnded) await this.#show(answer.deployment);
    } catch (error) {
      if (!this.#hasEnded) this.#fail(/** @type {Error} */ (error));
    }
  }

  /** @param {Error} error */
  #fail(error) {
    if (error instanceof ApiError && error.status === 404) return this.#gone();
    if (this.#d === null)
      fill(
        this.#root,
        failure(error, () => void this.#load()),
      );
  }

  #gone() {
    this.#tab?.end();
    this.#tab = null;
    fill(
      this.#root,
      empty(
        "This deployment is gone",
        "It was deleted, or it never was.",
        linkButton("To the deployments", "/ui/"),
      ),
    );
  }

  /** @param {import("../types.js").Change} change */
  #changed(change) {
    if (change.deploymentId !== this.#id) return;
    if (change.deployment === null) this.#gone();
    else void this.#show(change.deployment);
  }

  /** @param {Deployment} d */
  async #show(d) {
    const isFirst = this.#d === null;
    this.#d = d;
    this.#readAt = Date.now();
    if (isFirst) this.#frame(d);
    this.#draw(d);
    this.#tab?.update(d);
    if (isFirst) await this.#openTab(d);
  }

  /** @param {Deployment} d */
  #frame(d) {
    fill(
      this.#root,
      crumb("Deployments", "/ui/"),
      this.#header,
      this.#notice,
      this.#facts,
      tabs("Of this deployment", `/ui/deployments/${d.id}`, TABS, this.#tabName),
      this.#tabPlace,
    );
  }

  /** @param {Deployment} d */
  async #openTab(d) {
    const kind = TABS.find(({ name }) => name === this.#tabName) ?? TABS[0];
    const tab = await kind.load(this.#app, d);
    if (this.#hasEnded) return tab.end();
    this.#tab = tab;
    fill(this.#tabPlace, tab.element);
    if (this.#d) tab.update(this.#d);
  }

  /** @param {Deployment} d */
  #draw(d) {
    document.title = `${d.name} · Neuranet`;
    const now = JSON.stringify([
      d.name,
      d.status,
      d.endpoints,
      d.actions,
      d.statusReason,
      d.health,
      d.restartCount,
      d.pull,
      d.update,
      d.image,
      d.hourlyRateCents,
      d.leakedVramMb,
    ]);
    if (now !== this.#drawn) {
      this.#drawn = now;
      this.#drawHeader(d);
      fill(this.#notice, reason(d), leak(d));
      fill(this.#facts, this.#factsOf(d));
    }
    this.#tick();
  }

  /** Keeps the buttons that stay: one that has the focus must not lose it. @param {Deployment} d */
  #drawHeader(d) {
    if (this.#header.childElementCount === 0) {
      const buttons = ORDERS.map(({ verb, word, icon: name }) => {
        const made = button(word, { icon: name, onclick: () => void this.#order(verb) });
        made.dataset.verb = verb;
        return made;
      });
      fill(
        this.#header,
        h(
          "div",
          { class: "head-text" },
          h("h1", { tabindex: "-1" }, d.name),
          h("p", { class: "head-status" }),
        ),
        h(
          "div",
          { class: "head-actions" },
          linkButton("Change", `/ui/deployments/${d.id}/change`, { icon: "edit" }),
          buttons,
        ),
      );
      if (document.activeElement === document.body)
        this.#header.querySelector("h1")?.focus({ preventScroll: true });
    }
    const [name, status] = /** @type {Element[]} */ ([...this.#header.querySelectorAll("h1, .head-status")]);
    setText(name, d.name);
    fill(
      status,
      statusBadge(d.status),
      d.status === "running" && d.health !== "unknown" && h("span", { class: "soft" }, d.health),
      d.restartCount > 0 && h("span", { class: "soft" }, `restarted ${d.restartCount} ×`),
    );
    for (const made of this.#header.querySelectorAll("[data-verb]")) {
      setProp(made, "hidden", !isOffered(d, made.getAttribute("data-verb") ?? ""));
    }
  }

  /** @param {string} verb */
  async #order(verb) {
    if (!this.#d) return;
    const result = await carryOut(this.#app, this.#d, verb);
    if (result === "deleted") this.#app.router.go("/ui/");
    else if (result && !this.#hasEnded) await this.#show(result);
  }

  /** @param {Deployment} d */
  #factsOf(d) {
    const facts = terms("facts", [
      [d.endpoints.length > 1 ? "Addresses" : "Address", addresses(this.#app, d)],
      ["Cost so far", [this.#cost, h("span", { class: "second" }, rate(d.hourlyRateCents))]],
      [d.status === "running" ? "Running for" : "Last run", this.#uptime],
      ["Image", h("span", { class: "mono" }, shortImage(d.image))],
    ]);
    facts.classList.add("addressed");
    return facts;
  }

  #tick() {
    const d = this.#d;
    if (!d) return;
    const now = Date.now();
    setText(this.#cost, money(costNow(d, this.#readAt, now)));
    setText(this.#uptime, runText(d, now));
    if (d.status === "pulling") void this.#load();
  }
}

/** @param {Deployment} d @param {number} now */
function runText(d, now) {
  if (d.status === "running" && d.startedAt) return span((now - Date.parse(d.startedAt)) / 1000);
  return d.stoppedAt ? `ended ${ago(d.stoppedAt, now)}` : "not yet";
}

/** @param {import("../types.js").App} app @param {Deployment} d */
function addresses(app, d) {
  if (d.endpoints.length === 0)
    return h("span", { class: "soft" }, d.status === "running" ? "None: it opens no port" : "When it runs");
  return h(
    "ul",
    {},
    d.endpoints.map((endpoint) =>
      h("li", {}, copyable(endpointLink(app, d, endpoint, "wrap"), endpoint.url, "address")),
    ),
  );
}

/** @type {Partial<Record<string, "bad" | "" >>} */
const TONES = { failed: "bad", stopped: "", sleeping: "" };

/** Why it is as it is, in words, and what to do about it. @param {Deployment} d */
function reason(d) {
  if (d.status === "pulling" && d.pull) return pulling(d.pull);
  if (d.update) return changing(d.update);
  if (!d.statusReason || (d.status === "running" && d.statusReason.code !== "update_failed")) return null;
  const tone = d.statusReason.code === "update_failed" ? "bad" : (TONES[d.status] ?? "busy");
  const advice = ADVICE[d.statusReason.code];
  return notice(tone, d.statusReason.message, advice && h("p", {}, advice));
}

/** @param {Deployment} d */
function leak({ leakedVramMb }) {
  if (leakedVramMb === 0) return null;
  const title = `${mebibytes(leakedVramMb)} of GPU memory that it held did not come back`;
  return notice("bad", title, h("p", {}, LEAK_ADVICE));
}

/** @param {{ servingImage: string, interrupted: boolean }} update */
function changing({ servingImage, interrupted }) {
  const how = interrupted
    ? "The old container is stopped for it, and comes back if it fails."
    : `Meanwhile ${shortImage(servingImage)} goes on serving.`;
  return notice("busy", "A change is being tried", h("p", {}, how));
}

/** @param {import("../types.js").Pull} pull */
function pulling(pull) {
  const progress = h("progress", { class: "progress", "aria-label": "Download of the image" });
  if (pull.bytesTotal) {
    progress.max = pull.bytesTotal;
    progress.value = pull.bytesDone ?? 0;
  } else if (pull.layersTotal > 0) {
    progress.max = pull.layersTotal;
    progress.value = pull.layersDone;
  }
  return notice("busy", `Pulling the image: ${pullText(pull)}`, progress);
}
