// @ts-check
/** The text of a `.env` file as variables. Pure. */

const LINE = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(.*)$/;
/** @type {Record<string, string>} */
const ESCAPES = { n: "\n", r: "\r", t: "\t" };

/**
 * The variables in order, and the lines that are none. Comments and blank lines are left away;
 * a value may be quoted, and one in quotes may go over several lines.
 * @param {string} text
 * @returns {{ variables: [name: string, value: string][], rejected: string[] }}
 */
export function parseDotenv(text) {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  /** @type {[string, string][]} */
  const variables = [];
  /** @type {string[]} */
  const rejected = [];
  for (let i = 0; i < lines.length; i += 1) {
    const line = lines[i];
    if (/^\s*(#|$)/.test(line)) continue;
    const found = LINE.exec(line);
    if (!found) {
      rejected.push(line);
      continue;
    }
    let raw = found[2];
    const quote = /^["']/.exec(raw)?.[0];
    while (quote && !isClosed(raw, quote) && i + 1 < lines.length) raw += `\n${lines[++i]}`;
    variables.push([found[1], value(raw, quote)]);
  }
  return { variables, rejected };
}

/** @param {string} raw @param {string} quote */
function isClosed(raw, quote) {
  return closing(raw, quote) > 0;
}

/** Where the quote ends, -1 if it does not. @param {string} raw @param {string} quote */
function closing(raw, quote) {
  for (let i = 1; i < raw.length; i += 1) {
    if (raw[i] === "\\" && quote === '"') i += 1;
    else if (raw[i] === quote) return i;
  }
  return -1;
}

/** @param {string} raw @param {string | undefined} quote */
function value(raw, quote) {
  if (!quote) return raw.replace(/\s+#.*$/, "").trim();
  const end = closing(raw, quote);
  const inner = raw.slice(1, end > 0 ? end : undefined);
  return quote === "'" ? inner : inner.replace(/\\(.)/gs, (_, c) => ESCAPES[c] ?? c);
}
