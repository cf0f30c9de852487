// Videos that are sent here: by drag and drop or by choosing, with progress; then what was found in them.

import { address, ApiError, get, refusal, ROOT } from "../core/api.js";
import { h, fill, keyed } from "../core/dom.js";
import { dateTime, percent, size, unix } from "../core/format.js";
import { inWords, t, worded } from "../core/i18n.js";
import { say } from "../core/say.js";
import { listen } from "../core/stream.js";

const EVERY_MS = 3000;

/** @typedef {{name: string, bytes: number, total: number, error: string, xhr: XMLHttpRequest | null}} Sending */

/** @type {import("../core/router.js").View} */
export function uploadsView(root) {
  const abort = new AbortController();
  /** @type {Map<string, Sending>} */
  const sending = new Map();
  const status = h("div", {});
  const going = h("ul", { class: "uploads" });
  const list = h("ul", { class: "uploads" });
  const input = h("input", { type: "file", id: "files", multiple: true, accept: "video/*,audio/*,.mkv,.ts", on: { change: () => take(input.files) } });
  const drop = h(
    "div",
    { class: "drop" },
    h("label", { for: "files" }, t.uploads.drop),
    input,
  );
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer?.files ?? null);
  });
  fill(root, h("div", { class: "head" }, h("h1", {}, t.nav.uploads)), h("div", { class: "stack" }, drop, going, status, list));

  /** @param {FileList | null} files */
  function take(files) {
    for (const file of files ?? []) upload(file);
    input.value = "";
  }

  /** @param {File} file */
  function upload(file) {
    const xhr = new XMLHttpRequest();
    /** @type {Sending} */
    const one = { name: file.name, bytes: 0, total: file.size, error: "", xhr };
    sending.set(file.name, one);
    xhr.upload.addEventListener("progress", (event) => {
      one.bytes = event.loaded;
      drawSending();
    });
    xhr.addEventListener("load", async () => {
      one.xhr = null;
      if (xhr.status < 300) {
        sending.delete(file.name);
        say(t.uploads.sent(file.name));
        load();
      } else {
        const headers = { "retry-after": xhr.getResponseHeader("retry-after") ?? "" };
        one.error = inWords(await refusal(new Response(xhr.responseText, { status: xhr.status, headers })));
      }
      drawSending();
    });
    xhr.addEventListener("error", () => {
      one.xhr = null;
      one.error = inWords(new ApiError(0, "upload_broken", ""));
      drawSending();
    });
    xhr.open("POST", address("/uploads", { name: file.name }));
    xhr.setRequestHeader("X-Watchword", "1");
    xhr.setRequestHeader("Content-Type", "application/octet-stream");
    xhr.send(file);
    drawSending();
  }

  function drawSending() {
    keyed(
      going,
      [...sending.values()],
      ({ name }) => name,
      (one) =>
        h(
          "li",
          { class: "upload" },
          h("span", { class: "name" }, one.name),
          one.error
            ? h("span", { class: "error", role: "alert" }, one.error)
            : h("progress", { max: one.total, value: one.bytes, "aria-label": t.uploads.sending(one.name) }),
          h("span", { class: "small" }, one.error ? "" : `${size(one.bytes)} / ${size(one.total)}`),
          h(
            "button",
            {
              type: "button",
              on: {
                click: () => {
                  one.xhr?.abort();
                  sending.delete(one.name);
                  drawSending();
                },
              },
            },
            one.error ? t.close : t.cancel,
          ),
        ),
    );
  }

  async function load() {
    try {
      const found = await get("/uploads", { signal: abort.signal });
      const files = normal(found);
      fill(status, !files.length && h("p", { class: "quiet" }, t.uploads.none));
      keyed(list, files, ({ name, state }) => `${state} ${name}`, uploadRow);
    } catch (error) {
      if (abort.signal.aborted) return;
      const absent = error instanceof ApiError && error.status === 404;
      drop.hidden = absent;
      fill(status, h("p", { class: absent ? "box" : "box bad" }, absent ? t.uploads.off : inWords(error)));
    }
  }

  load();
  const timer = setInterval(() => !document.hidden && load(), EVERY_MS);
  const ends = [listen("resumed", load)];
  return () => {
    abort.abort();
    clearInterval(timer);
    for (const end of ends) end();
    for (const { xhr } of sending.values()) xhr?.abort();
  };
}

/**
 * @typedef {{name: string, state: string, progress: number | null, error: string | null, events: any[], at: number | null, results: boolean}} Upload
 */

/**
 * Returns the daemon's lists of uploads as one, newest first.
 * @param {any} found
 * @returns {Upload[]}
 */
function normal(found) {
  const lists = Array.isArray(found.uploads)
    ? found.uploads
    : ["processing", "waiting", "failed", "done"].flatMap((state) => (found[state] ?? []).map((/** @type {any} */ one) => (typeof one === "string" ? { name: one, state } : { state, ...one })));
  return lists.map((/** @type {any} */ one) => ({
    name: String(one.name),
    state: String(one.state),
    progress: typeof one.progress === "number" ? one.progress : null,
    error: one.error ?? one.reason ?? null,
    events: one.events ?? one.tags ?? [],
    at: unix(one.at ?? one.done_at ?? one.finished_unix ?? null),
    results: one.results ?? one.state === "done",
  }));
}

/**
 * @param {Upload} upload
 * @param {Element | undefined} old
 */
function uploadRow(upload, old) {
  const mark = JSON.stringify(upload) + document.documentElement.lang;
  if (old instanceof HTMLElement && old.dataset.mark === mark) return old;
  const tone = { done: "good", failed: "bad", processing: "now" }[upload.state] ?? "";
  const place = `${ROOT}/uploads/${encodeURIComponent(upload.name)}`;
  return h(
    "li",
    { class: "upload", "data-mark": mark },
    h("span", { class: "name" }, upload.name),
    h("span", { class: "state" }, h("span", { class: `dot ${tone}` }), worded(t.uploads.states, upload.state), upload.progress !== null && upload.state === "processing" && ` ${percent(upload.progress)}`),
    h("span", { class: "small" }, upload.error ?? (upload.at === null ? "" : dateTime(upload.at))),
    tags(upload),
    upload.results &&
      h("span", { class: "row small" }, ["json", "csv", "vtt"].map((form) => h("a", { href: `${place}/results.${form}`, download: `${upload.name}.${form}` }, form.toUpperCase()))),
  );
}

/** @param {Upload} upload */
function tags(upload) {
  if (upload.state !== "done") return null;
  const events = Array.isArray(upload.events) ? upload.events : [];
  const names = [...new Set(events.map((/** @type {any} */ one) => (typeof one === "string" ? one : String(one.event ?? one.name))))];
  const query = `/events?camera=uploads&q=${encodeURIComponent(upload.name)}`;
  return h("span", { class: "tags" }, names.map((name) => h("span", { class: "tag" }, name)), h("a", { class: "small", href: query }, t.uploads.events));
}
