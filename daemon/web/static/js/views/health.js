// How the daemon does: problems in words, and small charts of its numbers while this page is open.

import { get, send } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { duration, size } from "../core/format.js";
import { inWords, t, worded } from "../core/i18n.js";
import { parseMetrics, sum } from "../core/metrics.js";
import { listen } from "../core/stream.js";
import { cameraState } from "../parts/camera_card.js";
import { sparkline } from "../parts/charts.js";

/** @typedef {Map<string, import("../core/metrics.js").Sample[]>} Metrics */
/** @typedef {{at: number, metrics: Metrics}} Scrape */

const EVERY_MS = 5000;
const PAST_S = 600;

// Kept while the page is open, so that charts do not begin anew with each visit of this view.
const past = /** @type {Scrape[]} */ ([]);

/**
 * What is charted: a title, a unit, and the number from two scrapes one after the other.
 * @type {{title: () => string, unit: string, value: (now: Scrape, before: Scrape | null) => number | null}[]}
 */
const CHARTS = [
  { title: () => t.health.frames, unit: "/s", value: rate("watchword_frames_sampled_total") },
  { title: () => t.health.dropped, unit: "/s", value: rate("watchword_frames_dropped_total") },
  { title: () => t.health.events, unit: "/min", value: (now, before) => times(rate("watchword_events_total", { type: "new" })(now, before), 60) },
  { title: () => t.health.latency, unit: " s", value: mean("watchword_event_latency_seconds") },
  { title: () => t.health.work, unit: " ms", value: (now, before) => times(mean("watchword_stage_seconds")(now, before), 1000) },
  { title: () => t.health.waiting, unit: "", value: (now) => sum(now.metrics, "watchword_queue_depth") },
  { title: () => t.health.speech, unit: "×", value: (now) => sum(now.metrics, "watchword_speech_realtime_factor") },
  { title: () => t.health.spool, unit: " KB", value: (now) => times(sum(now.metrics, "watchword_spool_bytes"), 0.001) },
];

/** @type {import("../core/router.js").View} */
export function healthView(root) {
  const abort = new AbortController();
  const report = h("section", { class: "stack" }, h("p", { class: "quiet" }, t.loading));
  const charts = h("ul", { class: "sparks" });
  const chartStatus = h("div", {});
  fill(
    root,
    h("div", { class: "head" }, h("h1", {}, t.nav.health)),
    h("div", { class: "stack" }, report, h("section", {}, h("h2", {}, t.health.charts), chartStatus, charts)),
  );

  async function load() {
    try {
      drawReport(report, await get("/health", { signal: abort.signal }));
    } catch (error) {
      if (!abort.signal.aborted) fill(report, h("p", { class: "box bad", role: "alert" }, inWords(error)));
    }
    try {
      const response = await send("GET", "/metrics", { root: "", signal: abort.signal });
      keep(parseMetrics(await response.text()));
      fill(chartStatus);
    } catch (error) {
      if (abort.signal.aborted) return;
      fill(chartStatus, h("p", { class: "quiet" }, inWords(error)));
    }
    if (past.length) fill(charts, CHARTS.map(({ title, unit, value }) => sparkline(title(), past.map((now, i) => [now.at, value(now, past[i - 1] ?? null)]), unit, PAST_S)));
  }

  load();
  const timer = setInterval(() => !document.hidden && load(), EVERY_MS);
  const end = listen("resumed", load);
  return () => {
    abort.abort();
    clearInterval(timer);
    end();
  };
}

/** @param {Metrics} metrics */
function keep(metrics) {
  const at = Date.now() / 1000;
  past.push({ at, metrics });
  while (past.length && past[0].at < at - PAST_S) past.shift();
}

/**
 * Returns a chart's value: how much a counter rises a second; null over a restart, when counters begin at 0.
 * @param {string} name
 * @param {Record<string, string>} [labels]
 * @returns {(now: Scrape, before: Scrape | null) => number | null}
 */
function rate(name, labels) {
  return (now, before) => {
    if (!before) return null;
    const [last, first] = [sum(now.metrics, name, labels), sum(before.metrics, name, labels)];
    return last === null || first === null || last < first ? null : (last - first) / (now.at - before.at);
  };
}

/**
 * Returns a chart's value: the mean of what a histogram got between two scrapes.
 * @param {string} name
 * @returns {(now: Scrape, before: Scrape | null) => number | null}
 */
function mean(name) {
  return (now, before) => {
    if (!before) return null;
    const [n, m] = [sum(now.metrics, `${name}_count`), sum(before.metrics, `${name}_count`)];
    const [a, b] = [sum(now.metrics, `${name}_sum`), sum(before.metrics, `${name}_sum`)];
    return n === null || m === null || a === null || b === null || n <= m ? null : (a - b) / (n - m);
  };
}

/**
 * @param {number | null} value
 * @param {number} factor
 */
function times(value, factor) {
  return value === null ? null : value * factor;
}

/**
 * @param {HTMLElement} section
 * @param {any} health
 */
function drawReport(section, health) {
  const tone = { ok: "good", degraded: "warn", failing: "bad" }[/** @type {string} */ (health.status)] ?? "warn";
  const cameras = Object.entries(health.cameras ?? {});
  const publisher = health.publisher;
  const model = health.encoder?.model;
  fill(
    section,
    h("p", { class: "state" }, h("span", { class: `dot ${tone}` }), worded(t.health.status, String(health.status))),
    (health.problems ?? []).map((/** @type {string} */ problem) => h("p", { class: "box bad" }, problem)),
    cameras.length > 0 &&
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": t.live.cameras },
        h(
          "table",
          {},
          h("thead", {}, h("tr", {}, [t.feed.camera, t.live.state, t.live.lastFrame, t.live.restarts, t.live.error].map((text) => h("th", { scope: "col" }, text)))),
          h(
            "tbody",
            {},
            cameras.map(([name, one]) =>
              h(
                "tr",
                {},
                h("td", {}, h("a", { href: `/cameras/${encodeURIComponent(name)}` }, name)),
                h("td", {}, cameraState({ ...one, name, up: one.state === "up" })),
                h("td", {}, typeof one.last_frame_age_s === "number" ? t.live.ago(duration(one.last_frame_age_s)) : "–"),
                h("td", {}, String(one.restarts ?? 0)),
                h("td", { class: "small" }, one.error ?? ""),
              ),
            ),
          ),
        ),
      ),
    h(
      "dl",
      {},
      [h("dt", {}, t.health.model), h("dd", {}, model ? `${model} (${health.encoder.device})` : t.health.loadingModel)],
      health.encoder?.note ? [h("dt", {}, ""), h("dd", { class: "small" }, health.encoder.note)] : [],
      publisher ? [h("dt", {}, t.health.redis), h("dd", {}, publisher.connected ? t.health.connected(size(publisher.spool_bytes)) : t.health.away(size(publisher.spool_bytes)))] : [],
      publisher?.error ? [h("dt", {}, t.live.error), h("dd", {}, publisher.error)] : [],
      health.speech ? [h("dt", {}, t.health.speechDropped), h("dd", {}, String(health.speech.dropped ?? 0))] : [],
    ),
  );
}
