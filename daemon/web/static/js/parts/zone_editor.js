// Zones drawn on a camera's picture: by pointer, or by keyboard corner by corner.

import { h, s, fill } from "../core/dom.js";
import { t } from "../core/i18n.js";
import { say } from "../core/say.js";

/** @typedef {import("../core/types.js").Point} Point */

const STEP = 0.01;
const BIG_STEP = 0.05;
const NEAR_PX = 14;
const FEWEST = 3;
const MOST = 50;

/**
 * One zone that is edited over a picture; the others are shown. Corners are shares of width and height.
 *
 * Pointer: a press on a corner moves it, on an edge adds one there, elsewhere appends one. Keyboard: each corner can be
 * focused; arrows move it, Insert or + adds one behind it, Delete removes it.
 */
export class ZoneEditor {
  /**
   * @param {Element} picture What it lies on.
   * @param {() => void} changed Called after each change.
   */
  constructor(picture, changed) {
    /** @type {Point[]} */
    this.corners = [];
    /** @type {Point[][]} */
    this.others = [];
    this.changed = changed;
    this.svg = s("svg", { class: "areas", role: "group", "aria-label": t.zones.onPicture });
    this.help = h("p", { class: "small" }, t.zones.help);
    this.element = h("div", { class: "stack close" }, h("div", { class: "zone-picture" }, picture, this.svg), this.help);
    /** @type {number | null} */
    this.dragged = null;
    this.svg.addEventListener("pointerdown", (event) => this.press(event));
    this.svg.addEventListener("pointermove", (event) => this.drag(event));
    this.svg.addEventListener("pointerup", () => this.release());
    this.svg.addEventListener("pointercancel", () => this.release());
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  /**
   * Begins with the corners of a zone.
   * @param {readonly Point[]} corners
   * @param {readonly Point[][]} others
   */
  edit(corners, others) {
    this.corners = corners.map(([x, y]) => [x, y]);
    this.others = [...others];
    this.draw();
  }

  get complete() {
    return this.corners.length >= FEWEST;
  }

  /** Adds a corner in the middle of the longest edge; the first three make a triangle. */
  add() {
    const n = this.corners.length;
    if (n >= MOST) return;
    /** @type {Point[]} */
    const triangle = [[0.3, 0.7], [0.5, 0.3], [0.7, 0.7]];
    if (n < FEWEST) this.insert(n, triangle[n]);
    else {
      const lengths = this.corners.map(([x, y], i) => Math.hypot(this.corners[(i + 1) % n][0] - x, this.corners[(i + 1) % n][1] - y));
      const longest = lengths.indexOf(Math.max(...lengths));
      this.insert(longest + 1, middle(this.corners[longest], this.corners[(longest + 1) % n]));
    }
  }

  clear() {
    this.corners = [];
    this.draw();
    this.changed();
  }

  /**
   * @param {number} at
   * @param {Point} corner
   */
  insert(at, corner) {
    if (this.corners.length >= MOST) return;
    this.corners.splice(at, 0, rounded(corner));
    this.draw();
    this.focus(at);
    this.changed();
  }

  /** @param {number} at */
  focus(at) {
    const handle = this.svg.querySelectorAll("circle")[at];
    if (handle instanceof SVGElement) handle.focus();
  }

  /** @param {PointerEvent} event */
  press(event) {
    if (event.button) return;
    event.preventDefault();
    const box = this.svg.getBoundingClientRect();
    const point = /** @type {Point} */ ([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
    const pixels = ([x, y] = /** @type {Point} */ ([0, 0])) => Math.hypot((x - point[0]) * box.width, (y - point[1]) * box.height);
    const near = this.corners.findIndex((corner) => pixels(corner) < NEAR_PX);
    if (near >= 0) this.dragged = near;
    else {
      const n = this.corners.length;
      const edge = n < FEWEST ? -1 : this.corners.findIndex((corner, i) => pixels(closest(corner, this.corners[(i + 1) % n], point, box)) < NEAR_PX);
      this.dragged = edge >= 0 ? edge + 1 : n;
      this.insert(this.dragged, point);
    }
    this.svg.setPointerCapture(event.pointerId);
    this.focus(this.dragged);
  }

  /** @param {PointerEvent} event */
  drag(event) {
    if (this.dragged === null || !this.corners[this.dragged]) return;
    const box = this.svg.getBoundingClientRect();
    this.corners[this.dragged] = rounded([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
    this.draw();
  }

  release() {
    if (this.dragged === null) return;
    this.dragged = null;
    this.changed();
  }

  /**
   * @param {KeyboardEvent} event
   * @param {number} at
   */
  key(event, at) {
    const step = event.shiftKey ? BIG_STEP : STEP;
    const moves = /** @type {Record<string, Point>} */ ({ ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] });
    const [x, y] = this.corners[at];
    const n = this.corners.length;
    if (event.key in moves) {
      const [dx, dy] = moves[event.key];
      this.corners[at] = rounded([x + dx, y + dy]);
      this.draw();
      this.focus(at);
      say(t.zones.corner(at + 1, ...percentages(this.corners[at])));
      this.changed();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.corners.splice(at, 1);
      this.draw();
      if (this.corners.length) this.focus(Math.max(0, at - 1));
      this.changed();
    } else if (event.key === "Insert" || event.key === "+") {
      this.insert(at + 1, n > 1 ? middle(this.corners[at], this.corners[(at + 1) % n]) : [x + BIG_STEP, y]);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  draw() {
    const { width, height } = this.svg.getBoundingClientRect();
    if (!width) return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const polygon = (/** @type {Point[]} */ corners, kind = "") =>
      s("polygon", { class: kind, points: corners.map(([x, y]) => `${x * width},${y * height}`).join(" ") });
    const focused = [...this.svg.querySelectorAll("circle")].findIndex((handle) => handle === document.activeElement);
    fill(
      this.svg,
      this.others.map((corners) => polygon(corners, "other")),
      polygon(this.corners),
      this.corners.map(([x, y], i) =>
        s("circle", {
          class: "corner",
          cx: x * width,
          cy: y * height,
          r: 8,
          tabindex: 0,
          role: "button",
          "aria-label": t.zones.corner(i + 1, ...percentages([x, y])),
          on: { keydown: (/** @type {KeyboardEvent} */ event) => this.key(event, i) },
        }),
      ),
    );
    if (focused >= 0) this.focus(Math.min(focused, this.corners.length - 1));
  }
}

/**
 * @param {Point} corner
 * @returns {Point}
 */
function rounded([x, y]) {
  const within = (/** @type {number} */ share) => Math.round(Math.min(1, Math.max(0, share)) * 1000) / 1000;
  return [within(x), within(y)];
}

/**
 * @param {Point} corner
 * @returns {[number, number]}
 */
function percentages([x, y]) {
  return [Math.round(x * 100), Math.round(y * 100)];
}

/**
 * @param {Point} a
 * @param {Point} b
 * @returns {Point}
 */
function middle(a, b) {
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}

/**
 * Returns the point of an edge that is nearest, as the reader sees it.
 * @param {Point} a
 * @param {Point} b
 * @param {Point} point
 * @param {{width: number, height: number}} box
 * @returns {Point}
 */
function closest(a, b, point, { width, height }) {
  const [dx, dy] = [(b[0] - a[0]) * width, (b[1] - a[1]) * height];
  const along = ((point[0] - a[0]) * width * dx + (point[1] - a[1]) * height * dy) / (dx * dx + dy * dy || 1);
  const share = Math.min(1, Math.max(0, along));
  return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share];
}
