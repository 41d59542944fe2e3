// @ts-check
/** What statuses and reasons mean, and what to do about them. Data, and nothing else. */

/** @typedef {"good" | "busy" | "bad" | "idle"} Tone */

/** @type {Record<string, { word: string, tone: Tone }>} */
export const STATUS = {
  pending: { word: "Waiting", tone: "busy" },
  pulling: { word: "Pulling image", tone: "busy" },
  starting: { word: "Starting", tone: "busy" },
  running: { word: "Running", tone: "good" },
  stopping: { word: "Stopping", tone: "busy" },
  stopped: { word: "Stopped", tone: "idle" },
  sleeping: { word: "Sleeping", tone: "idle" },
  failed: { word: "Failed", tone: "bad" },
};

export const STATUSES = Object.keys(STATUS);

/** What a person can do about a reason, by its code. @type {Record<string, string>} */
export const ADVICE = {
  image_not_found:
    "Check the image's name and tag. If it is in a private registry, add its credentials first.",
  registry_unauthorized: "The registry wants a login. Add its credentials under Settings, then start again.",
  registry_unreachable: "Check this machine's network, then start again.",
  pull_stalled: "The download stopped moving. Check the network, then start again: what is there is kept.",
  pull_timeout: "The download took too long. Start again: what is there is kept.",
  pull_failed: "Look at the message, then start again.",
  runtime_unavailable: "Nothing to do here: it goes on by itself once Podman answers.",
  start_refused: "The container can't start as it is described. Check its command, volumes and limits.",
  start_timeout: "It was not up in time. The logs tell what it was waiting for.",
  gpu_unavailable: "It starts by itself when a GPU is free. Stop a deployment that holds one.",
  gpu_missing:
    "The container did not get its GPU. The Machine page says what is wrong with the driver or CDI.",
  port_taken: "Another program has the port. End it, or start again for another one.",
  container_wedged: "Podman can't end the container. Restart Podman or the machine; then start it again.",
  name_conflict: "A container that is not ours has its name. Remove it with Podman, then start again.",
  exited: "The program ended with an error. The logs show its last words.",
  killed: "The program was ended from outside or crashed. The logs show its last words.",
  out_of_memory: "Give it more memory, or a smaller task.",
  no_command: "The image runs nothing by itself. Give the deployment a command.",
  command_not_found: "The command is not in the image. Check its spelling, or leave it away.",
  command_not_executable: "The command is there but is no program. Check the command.",
  completed: "The program ended by itself, as told. Start it to run it again.",
  update_failed: "What was there before goes on. Look at the events, then change it again.",
  updating: "The new container is tried now; the old one comes back if it fails.",
  idle: "Its address stands: whoever asks for it wakes it up. Until then it costs nothing.",
  evicted: "Its address stands: whoever asks for it puts it in line for a GPU again.",
  process_lost: "Start it again. If it happens again, look at the machine's own log.",
  container_gone: "Somebody removed the container outside of the appliance. Start it again.",
};

/** Events of a history, as a heading. @type {Record<string, string>} */
const EVENTS = {
  created: "Created",
  start: "Start ordered",
  stop: "Stop ordered",
  restart: "Restart ordered",
  delete: "Delete ordered",
  update: "Change ordered",
  newest: "Already newest",
  wake: "Woken",
  evicted: "Gave way",
  softened: "Gave memory back",
  updated: "Changed",
  update_failed: "Change failed",
  gpu_leaked: "GPU memory not given back",
  gpu_memory_back: "GPU memory given back",
};

/** What to do about GPU memory that did not come back. */
export const LEAK_ADVICE =
  "A process that is still there holds it, or the driver has lost it; nobody else is given it meanwhile. On the machine, nvidia-smi names the process to end. If it names none, reset the GPU once nothing uses it (nvidia-smi --gpu-reset), or restart the machine.";

/**
 * A stable word of the API as a heading: `out_of_memory` becomes `Out of memory`.
 * @param {string} code
 */
export function heading(code) {
  const text = code.replaceAll("_", " ");
  return EVENTS[code] ?? text.charAt(0).toUpperCase() + text.slice(1);
}
