// @ts-check
/** What the owners of the machine decide; each part at its own address. */

import { empty, head } from "../components/basics.js";
import { tabs } from "../components/tabs.js";
import { fill, h } from "../dom.js";

/** @typedef {{ element: HTMLElement, end: () => void }} Part */
/** @typedef {{ name: string, label: string, load: (app: import("../types.js").App) => Promise<Part> }} PartKind */

/** @type {PartKind[]} */
const PARTS = [
  { name: "users", label: "Users", load: async (app) => new (await import("./users.js")).Users(app) },
  {
    name: "registries",
    label: "Registries",
    load: async (app) => new (await import("./registries.js")).Registries(app),
  },
  { name: "audit", label: "Audit log", load: async (app) => new (await import("./audit.js")).Audit(app) },
  { name: "upkeep", label: "Upkeep", load: async (app) => new (await import("./upkeep.js")).Upkeep(app) },
];

/** @type {import("../types.js").View} */
export const view = {
  title: "Settings",
  mount(root, { app, params }) {
    if (!app.session.isAdmin) {
      fill(
        root,
        head("Settings"),
        empty("For admins only", "Your account may not change this machine's settings."),
      );
      return () => {};
    }
    const kind = PARTS.find(({ name }) => name === params.part) ?? PARTS[0];
    const place = h("div", { class: "tab-body" });
    fill(root, head("Settings"), tabs("Settings", "/ui/settings", PARTS, kind.name), place);
    let hasEnded = false;
    /** @type {Part | null} */
    let part = null;
    void kind.load(app).then((made) => {
      if (hasEnded) return made.end();
      part = made;
      fill(place, made.element);
    });
    return () => {
      hasEnded = true;
      part?.end();
    };
  },
};
