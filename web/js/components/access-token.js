// @ts-check
/** The token that lets programs into a private deployment: shown when asked for, replaced at will. */

import { fill, h } from "../dom.js";
import { moment } from "../format.js";
import { button, copyable } from "./basics.js";
import { ask } from "./dialog.js";

/**
 * @param {import("../types.js").App} app
 * @param {import("../types.js").Deployment} d
 */
export function accessToken(app, d) {
  const place = h("div");
  const path = `/deployments/${d.id}/access`;
  const attempt = async (/** @type {() => Promise<any>} */ work) => {
    try {
      show((await work()).access);
    } catch (error) {
      app.toasts.fail(error);
    }
  };
  const replace = async () => {
    const body = ["Programs that use the old one are refused from that moment on. This can't be undone."];
    if (await ask({ title: "Replace the access token?", body, confirm: "Replace token" }))
      await attempt(() => app.api.post(path));
  };
  const show = (/** @type {{ token: string, createdAt: string }} */ { token, createdAt }) => {
    fill(
      place,
      h("p", { class: "token" }, copyable(h("span", { class: "mono wrap" }, token), token, "access token")),
      h(
        "p",
        { class: "tools token-tools" },
        h("span", { class: "soft" }, `Since ${moment(createdAt)}`),
        button("Replace", { kind: "small", onclick: () => void replace() }),
      ),
    );
  };
  fill(
    place,
    button("Show", { kind: "small", icon: "eye", onclick: () => void attempt(() => app.api.get(path)) }),
  );
  return h(
    "section",
    { class: "section" },
    h("h2", {}, "Access token"),
    h(
      "p",
      { class: "soft section-text" },
      "It is private: programs send this as Authorization: Bearer. People come in by the links of this page.",
    ),
    place,
  );
}
