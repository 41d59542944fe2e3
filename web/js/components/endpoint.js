// @ts-check
/** Where a deployment answers, and how one gets in. */

import { h } from "../dom.js";
import { icon } from "../icons.js";

/** @typedef {import("../types.js").Endpoint} Endpoint */
/** @typedef {import("../types.js").Deployment} Deployment */

/** Whether a browser can open it. @param {Endpoint} endpoint */
function isLink(endpoint) {
  return /^https?:\/\//.test(endpoint.url);
}

/** The address without what is said anyway. @param {Endpoint} endpoint */
function endpointText(endpoint) {
  return endpoint.url.replace(/^(https?|tcp):\/\//, "").replace(/\/$/, "");
}

/**
 * A link that opens it in another tab; a private one's is signed in by a ticket, good once.
 * @param {import("../types.js").App} app
 * @param {Deployment} d
 * @param {Endpoint} endpoint
 * @param {string} kind its class
 */
export function endpointLink(app, d, endpoint, kind) {
  const text = endpointText(endpoint);
  if (!isLink(endpoint)) return h("span", { class: `mono ${kind}` }, endpoint.url);
  const isPrivate = d.access === "private" && endpoint.type === "https";
  const enter = (/** @type {MouseEvent} */ event) => {
    event.preventDefault();
    void open(app, d, endpoint);
  };
  return h(
    "a",
    {
      class: kind,
      href: endpoint.url,
      target: "_blank",
      rel: "noopener noreferrer",
      onclick: isPrivate ? enter : null,
    },
    text,
    " ",
    icon("out"),
  );
}

/**
 * The tab is opened at once, as only a click may, and led on when the ticket is there.
 * @param {import("../types.js").App} app
 * @param {Deployment} d
 * @param {Endpoint} endpoint
 */
async function open(app, d, endpoint) {
  const tab = window.open("about:blank", "_blank");
  try {
    const query = d.endpoints[0] === endpoint ? {} : { port: endpoint.internalPort };
    const { url } = await app.api.post(`/deployments/${d.id}/ticket`, undefined, { query });
    if (tab) {
      tab.opener = null;
      tab.location.replace(url);
    }
  } catch (error) {
    tab?.close();
    app.toasts.fail(error);
  }
}
