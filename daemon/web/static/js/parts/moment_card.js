// One telling moment: a picture, what happens in it, and when.

import { address } from "../core/api.js";
import { h } from "../core/dom.js";
import { moment } from "../core/format.js";
import { t } from "../core/i18n.js";

/**
 * A moment as the daemon describes it (docs/api.md).
 * @typedef {{id: string, event: string, description: string[], start: number, end: number, score: number, over_budget: boolean, snapshot: boolean}} ShortEvent
 * @typedef {{camera: string, live: boolean, start: number, end: number, best: number, novelty: number | null, events: ShortEvent[], clip: {event: string, at: number} | null, picture: number | null, thumbnail: {key: string, at: number} | null}} Moment
 */

/** @typedef {import("./short_video.js").Video} Video */

/**
 * Returns the card of a moment, a link to its surest event if it has one.
 * @param {Moment} one
 */
export function momentCard(one) {
  const event = one.events[0];
  const names = [...new Set(one.events.map((found) => found.event))].join(", ");
  const why = [one.novelty === null ? "" : t.summary.unlike, !event && one.novelty === null ? t.summary.typical : ""];
  const inside = [
    h("span", { class: "thumb" }, picture(one)),
    h("span", { class: "name" }, names || why.filter(Boolean).join(", ")),
    h("span", { class: "small" }, [moment(one.start, one.live), one.live ? one.camera : "", event ? event.score.toFixed(2) : "", names ? why[0] : ""].filter(Boolean).join(" · ")),
  ];
  return h("li", { class: "moment" }, event ? h("a", { href: `/events/${encodeURIComponent(event.id)}` }, inside) : h("div", {}, inside));
}

/**
 * Gives cards that have no picture a frame of the short videos that show their moments.
 * @param {HTMLElement} list
 * @param {Moment[]} moments In the order of the cards.
 * @param {Video[]} videos
 */
export function illustrate(list, moments, videos) {
  const places = videos.flatMap((video) => video.moments.map((shown) => ({ ...shown, url: video.url })));
  list.querySelectorAll(".thumb").forEach((thumb, i) => {
    const one = moments[i];
    const found = places.find(({ start, camera }) => Math.abs(start - one.start) < 0.01 && (camera === one.camera || !one.live));
    if (found && !thumb.firstChild) thumb.append(still(found.url, found.at + Math.min(one.best - one.start, found.seconds / 2)));
  });
}

/**
 * Returns the picture of a moment, or the frame of a clip that shows it; null where neither is kept.
 * @param {Moment} one
 */
function picture(one) {
  const seen = one.events.find((event) => event.snapshot);
  const kept =
    one.picture !== null
      ? address(`/cameras/${encodeURIComponent(one.camera)}/unusual.jpg`, { at: one.picture })
      : one.thumbnail && address("/moments/picture.jpg", { camera: one.camera, ...one.thumbnail });
  const src = seen ? address(`/events/${encodeURIComponent(seen.id)}/snapshot.jpg`, { width: 320, overlay: 0 }) : kept;
  if (src) {
    const image = h("img", { src, alt: "", loading: "lazy", decoding: "async" });
    image.addEventListener("error", () => image.remove()); // removed by now
    return image;
  }
  if (!one.clip) return null;
  return still(address(`/events/${encodeURIComponent(one.clip.event)}/clip.mp4`), one.clip.at + Math.max(0, one.best - one.start));
}

/**
 * Returns one frame of a video.
 * @param {string} url
 * @param {number} at Second of the video.
 */
function still(url, at) {
  return h("video", { src: `${url}#t=${at.toFixed(1)}`, preload: "metadata", muted: true, playsinline: true, "aria-hidden": "true", tabindex: "-1" });
}
