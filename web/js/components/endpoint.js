// @ts-check
/** Where a deployment answers. */

/** @typedef {import("../types.js").Endpoint} Endpoint */

/** Whether a browser can open it. @param {Endpoint} endpoint */
export function isLink(endpoint) {
  return /^https?:\/\//.test(endpoint.url);
}

/** The address without what is said anyway. @param {Endpoint} endpoint */
export function endpointText(endpoint) {
  return endpoint.url.replace(/^(https?|tcp):\/\//, "").replace(/\/$/, "");
}
