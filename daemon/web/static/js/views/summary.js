// The summary of a day of the cameras, or of an upload; which of them is part of the address.

import { get } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { inWords, t } from "../core/i18n.js";
import { note } from "../core/router.js";
import { dayLanes } from "../parts/day_lanes.js";
import { illustrate, momentCard } from "../parts/moment_card.js";
import { shortVideo } from "../parts/short_video.js";
import { uploadSummary } from "./upload_summary.js";

/** @type {import("../core/router.js").View} */
export function summaryView(root, { query }) {
  const upload = query.get("upload");
  return upload ? uploadSummary(root, upload) : daySummary(root, query);
}

/**
 * @param {HTMLElement} root
 * @param {URLSearchParams} query
 */
function daySummary(root, query) {
  let abort = new AbortController();
  const date = h("input", { type: "date", id: "day", value: query.get("date") || localDate(new Date()), max: localDate(new Date()) });
  const camera = h("select", { id: "of-camera" }, h("option", { value: "" }, t.feed.allCameras));
  const wanted = query.get("camera");
  if (wanted) camera.append(h("option", { value: wanted, selected: true }, wanted));
  const place = h("div", { class: "stack" });
  const form = h(
    "form",
    { class: "row", on: { submit: (/** @type {Event} */ submitted) => submitted.preventDefault(), change: apply } },
    h("div", { class: "field" }, h("label", { for: "day" }, t.summary.day), date),
    h("div", { class: "field" }, h("label", { for: "of-camera" }, t.feed.camera), camera),
  );
  fill(root, h("p", { class: "small" }, h("a", { href: "/events" }, `← ${t.nav.events}`)), h("div", { class: "head" }, h("h1", {}, t.summary.title)), h("div", { class: "stack" }, form, place));

  function apply() {
    const kept = new URLSearchParams();
    if (date.value && date.value !== localDate(new Date())) kept.set("date", date.value);
    if (camera.value) kept.set("camera", camera.value);
    note(kept);
    load();
  }

  async function load() {
    abort.abort();
    abort = new AbortController();
    const { signal } = abort;
    const first = new Date(`${date.value || localDate(new Date())}T00:00`);
    const next = new Date(first.getFullYear(), first.getMonth(), first.getDate() + 1);
    const since = first.getTime() / 1000;
    const until = Math.min(next.getTime(), Date.now()) / 1000;
    fill(place, h("p", { class: "quiet", role: "status" }, t.loading));
    try {
      const order = { since, until, ...(camera.value ? { camera: camera.value } : {}) };
      draw(await get("/summary", { query: order, signal }), order, signal);
    } catch (error) {
      if (signal.aborted) return;
      const again = h("button", { type: "button", on: { click: load } }, t.again);
      fill(place, h("p", { class: "box bad", role: "alert" }, inWords(error)), h("p", {}, again));
    }
  }

  /**
   * @param {any} found
   * @param {Record<string, any>} order
   * @param {AbortSignal} signal
   */
  function draw(found, order, signal) {
    const { cameras, rules, moments, files, notes } = found;
    const between = `since=${localTime(order.since)}&until=${localTime(order.until)}`;
    const list = h("ol", { class: "moments" }, moments.map(momentCard));
    fill(
      place,
      !cameras.length && h("p", { class: "quiet" }, t.summary.nothing),
      rules.length > 0 &&
        h(
          "p",
          { class: "tags" },
          rules.map((/** @type {any} */ rule) => h("a", { class: "tag", href: `/events?event=${encodeURIComponent(rule.event)}&time=between&${between}` }, rule.event, h("span", { class: "small" }, ` ×${rule.count}`))),
        ),
      cameras.length > 0 && h("section", { class: "stack close", "aria-label": t.summary.along }, h("p", { class: "legend" }, h("span", {}, t.nav.events), h("span", { class: "words" }, t.summary.unlike)), dayLanes(found)),
      moments.length > 0 && shortVideo(order, true, signal, (videos) => illustrate(list, moments, videos)),
      moments.length > 0 && h("section", { class: "stack close" }, h("h2", {}, t.summary.moments), list),
      files.length > 0 &&
        h("section", {}, h("h2", {}, t.nav.uploads), h("ul", { class: "stack close" }, files.map((/** @type {any} */ one) => h("li", {}, one.file, " ", h("span", { class: "small" }, t.uploads.found(one.events)))))),
      notes.map((/** @type {string} */ text) => h("p", { class: "small" }, text)),
    );
  }

  async function choices() {
    try {
      const { cameras } = await get("/cameras");
      for (const { name, live } of cameras) if (live && name !== wanted) camera.append(h("option", { value: name }, name));
    } catch {
      // the list is a convenience
    }
  }
  choices();
  load();
  return () => abort.abort();
}

/** @param {Date} date */
function localDate(date) {
  return localTime(date.getTime() / 1000).slice(0, 10);
}

/**
 * Returns a time as inputs of dates hold it, by the reader's clock.
 * @param {number} unix
 */
function localTime(unix) {
  const date = new Date(unix * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
