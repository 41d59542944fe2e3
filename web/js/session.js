// @ts-check
/** Who is logged in here: kept in the page's own storage, shared by its tabs, never in a cookie. */

const KEY = "neuranet.session";

/** @typedef {{ token: string, expiresAt: string, user: import("./types.js").User }} SessionData */

export class Session {
  /** @type {SessionData | null} */
  #data = read();
  /** @type {Set<() => void>} */
  #listeners = new Set();

  constructor() {
    addEventListener("storage", (event) => {
      if (event.key === KEY || event.key === null) this.#become(read());
    });
  }

  get token() {
    return this.#data?.token ?? null;
  }

  get user() {
    return this.#data?.user ?? null;
  }

  get isAdmin() {
    return this.#data?.user.role === "admin";
  }

  /** @param {SessionData} data */
  begin(data) {
    localStorage.setItem(KEY, JSON.stringify(data));
    this.#become(data);
  }

  end() {
    localStorage.removeItem(KEY);
    this.#become(null);
  }

  /** @param {() => void} listener called after every log in and log out, also in another tab */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  /** @param {SessionData | null} data */
  #become(data) {
    const changed = data?.token !== this.#data?.token;
    this.#data = data;
    if (changed) this.#listeners.forEach((listener) => listener());
  }
}

/** @returns {SessionData | null} */
function read() {
  try {
    const data = JSON.parse(localStorage.getItem(KEY) ?? "null");
    return data && typeof data.token === "string" && data.user ? data : null;
  } catch {
    return null;
  }
}
