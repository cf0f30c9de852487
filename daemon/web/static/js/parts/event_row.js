// One event in a list.

import { address } from "../core/api.js";
import { h } from "../core/dom.js";
import { dateTime, duration, offset, timeOfDay } from "../core/format.js";
import { t } from "../core/i18n.js";
import { opinionLine } from "./opinion.js";

/** @typedef {import("../core/types.js").EventBody} EventBody */

/**
 * Returns the row of an event, or the old one if nothing has changed in it.
 * @param {EventBody} event
 * @param {Element | undefined} old
 * @param {boolean} [dated] Whether it says the date too.
 */
export function eventRow(event, old, dated = false) {
  const mark = `${event.revision} ${document.documentElement.lang}`;
  if (old instanceof HTMLElement && old.dataset.mark === mark) return old;
  const seconds = event.end - event.start;
  const open = event.type !== "end";
  const picture = event.evidence.snapshot !== null;
  const row = h(
    "li",
    { "data-mark": mark },
    h(
      "a",
      { class: "event", href: `/events/${encodeURIComponent(event.id)}` },
      h("span", { class: "thumb" }, picture && thumbnail(event, old)),
      h(
        "span",
        { class: "what" },
        h("span", { class: "name" }, event.event),
        h("span", { class: "small" }, event.caption?.text ?? event.description.join(" / ")),
        opinionLine(event),
      ),
      h(
        "span",
        { class: "when" },
        h(
          "span",
          { class: "state" },
          open && h("span", { class: "dot now" }),
          open ? t.feed.now : null,
          h("span", {}, when(event, dated)),
        ),
        h("span", { class: "small" }, [whence(event), duration(seconds), judged(event)].filter(Boolean).join(" · ")),
      ),
      h("span", { class: "score", title: t.event.score }, event.score.toFixed(2)),
    ),
  );
  return row;
}

/**
 * @param {EventBody} event
 * @param {Element | undefined} old
 */
function thumbnail(event, old) {
  const before = old?.querySelector("img");
  if (before && before.complete && before.naturalWidth && event.type === "update") return before;
  const src = address(`/events/${encodeURIComponent(event.id)}/snapshot.jpg`, { width: 320, overlay: 0, r: event.revision });
  const image = h("img", { src, alt: "", loading: "lazy", decoding: "async" });
  image.addEventListener("error", () => image.remove()); // not written yet, or removed by now
  return image;
}

/**
 * @param {EventBody} event
 * @param {boolean} dated
 */
export function when(event, dated) {
  if (event.start_unix === null) return offset(event.start);
  return dated ? dateTime(event.start_unix) : timeOfDay(event.start_unix);
}

/** @param {EventBody} event */
export function whence(event) {
  return event.source && event.camera === "uploads" ? event.source.name : event.camera;
}

/** @param {EventBody} event */
function judged(event) {
  const [kind, share] = Object.entries(event.modalities).reduce((best, one) => (one[1] > best[1] ? one : best), ["", 0]);
  return share > 0 && kind !== "vision" ? (/** @type {Record<string, string>} */ (t.modalities)[kind] ?? kind) : "";
}
