// @ts-check
/** What every view works with; made once, in main.js. */

/**
 * @typedef {object} App
 * @property {import("./api.js").Api} api
 * @property {import("./session.js").Session} session
 * @property {import("./live.js").Live} live
 * @property {import("./router.js").Router} router
 * @property {import("./components/toasts.js").Toasts} toasts
 * @property {() => Promise<import("./types.js").MachineNode>} node this machine, as last read
 */

export {};
