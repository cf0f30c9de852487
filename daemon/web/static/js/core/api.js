// Requests to the daemon. The session is a cookie that scripts cannot read.

import { Store } from "./store.js";

export const ROOT = "/api/v1";

/** Whether the daemon wants a token that this browser has not given. */
export const loginNeeded = new Store(false);

/** A request that was refused or failed; `code` is stable, `message` says what to do, in English. */
export class ApiError extends Error {
  /**
   * @param {number} status 0: there was no response.
   * @param {string} code
   * @param {string} message
   * @param {number | null} [retryAfter] Seconds.
   * @param {any} [body] All that the daemon said.
   */
  constructor(status, code, message, retryAfter = null, body = null) {
    super(message || code);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
    this.body = body;
  }
}

/**
 * @typedef {object} Options
 * @property {any} [json] Body.
 * @property {Blob} [body] Body that is a file.
 * @property {Record<string, string | number | boolean | null | undefined>} [query] Empty ones are left out.
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {string} [root]
 */

/**
 * Returns the address of something below the API.
 * @param {string} path
 * @param {Options["query"]} [query]
 * @param {string} [root]
 */
export function address(path, query = {}, root = ROOT) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "" && value !== false) given.set(name, String(value));
  }
  const text = given.toString();
  return root + path + (text ? `?${text}` : "");
}

/**
 * Sends a request; returns the response if the daemon accepts it, throws `ApiError` if not.
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 */
export async function send(method, path, options = {}) {
  const { json, query, headers = {}, signal, root } = options;
  const body = json === undefined ? options.body : JSON.stringify(json);
  /** @type {Record<string, string>} */
  const all = { ...headers };
  if (method !== "GET" && method !== "HEAD") all["X-Watchword"] = "1";
  if (json !== undefined) all["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(address(path, query, root), { method, headers: all, body, signal, credentials: "same-origin" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "unreachable", "");
  }
  if (response.ok) return response;
  throw await refusal(response);
}

/**
 * Returns the JSON of a response.
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<any>}
 */
export async function get(path, options) {
  return (await send("GET", path, options)).json();
}

/**
 * @param {Response} response
 * @returns {Promise<ApiError>}
 */
export async function refusal(response) {
  /** @type {any} */
  let said = null;
  try {
    said = await response.json();
  } catch {
    // a proxy's own words, perhaps: they are not for this page
  }
  const code = typeof said?.error === "string" ? said.error : `http_${response.status}`;
  const message = typeof said?.message === "string" ? said.message : "";
  const wait = Number(response.headers.get("retry-after")) || null;
  if (response.status === 401 && !loginNeeded.value) loginNeeded.set(true);
  return new ApiError(response.status, code, message, wait, said);
}
