// @ts-check
/** Places by their address (History API). What a view shows is in the address: filters, pages, tabs. */

/** @typedef {{ pattern: string, load: () => Promise<import("./types.js").View>, open?: boolean }} Route */

/**
 * The parameters of `path` if it is of `pattern` (`/ui/deployments/:id`), else null.
 * @param {string} pattern
 * @param {string} path
 * @returns {Record<string, string> | null}
 */
export function match(pattern, path) {
  const wanted = pattern.split("/");
  const given = path.replace(/(.)\/$/, "$1").split("/");
  if (wanted.length !== given.length) return null;
  /** @type {Record<string, string>} */
  const params = {};
  for (const [index, part] of wanted.entries()) {
    if (part.startsWith(":")) params[part.slice(1)] = decode(given[index]);
    else if (part !== given[index]) return null;
  }
  return params;
}

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export class Router {
  #routes;
  #show;
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /**
   * @param {Route[]} routes
   * @param {(route: Route | null, params: Record<string, string>) => void} show
   */
  constructor(routes, show) {
    this.#routes = routes;
    this.#show = show;
    addEventListener("popstate", () => this.refresh());
    document.addEventListener("click", (event) => this.#click(event));
  }

  /** @param {() => void} listener called whenever the address has changed */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  /**
   * @param {string} path
   * @param {{ replace?: boolean }} [options]
   */
  go(path, { replace = false } = {}) {
    if (replace) history.replaceState(null, "", path);
    else history.pushState(null, "", path);
    scrollTo(0, 0);
    this.refresh();
  }

  /** Shows what the address says. */
  refresh() {
    const path = location.pathname;
    for (const route of this.#routes) {
      const params = match(route.pattern, path);
      if (params) {
        this.#show(route, params);
        this.#listeners.forEach((listener) => listener());
        return;
      }
    }
    this.#show(null, {});
    this.#listeners.forEach((listener) => listener());
  }

  /**
   * Changes the query alone; the view stays. Blank values leave it.
   * @param {Record<string, string | number | null>} changes
   */
  setQuery(changes) {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === "") query.delete(name);
      else query.set(name, String(value));
    }
    const text = query.toString();
    history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const isPlain =
      event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || !isPlain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || !link.pathname.startsWith("/ui/")) return;
    event.preventDefault();
    this.go(link.pathname + link.search + link.hash);
  }
}
