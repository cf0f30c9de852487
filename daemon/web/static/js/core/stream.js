// What the daemon sends as it happens: one connection for the whole page, which is opened again when it breaks and then
// continues after the last event it had. Read with `fetch`, because `EventSource` hides why it was refused.

import { ApiError, loginNeeded, refusal, ROOT } from "./api.js";
import { Store } from "./store.js";

const SILENT_MS = 40_000; // the daemon sends at least a comment every 15 s
const WAITS_MS = [500, 1000, 2000, 4000, 8000, 15_000];

/**
 * What the page knows of its connection. `since` is when that began, in milliseconds; `absent`: this daemon has no
 * stream, or the principal may not read it, so that views must ask by themselves.
 * @typedef {{state: "connecting" | "live" | "lost" | "absent", since: number, error: ApiError | null}} Connection
 */

export const connection = new Store(/** @type {Connection} */ ({ state: "connecting", since: Date.now(), error: null }));

/** @type {Map<string, Set<(data: any) => void>>} */
const listeners = new Map();
/** @type {AbortController | null} */
let open = null;
let lastId = "";
let failures = 0;
let timer = 0;
let wanted = false;
let wasLost = false;

/**
 * Calls a listener for every event of a kind: `revision`, `cameras`, or `resumed` when the connection is back after it
 * was lost. Returns what ends that.
 * @param {string} kind
 * @param {(data: any) => void} listener
 */
export function listen(kind, listener) {
  const found = listeners.get(kind) ?? new Set();
  listeners.set(kind, found.add(listener));
  return () => found.delete(listener);
}

/**
 * @param {string} kind
 * @param {any} data
 */
function tell(kind, data) {
  for (const listener of [...(listeners.get(kind) ?? [])]) listener(data);
}

/** Opens the connection, and keeps it open while the page is looked at. */
export function start() {
  wanted = true;
  if (!document.hidden) connect();
}

/** Closes the connection: after a log-out. */
export function stop() {
  wanted = false;
  lastId = "";
  close();
}

/** Tries again at once. */
export function retry() {
  failures = 0;
  if (wanted && !document.hidden && (!open || connection.value.state !== "live")) connect();
}

// A page that nobody looks at holds no connection: browsers open six to a host, and telephones save their battery.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) close();
  else retry();
});
window.addEventListener("online", retry);

function close() {
  clearTimeout(timer);
  open?.abort();
  open = null;
}

/**
 * @param {Connection["state"]} state
 * @param {ApiError | null} [error]
 */
function become(state, error = null) {
  if (connection.value.state !== state) connection.set({ state, since: Date.now(), error });
}

async function connect() {
  close();
  const control = new AbortController();
  open = control;
  try {
    /** @type {Record<string, string>} */
    const headers = { Accept: "text/event-stream" };
    if (lastId) headers["Last-Event-ID"] = lastId;
    const response = await fetch(`${ROOT}/stream`, { headers, signal: control.signal, cache: "no-store" });
    if (!response.ok || !response.body) throw await refusal(response);
    failures = 0;
    become("live");
    if (wasLost) tell("resumed", null);
    wasLost = false;
    await read(response.body, control);
    throw new ApiError(0, "unreachable", "");
  } catch (error) {
    if (open !== control) return; // closed on purpose, or replaced
    open = null;
    lost(error instanceof ApiError ? error : new ApiError(0, "unreachable", ""));
  }
}

/** @param {ApiError} error */
function lost(error) {
  if (!wanted || loginNeeded.value) return;
  const refused = error.status === 403 || error.status === 404;
  wasLost = wasLost || !refused;
  become(refused ? "absent" : "lost", error);
  const wait = refused ? 30_000 : (error.retryAfter ?? 0) * 1000 || WAITS_MS[Math.min(failures, WAITS_MS.length - 1)];
  failures += 1;
  timer = setTimeout(connect, wait * (0.8 + 0.4 * Math.random()));
}

/**
 * Reads events until the connection ends, or nothing has come for too long.
 * @param {ReadableStream<Uint8Array>} body
 * @param {AbortController} control
 */
async function read(body, control) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const silence = setTimeout(() => {
      if (open === control) {
        open = null;
        control.abort();
        lost(new ApiError(0, "unreachable", ""));
      }
    }, SILENT_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return;
    text += decoder.decode(value, { stream: true });
    text = text.replaceAll("\r\n", "\n");
    const parts = text.split("\n\n");
    text = parts.pop() ?? "";
    for (const part of parts) dispatch(part);
  }
}

/** @param {string} part One event: lines of `field: value`. */
function dispatch(part) {
  let kind = "message";
  let id = null;
  const data = [];
  for (const line of part.split("\n")) {
    const colon = line.indexOf(":");
    if (colon === 0) continue; // a comment
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") kind = value;
    else if (field === "data") data.push(value);
    else if (field === "id") id = value;
  }
  if (id !== null) lastId = id;
  if (!data.length) return;
  try {
    tell(kind, JSON.parse(data.join("\n")));
  } catch (error) {
    console.warn("an event of the stream cannot be read", error);
  }
}
