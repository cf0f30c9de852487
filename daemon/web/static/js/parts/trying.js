// Tries the rule in the editor on the past: what it would have reported, events a day at each threshold, look-alikes.

import { address, get, send } from "../core/api.js";
import { h, s, fill } from "../core/dom.js";
import { moment, short } from "../core/format.js";
import { inWords, t, worded } from "../core/i18n.js";

/**
 * @typedef {{camera: string, live: boolean, file: string | null, start: number, end: number, score: number, over_budget?: boolean, shown_by: string | null}} Hit
 * @typedef {{threshold: number, hits: number, per_day: number}} Point
 * @typedef {{judged_hours: number, hits: Hit[], hits_per_day: number | null, curve: Point[], budget: string | null, threshold: number | null, look_alikes: {name: string, hits: number, unlike: string}[], cameras: {camera: string, unjudged: {start: number, end: number, reason: string}[]}[]}} Result
 */

const POLL_MS = 500;
const MOST = 12;
const WIDTH = 600;
const HEIGHT = 120;
const LEFT = 34;
const BELOW = 18;

/** A button, and below it what was found. */
export class Trying {
  /**
   * @param {() => {event: string, config: any}} asked What the form says now.
   * @param {(text: string) => void} exclude Adds a contrast to the form.
   * @param {AbortSignal} signal
   */
  constructor(asked, exclude, signal) {
    this.asked = asked;
    this.exclude = exclude;
    this.signal = signal;
    this.job = "";
    this.button = h("button", { type: "button", on: { click: () => this.start() } }, t.trying.start);
    this.found = h("div", { class: "stack close", "aria-live": "polite" });
    this.element = h("section", { class: "stack close" }, h("h2", {}, t.trying.title), h("div", { class: "row" }, this.button), this.found);
    signal.addEventListener("abort", () => this.stop());
  }

  /** Lets go of the job; a new one begins, or the page is left. */
  stop() {
    if (this.job) send("DELETE", `/backtest/${this.job}`).catch(() => null); // it ends by itself
    this.job = "";
  }

  async start() {
    const { event, config } = this.asked();
    this.stop();
    this.button.disabled = true;
    fill(this.found, h("p", { class: "quiet" }, t.loading));
    try {
      const response = await send("POST", "/backtest", { json: { event: event || null, config }, signal: this.signal });
      await this.follow(await response.json());
    } catch (error) {
      if (!this.signal.aborted) fill(this.found, h("p", { class: "box warn" }, inWords(error)));
    } finally {
      this.button.disabled = false;
    }
  }

  /** @param {any} job */
  async follow(job) {
    this.job = job.id;
    const progress = h("div", { class: "stack close" });
    const likely = h("div", {}); // drawn once: its pictures stay
    fill(this.found, progress, likely);
    while (job.state === "waiting" || job.state === "running") {
      const bar = h("progress", { max: job.total || 1, value: job.total ? job.done : undefined });
      fill(progress, h("label", { class: "row" }, bar, t.trying.progress(job.done, job.total)), job.estimate && estimated(job));
      if (job.estimate && !likely.hasChildNodes()) fill(likely, surest(job.estimate.moments));
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      job = await get(`/backtest/${this.job}`, { signal: this.signal });
    }
    if (job.result) this.draw(job.result);
    else fill(this.found, h("p", { class: "box warn" }, job.error ?? t.trying.stopped));
  }

  /** @param {Result} result */
  draw(result) {
    const judged = result.judged_hours > 0;
    fill(
      this.found,
      h("p", {}, judged ? t.trying.found(result.hits.length, short(result.hits_per_day ?? 0)) : t.trying.nothing),
      judged && result.hits.length > 0 && h("p", { class: "small" }, result.budget ? t.trying.budget(result.budget) : t.trying.noBudget),
      judged && curve(result.curve, result.threshold),
      surest(result.hits),
      result.look_alikes.length > 0 &&
        h(
          "ul",
          { class: "stack close" },
          result.look_alikes.map(({ name, hits, unlike }) =>
            h("li", { class: "row" }, t.trying.looksLike(hits, name), h("button", { type: "button", on: { click: () => this.exclude(unlike) } }, t.trying.exclude(unlike))),
          ),
        ),
      unjudged(result).map((text) => h("p", { class: "small" }, text)),
    );
  }
}

/** @param {any} job */
function estimated({ estimate, done, total }) {
  return h("p", {}, t.trying.estimate(estimate.moments.length, estimate.more, total ? Math.floor((100 * done) / total) : 0));
}

/** @param {Hit[]} hits */
function surest(hits) {
  const shown = [...hits].sort((a, b) => b.score - a.score).slice(0, MOST);
  return shown.length > 0 && h("ul", { class: "moments" }, shown.map(card));
}

/**
 * Returns events a day against the threshold, with the threshold of the rule.
 * @param {Point[]} points
 * @param {number | null} threshold
 */
function curve(points, threshold) {
  const top = Math.max(...points.map((point) => point.per_day), 0);
  if (!top) return null;
  const first = points[0].threshold;
  const x = (/** @type {number} */ at) => LEFT + ((at - first) / (1 - first)) * (WIDTH - LEFT - 8);
  const y = (/** @type {number} */ rate) => 8 + (HEIGHT - BELOW - 8) * (1 - rate / top);
  const path = points.map(({ threshold: at, per_day: rate }, i) => `${i ? "L" : "M"}${x(at).toFixed(1)} ${y(rate).toFixed(1)}`).join("");
  return h(
    "figure",
    { class: "stack close" },
    s(
      "svg",
      { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": t.trying.curve(points.map((point) => `${point.threshold.toFixed(2)}: ${short(point.per_day)}`).join(", ")) },
      [0, top].map((rate) => s("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(rate), y2: y(rate) })),
      s("path", { class: "line", d: path }),
      threshold !== null && threshold >= first ? s("line", { class: "threshold", x1: x(threshold), x2: x(threshold), y1: 0, y2: HEIGHT - BELOW }) : null,
      s("text", { x: 0, y: y(top) + 4 }, short(top)),
      s("text", { x: 0, y: y(0) + 4 }, "0"),
      [0.3, 0.5, 0.7, 0.9].map((at) => s("text", { x: x(at), y: HEIGHT - 2, "text-anchor": "middle" }, at.toFixed(1))),
    ),
    h("figcaption", { class: "small" }, t.trying.axes),
  );
}

/** @param {Hit} hit */
function card(hit) {
  const src = hit.shown_by && address(`/events/${encodeURIComponent(hit.shown_by)}/snapshot.jpg`, { width: 320, overlay: 0 });
  const image = src && h("img", { src, alt: "", loading: "lazy", decoding: "async" });
  if (image) image.addEventListener("error", () => image.remove()); // removed by now
  const inside = [
    h("span", { class: "thumb" }, image),
    h("span", { class: "name" }, hit.file ?? hit.camera),
    h("span", { class: "small" }, [moment(hit.start, hit.live), hit.score.toFixed(2), hit.over_budget ? t.trying.over : ""].filter(Boolean).join(" · ")),
  ];
  return h("li", { class: "moment" }, hit.shown_by ? h("a", { href: `/events/${encodeURIComponent(hit.shown_by)}` }, inside) : h("div", {}, inside));
}

/**
 * Returns what cannot be judged, and why.
 * @param {Result} result
 */
function unjudged(result) {
  return result.cameras.flatMap(({ camera, unjudged: gaps }) =>
    [...new Set(gaps.map((gap) => gap.reason))].map((reason) => {
      const seconds = gaps.filter((gap) => gap.reason === reason).reduce((sum, gap) => sum + gap.end - gap.start, 0);
      return t.trying.unjudged(camera, short(seconds / 3600), worded(t.trying.reasons, reason));
    }),
  );
}
