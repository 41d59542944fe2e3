// @ts-check
/** A copy of everything the appliance knows: taken away, and brought back. */

import { button, notice, sectionHead } from "../components/basics.js";
import { ask } from "../components/dialog.js";
import { save } from "../components/save.js";
import { fill, h } from "../dom.js";
import { bytes, plural } from "../format.js";

const TYPE = "application/octet-stream";

/** @typedef {import("../types.js").App} App */
/** @typedef {{ id: string, bytes: number, deployments: number, users: number, ofThisMachine: boolean, warning: string | null }} Restore */

/** @param {App} app */
export function backup(app) {
  const told = h("div", { role: "status" });
  const file = h("input", { type: "file", class: "visually-hidden", tabindex: "-1", "aria-label": "Backup" });
  const down = button("Download a backup", { icon: "down", onclick: () => once(down, () => download(app)) });
  const up = button("Restore a backup", { icon: "restart", onclick: () => file.click() });
  file.addEventListener("change", () => {
    const [chosen] = file.files ?? [];
    file.value = "";
    if (chosen) void once(up, () => bringBack(app, chosen, told));
  });
  return h(
    "section",
    {},
    sectionHead(
      "Backup",
      "Accounts, deployments and their history in one file. Volumes and the key to the secrets are not in it.",
      down,
      up,
      file,
    ),
    told,
  );
}

/** One at a time. @param {HTMLButtonElement} pressed @param {() => Promise<void>} work */
async function once(pressed, work) {
  pressed.disabled = true;
  await work().finally(() => {
    pressed.disabled = false;
  });
}

/** @param {App} app */
async function download(app) {
  try {
    const day = new Date().toISOString().slice(0, 10);
    save(await app.api.blob("POST", "/backup"), `appliance-${day}.db`);
  } catch (error) {
    app.toasts.fail(error);
  }
}

/** @param {App} app @param {File} file @param {HTMLElement} told */
async function bringBack(app, file, told) {
  try {
    fill(
      told,
      notice("busy", "The file is sent and checked", h("p", {}, `${file.name}, ${bytes(file.size)}`)),
    );
    const { restore } = await app.api.send("/restore", file.slice(0, file.size, TYPE));
    fill(told);
    if (!(await ask(question(restore)))) return void (await app.api.delete(`/restore/${restore.id}`));
    await app.api.post(`/restore/${restore.id}`);
    const later = "The page goes on by itself in a moment; you may have to log in again.";
    fill(told, notice("busy", "The appliance restarts with the backup", h("p", {}, later)));
  } catch (error) {
    fill(told, notice("bad", "It was not restored", h("p", {}, words(error))));
  }
}

/** @param {Restore} restore */
function question(restore) {
  const held = `${plural(restore.deployments, "deployment")} and ${plural(restore.users, "account")}`;
  return {
    title: "Restore this backup?",
    body: [
      `It holds ${held}${restore.ofThisMachine ? "" : ", and is of another installation"}.`,
      "What the appliance knows now will be replaced: accounts, deployments and history made since are lost to it. Their containers are left alone; deployments that were deleted since come back without their volumes.",
      ...(restore.warning ? [restore.warning] : []),
      "The appliance restarts. The database of now is kept beside the new one, in the data directory.",
    ],
    confirm: "Restore and restart",
  };
}

/** @param {any} error */
function words(error) {
  const [first] = error.fields ?? [];
  return first ? `Not a backup that can be used: ${first.message}.` : error.message;
}
