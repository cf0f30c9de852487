// What a threshold would have kept of the events that are stored: each is a dot at its time and score.

import { get } from "../core/api.js";
import { h, s, fill } from "../core/dom.js";
import { inWords, t } from "../core/i18n.js";

/** @typedef {import("../core/types.js").EventBody} EventBody */

const PAST_S = 7 * 86400;
const MOST = 500;
const WIDTH = 600;
const HEIGHT = 90;

/** A preview for one rule, by its name. */
export class StoredPreview {
  /** @param {AbortSignal} signal */
  constructor(signal) {
    this.signal = signal;
    this.element = h("div", { class: "stack close" });
    /** @type {EventBody[]} */
    this.events = [];
    /** @type {number | null} */
    this.threshold = null;
  }

  /** @param {string} name */
  async load(name) {
    const since = Math.floor(Date.now() / 1000 - PAST_S);
    try {
      const page = await get("/events", { query: { event: name, since, limit: MOST }, signal: this.signal });
      this.events = page.events;
      this.draw();
    } catch (error) {
      if (!this.signal.aborted) fill(this.element, h("p", { class: "quiet" }, inWords(error)));
    }
  }

  /** @param {number | null} threshold */
  show(threshold) {
    this.threshold = threshold;
    this.draw();
  }

  draw() {
    const { events, threshold } = this;
    if (!events.length) {
      fill(this.element, h("p", { class: "quiet" }, t.rule.nothingStored));
      return;
    }
    const kept = threshold === null ? events : events.filter(({ score }) => score >= threshold);
    const at = (/** @type {EventBody} */ event) => Date.parse(event.produced_at) / 1000;
    const first = Math.min(...events.map(at));
    const last = Math.max(...events.map(at), first + 1);
    const y = (/** @type {number} */ score) => 6 + (HEIGHT - 12) * (1 - score);
    const line = threshold === null ? null : s("line", { class: "threshold", x1: 0, x2: WIDTH, y1: y(threshold), y2: y(threshold) });
    fill(
      this.element,
      h("p", {}, threshold === null ? t.rule.stored(events.length) : t.rule.keeps(kept.length, events.length)),
      s(
        "svg",
        { class: "chart dots", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
        [0, 0.5, 1].map((p) => s("line", { class: "grid", x1: 0, x2: WIDTH, y1: y(p), y2: y(p) })),
        line,
        events.map((event) =>
          s("circle", {
            class: kept.includes(event) ? "in" : "out",
            cx: 8 + ((at(event) - first) / (last - first)) * (WIDTH - 16),
            cy: y(event.score),
            r: 4,
          }),
        ),
      ),
      h("p", { class: "small" }, t.rule.storedOnly),
    );
  }
}
