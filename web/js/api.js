// @ts-check
/** The only place that speaks to the appliance: one way to call, one shape of error. */

import { EventParser } from "./sse.js";

const SILENCE_MS = 45_000;
const TIMEOUT_MS = 30_000;
const AGAIN_MS = 300;

/** What the API refused, in its own words (RFC 9457). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {{ code?: string, detail?: string, errorId?: string, errors?: { field: string, message: string }[] }} problem
   * @param {number | null} retryAfterS
   */
  constructor(status, problem, retryAfterS) {
    super(problem.detail || `The appliance answered ${status}.`);
    this.status = status;
    this.code = problem.code ?? "unknown";
    this.errorId = problem.errorId ?? null;
    this.fields = problem.errors ?? [];
    this.retryAfterS = retryAfterS;
  }
}

/** The appliance could not be reached. */
export class Unreachable extends Error {
  constructor() {
    super("The appliance does not answer. Check that it runs and that this device can reach it.");
  }
}

/**
 * @typedef {object} Options
 * @property {Record<string, string | number | null | undefined>} [query] blank ones are left away
 * @property {unknown} [body]
 * @property {Blob} [file] sent as it is, in place of a body
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 */

export class Api {
  #session;
  #onSessionEnd;

  /**
   * @param {import("./session.js").Session} session
   * @param {() => void} onSessionEnd called when a token that was sent is not valid any more
   */
  constructor(session, onSessionEnd) {
    this.#session = session;
    this.#onSessionEnd = onSessionEnd;
  }

  /**
   * @param {string} path
   * @param {Options} [options]
   */
  get(path, options) {
    return this.json("GET", path, options);
  }

  /**
   * @param {string} path
   * @param {unknown} [body]
   * @param {Options} [options]
   */
  post(path, body, options) {
    return this.json("POST", path, { ...options, body });
  }

  /**
   * @param {string} path
   * @param {unknown} body
   */
  patch(path, body) {
    return this.json("PATCH", path, { body });
  }

  /**
   * @param {string} path
   * @param {unknown} body
   */
  put(path, body) {
    return this.json("PUT", path, { body });
  }

  /** @param {string} path */
  delete(path) {
    return this.json("DELETE", path);
  }

  /**
   * The JSON of a good answer. What only reads is tried twice: browsers break off what is under way
   * when a network of the machine comes or goes, as it does with every container.
   * @param {string} method
   * @param {string} path
   * @param {Options} [options]
   * @returns {Promise<any>}
   * @throws {ApiError | Unreachable}
   */
  async json(method, path, options = {}) {
    const once = () => this.#json(method, path, options);
    if (method !== "GET") return once();
    try {
      return await once();
    } catch (error) {
      if (!(error instanceof Unreachable) || options.signal?.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      return once();
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Options} options
   */
  async #json(method, path, options) {
    const signal = options.signal ?? AbortSignal.timeout(TIMEOUT_MS);
    const response = await this.#fetch(method, path, { ...options, signal });
    return response.json();
  }

  /**
   * The body of a good answer as it is, to be saved.
   * @param {string} method
   * @param {string} path
   * @param {Options} [options]
   */
  async blob(method, path, options = {}) {
    return (await this.#fetch(method, path, options)).blob();
  }

  /**
   * Sends a file, for as long as that takes.
   * @param {string} path
   * @param {Blob} file its type says what it is
   */
  async send(path, file) {
    return (await this.#fetch("POST", path, { file })).json();
  }

  /**
   * Server-sent events until the stream ends. `EventSource` can't carry the token in a header.
   * @param {string} path
   * @param {{ query?: Options["query"], lastId?: string | null, signal: AbortSignal, onOpen?: () => void }} options
   * @returns {AsyncGenerator<import("./sse.js").Message[]>} each time those that came together
   * @throws {ApiError | Unreachable}
   */
  async *stream(path, { query, lastId, signal, onOpen }) {
    const watch = new AbortController();
    /** @type {Record<string, string>} */
    const headers = lastId ? { "Last-Event-ID": lastId } : {};
    const both = AbortSignal.any([signal, watch.signal]);
    const response = await this.#fetch("GET", path, { query, headers, signal: both });
    if (!response.body) throw new Unreachable();
    onOpen?.();
    const parser = new EventParser();
    for await (const text of pieces(response.body, watch)) {
      const messages = parser.push(text);
      if (messages.length > 0) yield messages;
    }
  }

  /**
   * A shell in a container, open: a ticket bought with the token stands in for the header that a
   * browser can't send with a WebSocket.
   * @param {string} id of the deployment
   * @returns {Promise<WebSocket>} binary messages are the terminal's bytes
   * @throws {ApiError | Unreachable}
   */
  async terminal(id) {
    const path = `/deployments/${encodeURIComponent(id)}/terminal`;
    const { ticket } = await this.post(path);
    const address = new URL(withQuery(path, { ticket }), location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve, { once: true });
      socket.addEventListener("error", () => reject(new Unreachable()), { once: true });
    });
    return socket;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Options} options
   */
  async #fetch(method, path, options) {
    const token = this.#session.token;
    const response = await send(method, path, options, token);
    if (response.ok) return response;
    const error = await problem(response);
    if (error.status === 401 && token !== null && token === this.#session.token) this.#onSessionEnd();
    throw error;
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Options} options
 * @param {string | null} token
 */
async function send(method, path, { query, body, file, headers, signal }, token) {
  /** @type {Record<string, string>} */
  const all = { Accept: "application/json, text/event-stream", ...headers };
  if (token) all.Authorization = `Bearer ${token}`;
  if (body !== undefined) all["Content-Type"] = "application/json";
  if (file) all["Content-Type"] = file.type;
  const json = body === undefined ? undefined : JSON.stringify(body);
  try {
    return await fetch(withQuery(path, query), {
      method,
      headers: all,
      body: file ?? json,
      signal,
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
    });
  } catch (error) {
    if (signal?.aborted && signal.reason?.name === "AbortError") throw signal.reason;
    throw new Unreachable();
  }
}

/**
 * @param {string} path
 * @param {Options["query"]} query
 */
function withQuery(path, query = {}) {
  const given = Object.entries(query).filter(
    ([, value]) => value !== null && value !== undefined && value !== "",
  );
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

/** @param {Response} response */
async function problem(response) {
  const retryAfter = Number(response.headers.get("Retry-After"));
  const body = await response.json().catch(() => ({}));
  return new ApiError(response.status, body ?? {}, retryAfter > 0 ? retryAfter : null);
}

/**
 * The text of a body as it comes; a line that is silent for too long is given up.
 * @param {ReadableStream<Uint8Array>} body
 * @param {AbortController} watch
 */
async function* pieces(body, watch) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    while (true) {
      const timer = setTimeout(() => watch.abort(), SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return;
      yield decoder.decode(value, { stream: true });
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
