// @ts-check
/** Numbers and times in words. Pure. */

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** @param {number} cents */
export function money(cents) {
  return (cents / 100).toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

/** @param {number} cents an hour */
export function rate(cents) {
  return cents === 0 ? "Free" : `${money(cents)} / h`;
}

/**
 * What a deployment has cost by now: told by the API at `readAt`, and since then by the clock.
 * @param {{ totalCost: number, hourlyRateCents: number, status: string }} d
 * @param {number} readAt in ms
 * @param {number} now in ms
 */
export function costNow(d, readAt, now) {
  if (d.status !== "running") return d.totalCost;
  return d.totalCost + Math.floor((Math.max(0, now - readAt) / 1000 / HOUR) * d.hourlyRateCents);
}

/** @param {number | null | undefined} mib */
export function mebibytes(mib) {
  return mib === null || mib === undefined ? "—" : bytes(mib * 1024 * 1024);
}

/** @param {number | null | undefined} count */
export function bytes(count) {
  if (count === null || count === undefined) return "—";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = value < 10 && unit > 0 ? 1 : 0;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/**
 * A span in its two largest units: `2 d 3 h`, `4 min 20 s`.
 * @param {number} seconds
 */
export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < MINUTE) return `${s} s`;
  if (s < HOUR) return pair(s, MINUTE, "min", 1, "s");
  if (s < DAY) return pair(s, HOUR, "h", MINUTE, "min");
  return pair(s, DAY, "d", HOUR, "h");
}

/**
 * @param {number} seconds
 * @param {number} large
 * @param {string} largeName
 * @param {number} small
 * @param {string} smallName
 */
function pair(seconds, large, largeName, small, smallName) {
  const rest = Math.floor((seconds % large) / small);
  const first = `${Math.floor(seconds / large)} ${largeName}`;
  return rest === 0 ? first : `${first} ${rest} ${smallName}`;
}

/**
 * How long ago, in one unit.
 * @param {string} at
 * @param {number} now in ms
 */
export function ago(at, now) {
  const seconds = Math.max(0, (now - Date.parse(at)) / 1000);
  if (seconds < 5) return "just now";
  if (seconds < MINUTE) return `${Math.floor(seconds)} s ago`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min ago`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h ago`;
  const days = Math.floor(seconds / DAY);
  return days === 1 ? "1 day ago" : `${days} days ago`;
}

/**
 * Local date and time, to the second: `2026-03-01 14:05:09`.
 * @param {string} at
 */
export function moment(at) {
  const d = new Date(at);
  if (Number.isNaN(d.getTime())) return at;
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock(at)}`;
}

/**
 * Local time of day: `14:05:09`.
 * @param {string} at
 */
export function clock(at) {
  const d = new Date(at);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** @param {number} n */
function two(n) {
  return String(n).padStart(2, "0");
}

/**
 * An image as people say it: without Docker Hub's own prefix.
 * @param {string} image
 */
export function shortImage(image) {
  return image.replace(/^docker\.io\/(library\/)?/, "");
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
