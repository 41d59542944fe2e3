// @ts-check
/** Start, stop, restart, delete: the same words and the same questions wherever they stand. */

import { ask } from "./dialog.js";

/** @typedef {import("../types.js").Deployment} Deployment */
/** @typedef {import("../types.js").App} App */

/** @type {{ verb: string, word: string, icon: import("../icons.js").IconName }[]} */
export const ORDERS = [
  { verb: "start", word: "Start", icon: "play" },
  { verb: "stop", word: "Stop", icon: "stop" },
  { verb: "restart", word: "Restart", icon: "restart" },
  { verb: "delete", word: "Delete", icon: "trash" },
];

/**
 * Carries out an order after asking what has to be asked; failures are told.
 * @param {App} app
 * @param {Deployment} d
 * @param {string} verb
 * @returns {Promise<Deployment | "deleted" | null>} null: nothing was ordered
 */
export async function carryOut(app, d, verb) {
  try {
    if (verb === "delete") return (await remove(app, d)) ? "deleted" : null;
    const answer = await app.api.post(`/deployments/${d.id}/${verb}`);
    return answer.deployment;
  } catch (error) {
    app.toasts.fail(error);
    return null;
  }
}

/** @param {App} app @param {Deployment} d */
async function remove(app, d) {
  const sure = await ask({ title: `Delete ${d.name}?`, body: losses(d), confirm: "Delete deployment" });
  if (!sure) return false;
  await app.api.delete(`/deployments/${d.id}`);
  app.toasts.say(`${d.name} is deleted`);
  return true;
}

/** What goes with it, named. @param {Deployment} d */
function losses(d) {
  const container = "Its container, logs and address go with it.";
  if (d.volumes.length === 0) return [container, "It has no volumes. This can't be undone."];
  const names = d.volumes.map((v) => v.name).join(", ");
  const volumes =
    d.volumes.length === 1 ? `Its volume ${names}` : `Its ${d.volumes.length} volumes (${names})`;
  return [container, `${volumes} and all data in it will be lost. This can't be undone.`];
}
