// Videos that are sent here: by drag and drop or by choosing, with progress; then what was found in them.

import { address, ApiError, get, refusal, ROOT } from "../core/api.js";
import { h, fill, keyed } from "../core/dom.js";
import { dateTime, percent, size } from "../core/format.js";
import { inWords, t, worded } from "../core/i18n.js";
import { may } from "../core/me.js";
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
  const input = h("input", { class: "hidden-text", type: "file", id: "files", multiple: true, accept: "video/*,audio/*,.mkv,.ts", on: { change: () => take(input.files) } });
  const drop = h(
    "div",
    { class: "drop" },
    h("p", {}, t.uploads.drop),
    h("label", { class: "button" }, input, t.uploads.choose),
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
      const files = together(found);
      const more = found.waiting_count - found.waiting.length;
      fill(status, !files.length && h("p", { class: "quiet" }, t.uploads.none), more > 0 && h("p", { class: "quiet" }, t.uploads.moreWait(more)));
      drop.hidden = !may("upload");
      keyed(list, files, ({ name, state }) => `${state} ${name}`, uploadRow);
    } catch (error) {
      if (abort.signal.aborted) return;
      const absent = error instanceof ApiError && error.code === "no_uploads";
      drop.hidden = true;
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

/** @typedef {{name: string, state: string, progress: number | null, note: string, at: number | null}} Upload */

/**
 * Returns the daemon's lists of uploads as one: what is being done first, then the newest.
 * @param {any} found
 * @returns {Upload[]}
 */
function together(found) {
  const blank = { progress: null, note: "", at: null };
  const ended = [
    ...found.failed.map((/** @type {any} */ one) => ({ ...blank, name: one.name, state: "failed", note: one.error ?? "", at: one.ended })),
    ...found.done.map((/** @type {any} */ one) => ({ ...blank, name: one.name, state: "done", at: one.ended })),
  ];
  const now = found.processing;
  return [
    ...(now ? [{ ...blank, name: now.name, state: "processing", progress: now.progress }] : []),
    ...found.waiting.map((/** @type {any} */ one) => ({ ...blank, name: one.name, state: "waiting" })),
    ...ended.sort((a, b) => b.at - a.at),
    ...found.left_alone.map((/** @type {any} */ one) => ({ ...blank, name: one.name, state: "left_alone", note: one.reason })),
  ];
}

/**
 * @param {Upload} upload
 * @param {Element | undefined} old
 */
function uploadRow(upload, old) {
  const mark = JSON.stringify(upload) + document.documentElement.lang;
  if (old instanceof HTMLElement && old.dataset.mark === mark) return old;
  const tone = { done: "good", failed: "bad", processing: "now" }[upload.state] ?? "";
  const progress = upload.progress === null ? "" : ` ${percent(upload.progress)}`;
  return h(
    "li",
    { class: "upload", "data-mark": mark },
    h("span", { class: "name" }, upload.name.replace(/^failed\//, "")),
    h("span", { class: "state" }, h("span", { class: `dot ${tone}` }), worded(t.uploads.states, upload.state), progress),
    h("span", { class: "small" }, upload.note || (upload.at === null ? "" : dateTime(upload.at))),
    upload.state === "done" && [tagsOf(upload.name), downloads(upload.name)],
  );
}

/** @param {string} name */
function resultsOf(name) {
  return `/uploads/${name.split("/").map(encodeURIComponent).join("/")}/results`;
}

/** @param {string} name */
function downloads(name) {
  const forms = ["json", "csv", "vtt"];
  const summary = h("a", { href: `/summary?upload=${encodeURIComponent(name)}` }, t.summary.short);
  return h("span", { class: "row small" }, summary, forms.map((form) => h("a", { href: `${ROOT}${resultsOf(name)}.${form}`, download: `${name}.${form}` }, form.toUpperCase())));
}

/**
 * Returns what was found in a file: the rules, each with its events; asked for once the row can be seen.
 * @param {string} name
 */
function tagsOf(name) {
  const place = h("span", { class: "tags" });
  const observer = new IntersectionObserver(async ([entry]) => {
    if (!entry.isIntersecting) return;
    observer.disconnect();
    try {
      const { events } = await get(`${resultsOf(name)}.json`);
      fill(place, tags(events), !events.length && h("span", { class: "small" }, t.uploads.found(0)));
    } catch (error) {
      fill(place, h("span", { class: "small" }, inWords(error)));
    }
  });
  observer.observe(place);
  return place;
}

/** @param {any[]} events */
function tags(events) {
  /** @type {Map<string, any[]>} */
  const found = new Map();
  for (const event of events) found.set(event.event, [...(found.get(event.event) ?? []), event]);
  return [...found].map(([name, all]) =>
    h("a", { class: "tag", href: `/events/${encodeURIComponent(all[0].id)}`, title: t.uploads.found(all.length) }, name, all.length > 1 && h("span", { class: "small" }, ` ×${all.length}`)),
  );
}
