// One camera: its latest picture, asked for only while somebody can see it, and its state in words.

import { address } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { dateTime } from "../core/format.js";
import { t, worded } from "../core/i18n.js";
import { connection, listen } from "../core/stream.js";

/** @typedef {import("../core/types.js").Camera} Camera */

let every = 1000; // ms; the daemon encodes a picture at most once a second, and says so where many pages look at it
const SLOWEST_MS = 15_000;

listen("pace", (/** @type {{frame_every_s: number}} */ pace) => {
  every = 1000 * Math.max(1, pace.frame_every_s);
});

/** @type {Record<string, string>} */
const TONES = { up: "good", starting: "now", ended: "", stopping: "", reconnecting: "warn", stalled: "warn", backing_off: "warn", degraded: "bad", failed: "bad" };

/**
 * Returns the state of a camera as a dot and words.
 * @param {Camera} camera
 */
export function cameraState(camera) {
  return h("span", { class: "state" }, h("span", { class: `dot ${TONES[camera.state] ?? "warn"}` }), worded(t.states, camera.state));
}

/**
 * A picture that follows a camera. `stop` ends that.
 */
export class LivePicture {
  /**
   * @param {string} name
   * @param {number} width Pixels that it is shown with at most.
   */
  constructor(name, width) {
    this.name = name;
    this.width = width;
    this.image = h("img", { alt: t.live.pictureOf(name) });
    this.note = h("span", { class: "note small" });
    this.element = h("div", { class: "picture live" }, this.image, this.note);
    this.visible = false;
    this.stopped = false;
    this.wanted = false; // there is a picture to ask for
    this.moving = false; // and new ones come
    this.wait = every;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.observer = new IntersectionObserver(([entry]) => {
      this.visible = entry.isIntersecting;
      this.next(0);
    });
    this.observer.observe(this.element);
    this.wake = () => this.next(0);
    document.addEventListener("visibilitychange", this.wake);
    this.unwatch = connection.watch(({ state }) => state !== "lost" && this.next(0));
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.observer.disconnect();
    this.unwatch();
    document.removeEventListener("visibilitychange", this.wake);
  }

  /**
   * Follows what is known of the camera.
   * @param {Camera} camera
   */
  follow(camera) {
    const had = this.wanted && this.moving;
    this.wanted = typeof camera.last_frame_unix === "number";
    this.moving = camera.up;
    if (camera.width && camera.height) this.element.style.setProperty("--shape", `${camera.width} / ${camera.height}`);
    const down = !camera.up && camera.state !== "starting" && camera.state !== "ended";
    this.element.classList.toggle("stale", down);
    const last = down && camera.last_frame_unix ? t.live.lastPicture(dateTime(camera.last_frame_unix)) : "";
    this.note.textContent = this.wanted ? last : t.live.noPicture;
    if (this.wanted && !had) this.next(0);
  }

  /** @param {number} delay Milliseconds. */
  next(delay) {
    clearTimeout(this.timer);
    if (this.stopped || !this.visible || document.hidden || !this.wanted) return;
    this.timer = setTimeout(() => this.load(), delay);
  }

  async load() {
    const next = new Image();
    next.decoding = "async";
    const width = Math.round(this.width * Math.min(2, devicePixelRatio));
    next.src = address(`/cameras/${encodeURIComponent(this.name)}/frame.jpg`, { width, at: Date.now() });
    try {
      await next.decode();
      if (this.stopped) return;
      next.alt = this.image.alt;
      this.image.replaceWith(next);
      this.image = next;
      this.wait = every;
      this.element.classList.add("seen");
    } catch {
      this.wait = Math.min(SLOWEST_MS, this.wait * 2); // no frame yet, or nobody there; the state says why
    }
    if (this.moving) this.next(this.wait); // what has ended, or is lost, shows its last picture
  }
}

/** The card of a camera in a list. */
export class CameraCard {
  /** @param {Camera} camera */
  constructor(camera) {
    this.picture = new LivePicture(camera.name, 420);
    this.state = h("span", {});
    this.error = h("p", { class: "small" });
    this.events = h("p", { class: "small" });
    this.link = h("a", { class: "name", href: `/cameras/${encodeURIComponent(camera.name)}` }, camera.name);
    this.element = h("li", { class: "camera" }, this.picture.element, h("div", { class: "head" }, this.link, this.state), this.error, this.events);
    this.update(camera);
  }

  /** @param {Camera} camera */
  update(camera) {
    fill(this.state, cameraState(camera));
    this.picture.follow(camera);
    this.error.textContent = camera.state === "up" || camera.state === "ended" ? "" : errorInWords(camera.error);
    const names = camera.events ?? [];
    this.events.textContent = names.length ? t.live.watchesFor(names.join(", ")) : t.live.watchesForNothing;
  }

  stop() {
    this.picture.stop();
  }
}

/**
 * Returns the error of a source in words: ours for its code, and what the daemon adds.
 * @param {string | null | undefined} error As `code: message`.
 */
export function errorInWords(error) {
  if (!error) return "";
  const [code, ...rest] = error.split(": ");
  const known = /** @type {Record<string, string>} */ (t.sourceErrors)[code];
  return known ? `${known} (${rest.join(": ") || code})` : error;
}
