// A day along time: a lane for each camera, with its events and how unlike the usual it was.

import { h, s } from "../core/dom.js";
import { timeOfDay } from "../core/format.js";
import { t } from "../core/i18n.js";
import { go } from "../core/router.js";

/**
 * @typedef {{id: string, camera: string, event: string, start: number, end: number, score: number, over_budget: boolean}} LaneEvent
 * @typedef {{since: number, until: number, cameras: {name: string, events: number, novelty: [number, number][]}[], events: LaneEvent[]}} Day
 */

const HEIGHT = 44;
const LINE = 30; // events stand on it
const NOVEL = 3; // from which novelty counts
const TOP_NOVELTY = 30; // what is more unlike than that is drawn alike
const NEAR_PX = 12;

/** @param {Day} day */
export function dayLanes(day) {
  return h(
    "ul",
    { class: "lanes" },
    day.cameras.map(({ name, events, novelty }) => {
      const own = day.events.filter(({ camera }) => camera === name);
      return h("li", {}, h("span", { class: "row small" }, h("span", {}, name), h("span", {}, t.summary.events(events))), lane(day, own, novelty));
    }),
    h("li", { class: "row small hours", "aria-hidden": "true" }, [0, 1, 2, 3, 4].map((i) => h("span", {}, timeOfDay(day.since + ((day.until - day.since) * i) / 4).slice(0, 5)))),
  );
}

/**
 * @param {Day} day
 * @param {LaneEvent[]} events
 * @param {[number, number][]} novelty
 */
function lane(day, events, novelty) {
  const width = 1000;
  const x = (/** @type {number} */ time) => (width * Math.min(Math.max(time, day.since), day.until) - width * day.since) / (day.until - day.since);
  const y = (/** @type {number} */ value) => LINE - 2 - (LINE - 4) * Math.min(1, Math.log1p(Math.max(0, value - NOVEL)) / Math.log1p(TOP_NOVELTY));
  const chart = s(
    "svg",
    { class: "chart lane", viewBox: `0 0 ${width} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": t.summary.lane(events.length, [...new Set(events.map(({ event }) => event))].join(", ")) },
    s("line", { class: "grid", x1: 0, x2: width, y1: LINE, y2: LINE }),
    novelty.map(([time, value]) => value >= NOVEL && s("line", { class: "novel", x1: x(time), x2: x(time), y1: LINE - 2, y2: y(value), "vector-effect": "non-scaling-stroke" })),
    events.map(({ start, end, over_budget: over }) => s("rect", { class: over ? "mark over" : "mark", x: x(start), width: Math.max(2.5, x(end) - x(start)), y: LINE + 2, height: HEIGHT - LINE - 4 })),
  );
  if (events.length) {
    chart.addEventListener("click", (pointer) => {
      const box = chart.getBoundingClientRect();
      const time = day.since + ((pointer.clientX - box.left) / box.width) * (day.until - day.since);
      const away = (/** @type {LaneEvent} */ one) => Math.max(one.start - time, time - one.end, 0);
      const nearest = events.reduce((best, one) => (away(one) < away(best) ? one : best));
      if ((away(nearest) / (day.until - day.since)) * box.width <= NEAR_PX) go(`/events/${encodeURIComponent(nearest.id)}`);
    });
  }
  return chart;
}
