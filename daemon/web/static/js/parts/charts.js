// Small charts of numbers along the last minutes, and bars of shares.

import { h, s } from "../core/dom.js";
import { percent, short } from "../core/format.js";

/** @typedef {[number, number | null][]} Series Unix seconds, and the number or null where it is not known. */

const WIDTH = 240;
const HEIGHT = 56;

/**
 * Returns a titled line chart with its last number.
 * @param {string} title
 * @param {Series} series
 * @param {string} unit
 * @param {number} seconds How much of the past it shows.
 * @param {number} [least] The top of the scale is at least this.
 */
export function sparkline(title, series, unit, seconds, least = 0) {
  const known = /** @type {[number, number][]} */ (series.filter(([, value]) => value !== null));
  const lastValue = known.length ? known[known.length - 1][1] : null;
  const top = Math.max(least, ...known.map(([, value]) => value)) || 1;
  const end = series.length ? series[series.length - 1][0] : 0;
  const x = (/** @type {number} */ time) => WIDTH * (1 - (end - time) / seconds);
  const y = (/** @type {number} */ value) => 4 + (HEIGHT - 6) * (1 - value / top);
  let path = "";
  let drawing = false;
  for (const [time, value] of series) {
    if (value === null) {
      drawing = false; // a gap: nothing is known of that time
    } else {
      path += `${drawing ? "L" : "M"}${x(time).toFixed(1)} ${y(value).toFixed(1)}`;
      drawing = true;
    }
  }
  const number = lastValue === null ? "–" : `${short(lastValue)}${unit}`;
  return h(
    "li",
    { class: "spark" },
    h("span", { class: "title" }, title),
    h("span", { class: "score" }, number),
    s(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", preserveAspectRatio: "none", "aria-hidden": "true" },
      s("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT - 2, y2: HEIGHT - 2 }),
      s("path", { class: "line", d: path, "vector-effect": "non-scaling-stroke" }),
    ),
    h("span", { class: "small" }, `≤ ${short(top)}${unit}`),
  );
}

/**
 * Returns bars of shares 0..1, each with its name.
 * @param {readonly (readonly [string, number, string])[]} rows Name, share, and kind: its colour.
 */
export function bars(rows) {
  return h(
    "ul",
    { class: "bars" },
    rows.map(([name, share, kind]) =>
      h(
        "li",
        {},
        h("span", {}, name),
        h("span", { class: "track" }, h("span", { class: `fill ${kind}`, vars: { "--share": Math.min(1, Math.max(0, share)) } })),
        h("span", { class: "number" }, percent(share)),
      ),
    ),
  );
}
