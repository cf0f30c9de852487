// Probability along time: the chart of the explanation picture, which can be read by pointer and keyboard.

import { h, s } from "../core/dom.js";
import { moment, offset, timeOfDay } from "../core/format.js";
import { t } from "../core/i18n.js";

/** @typedef {import("../core/types.js").EventBody} EventBody */
/** @typedef {import("../core/types.js").Point} Point */

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400];
const TOP = 14;
const BOTTOM = 26;
const LEFT = 30;

/**
 * Returns the chart of an event with its legend.
 * @param {EventBody} event
 * @param {number} height Pixels.
 * @param {(seconds: number) => void} [seek] Called with the stream second that was chosen.
 */
export function timeline(event, height, seek) {
  const frame = h("div", { class: "stack close" });
  const said = h("p", { class: "small", "aria-live": "polite" });
  const points = track(event);
  if (points.length < 2) return h("p", { class: "quiet" }, t.event.noTrack);
  let width = 0;
  let at = -1;
  const chart = s("svg", {
    class: "chart",
    role: seek ? "slider" : "img",
    tabindex: "0",
    "aria-label": summary(event, points),
    ...(seek ? { "aria-valuemin": 0, "aria-valuemax": points.length - 1, "aria-valuenow": 0 } : {}),
  });

  const draw = () => drawChart(chart, event, points, width, height, at);
  const show = (/** @type {number} */ next) => {
    at = Math.max(0, Math.min(points.length - 1, next));
    const [time, p] = points[at];
    said.textContent = `${moment(time, event.live)} · ${p.toFixed(2)}`;
    if (seek) {
      chart.setAttribute("aria-valuenow", String(at));
      chart.setAttribute("aria-valuetext", said.textContent);
    }
    draw();
  };
  const nearest = (/** @type {PointerEvent | MouseEvent} */ pointer) => {
    const box = chart.getBoundingClientRect();
    const scale = scaleOf(points, box.width, height);
    const time = scale.time(pointer.clientX - box.left);
    return points.reduce((best, [when], i) => (Math.abs(when - time) < Math.abs(points[best][0] - time) ? i : best), 0);
  };
  chart.addEventListener("pointermove", (pointer) => show(nearest(pointer)));
  chart.addEventListener("pointerleave", () => {
    at = -1;
    said.textContent = "";
    draw();
  });
  chart.addEventListener("click", (pointer) => {
    show(nearest(pointer));
    seek?.(points[at][0]);
  });
  chart.addEventListener("keydown", (key) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageUp: 10, PageDown: -10 }[key.key];
    const from = at < 0 ? Math.max(0, points.findIndex(([when]) => when >= event.start)) : at;
    if (step !== undefined) show(at < 0 ? from : from + step);
    else if (key.key === "Home") show(0);
    else if (key.key === "End") show(points.length - 1);
    else if ((key.key === "Enter" || key.key === " ") && at >= 0) seek?.(points[at][0]);
    else return;
    key.preventDefault();
  });
  new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width);
    if (now && now !== width) {
      width = now;
      draw();
    }
  }).observe(chart);
  frame.append(legend(event), chart, said);
  return frame;
}

/**
 * Returns the best track that an event has.
 * @param {EventBody} event
 * @returns {Point[]}
 */
export function track(event) {
  const fine = event.evidence.timeline ?? [];
  return fine.length > 1 ? fine : event.score_track;
}

/** @param {EventBody} event */
function legend(event) {
  const threshold = event.rule?.threshold;
  const words = event.evidence.words.length > 0;
  return h(
    "p",
    { class: "legend" },
    h("span", {}, t.event.probability),
    h("span", { class: "span" }, t.event.theEvent),
    typeof threshold === "number" && h("span", { class: "threshold" }, t.event.threshold(threshold.toFixed(2))),
    words && h("span", { class: "words" }, t.event.speech),
  );
}

/**
 * @param {EventBody} event
 * @param {Point[]} points
 */
function summary(event, points) {
  const highest = points.reduce((best, point) => (point[1] > best[1] ? point : best));
  const [start, end, top] = [event.start, event.end, highest[0]].map((time) => moment(time, event.live));
  return t.event.chartSummary(start, end, highest[1].toFixed(2), top);
}

/**
 * @param {Point[]} points
 * @param {number} width
 * @param {number} height
 */
function scaleOf(points, width, height) {
  const first = points[0][0];
  const last = Math.max(points[points.length - 1][0], first + 0.5);
  const inner = Math.max(1, width - LEFT - 8);
  return {
    first,
    last,
    x: (/** @type {number} */ time) => LEFT + inner * Math.min(1, Math.max(0, (time - first) / (last - first))),
    y: (/** @type {number} */ p) => TOP + (height - TOP - BOTTOM) * (1 - Math.min(1, Math.max(0, p))),
    time: (/** @type {number} */ x) => first + ((x - LEFT) / inner) * (last - first),
  };
}

/**
 * @param {SVGElement} chart
 * @param {EventBody} event
 * @param {Point[]} points
 * @param {number} width
 * @param {number} height
 * @param {number} at Number of the point that is read, -1 for none.
 */
function drawChart(chart, event, points, width, height, at) {
  const { x, y, first, last } = scaleOf(points, width, height);
  chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const path = points.map(([time, p], i) => `${i ? "L" : "M"}${x(time).toFixed(1)} ${y(p).toFixed(1)}`).join("");
  const threshold = event.rule?.threshold;
  const best = [...event.evidence.top_frames].sort((a, b) => a[0] - b[0]);
  chart.replaceChildren(
    s("rect", { class: "span", x: x(event.start), y: y(1), width: Math.max(2, x(event.end) - x(event.start)), height: y(0) - y(1) }),
    ...[0, 0.5, 1].map((p) =>
      s("g", {}, s("line", { class: "grid", x1: LEFT, x2: width, y1: y(p), y2: y(p) }), s("text", { x: 0, y: y(p) + 4 }, p.toFixed(1))),
    ),
    ...ticks(first, last, Math.max(2, Math.min(7, Math.floor(width / 90)))).map((time) =>
      s(
        "g",
        {},
        s("line", { class: "tick", x1: x(time), x2: x(time), y1: y(0), y2: y(0) + 4 }),
        s("text", { x: Math.min(width - 30, Math.max(LEFT + 26, x(time))), y: y(0) + 18, "text-anchor": "middle" }, event.live ? timeOfDay(time) : offset(time)),
      ),
    ),
    s("path", { class: "area", d: `${path}L${x(last)} ${y(0)}L${x(first)} ${y(0)}Z` }),
    s("path", { class: "line", d: path }),
    ...event.evidence.words
      .filter((word) => word.end >= first && word.start <= last)
      .map((word) => s("line", { class: "words", x1: x(word.start), x2: Math.max(x(word.end), x(word.start) + 2), y1: y(0), y2: y(0) })),
    ...(typeof threshold === "number" ? [s("line", { class: "threshold", x1: LEFT, x2: width, y1: y(threshold), y2: y(threshold) })] : []),
    ...best.map(([time, p], i) =>
      s("g", { class: "best" }, s("circle", { cx: x(time), cy: y(p), r: 8 }), s("text", { x: x(time), y: y(p) + 4 }, i + 1)),
    ),
    ...(at >= 0 ? [s("line", { class: "cursor", x1: x(points[at][0]), x2: x(points[at][0]), y1: y(1), y2: y(0) })] : []),
  );
}

/**
 * Returns round times between two.
 * @param {number} first
 * @param {number} last
 * @param {number} most
 */
function ticks(first, last, most) {
  const step = STEPS_S.find((seconds) => (last - first) / seconds <= most) ?? STEPS_S[STEPS_S.length - 1];
  const found = [];
  for (let time = Math.ceil(first / step) * step; time <= last; time += step) found.push(time);
  return found;
}
