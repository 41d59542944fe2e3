// @ts-check
/** Where the page is put together: session, API, stream, router, frame. */

import { Api } from "./api.js";
import { button, loading, notice } from "./components/basics.js";
import { Toasts } from "./components/toasts.js";
import { fill, h } from "./dom.js";
import { Frame } from "./frame.js";
import { Live } from "./live.js";
import { Router } from "./router.js";
import { Session } from "./session.js";

/** @typedef {import("./router.js").Route} Route */

const AGAIN_MS = 400;

/** @type {Route[]} */
const ROUTES = [
  { pattern: "/ui", load: () => import("./views/deployments.js").then((m) => m.view) },
  { pattern: "/ui/new", load: () => import("./views/gallery.js").then((m) => m.view) },
  { pattern: "/ui/new/:source", load: () => import("./views/create.js").then((m) => m.view) },
  { pattern: "/ui/deployments/:id", load: () => import("./views/deployment.js").then((m) => m.view) },
  { pattern: "/ui/deployments/:id/change", load: () => import("./views/change.js").then((m) => m.view) },
  { pattern: "/ui/deployments/:id/:tab", load: () => import("./views/deployment.js").then((m) => m.view) },
  { pattern: "/ui/machine", load: () => import("./views/machine.js").then((m) => m.view) },
  { pattern: "/ui/usage", load: () => import("./views/usage.js").then((m) => m.view) },
  { pattern: "/ui/account", load: () => import("./views/account.js").then((m) => m.view) },
  { pattern: "/ui/settings", load: () => import("./views/settings.js").then((m) => m.view) },
  { pattern: "/ui/settings/:part", load: () => import("./views/settings.js").then((m) => m.view) },
  { pattern: "/ui/setup", load: () => import("./views/setup.js").then((m) => m.view), open: true },
  { pattern: "/ui/login", load: () => import("./views/login.js").then((m) => m.view), open: true },
];

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
const session = new Session();
const api = new Api(session, () => session.end());
const live = new Live(api);
const toasts = new Toasts();
const router = new Router(ROUTES, (route, params) => void show(route, params));
/** @type {import("./app.js").App} */
const app = { api, session, live, router, toasts, node: async () => (await api.get("/nodes")).nodes[0] };
const frame = new Frame(app);

/** @type {() => void} */
let unmount = () => {};
let turn = 0;

/**
 * @param {Route | null} route
 * @param {Record<string, string>} params
 */
async function show(route, params) {
  const mine = ++turn;
  if (!route?.open && !session.token) return leaveForLogin();
  const body = route?.open ? root : frame.body(root);
  const shown = fill(h("div", {}), loading());
  unmount();
  unmount = () => {};
  fill(body, shown);
  try {
    const load = route?.load ?? (() => import("./views/missing.js").then((m) => m.view));
    const view = await load().catch(() => later(load));
    if (mine !== turn) return;
    open(view, fill(shown), params);
  } catch (error) {
    if (mine === turn)
      fill(shown, notice("bad", "This page could not be loaded", h("p", {}, String(error)), again()));
  }
}

/**
 * @param {import("./types.js").View} view
 * @param {HTMLElement} place
 * @param {Record<string, string>} params
 */
function open(view, place, params) {
  document.title = `${view.title} · Neuranet`;
  unmount = view.mount(place, { app, params, query: new URLSearchParams(location.search) });
  const heading = place.querySelector("h1");
  if (heading && document.activeElement === document.body) heading.focus({ preventScroll: true });
}

/** Whether a place needs no session. @param {string} path */
function isOpen(path) {
  return ROUTES.some((route) => route.open && route.pattern === path);
}

/** What a network that changes broke off is there a moment later. @template T @param {() => Promise<T>} work */
async function later(work) {
  await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  return work();
}

function again() {
  return h(
    "div",
    { class: "notice-actions" },
    button("Try again", { kind: "small", onclick: () => location.reload() }),
  );
}

/** To log in, and back to the same place. */
function leaveForLogin() {
  const here = location.pathname + location.search;
  const next = here === "/ui/" || here === "/ui" ? "" : `?next=${encodeURIComponent(here)}`;
  router.go(`/ui/login${next}`, { replace: true });
}

session.onChange(() => {
  live.stop();
  if (session.token) live.start();
  else if (!isOpen(location.pathname)) leaveForLogin();
});

document.body.append(toasts.element);
if (session.token) live.start();
router.refresh();
