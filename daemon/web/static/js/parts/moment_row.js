// One moment that a search found, with what shows it.

import { address } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { dateTime, duration, offset } from "../core/format.js";
import { t } from "../core/i18n.js";

/** @typedef {import("../core/types.js").FoundMoment} FoundMoment */

const LIKELY = 0.5;
const AROUND_S = 3; // of an upload's file before and after a moment

/**
 * @param {FoundMoment} moment
 * @param {boolean} probable Whether its score is a probability.
 */
export function momentRow(moment, probable) {
  const when = moment.start_unix === null ? offset(moment.start) : dateTime(moment.start_unix);
  const name = `${moment.file ?? moment.camera}, ${when}`;
  const source = picture(moment);
  const shown = h("div", { class: "shown" });
  const image = source ? h("img", { src: source, alt: "", loading: "lazy", decoding: "async" }) : null;
  image?.addEventListener("error", () => image.remove()); // removed by now
  const button = moment.plays && h("button", { type: "button", class: "play", "aria-label": t.search.play(name), on: { click: () => play(shown, moment, name) } }, "▶");
  fill(shown, image, !image && h("span", { class: "small" }, t.search.noPicture), button);
  return h(
    "li",
    { class: probable && moment.score < LIKELY ? "moment faint" : "moment" },
    shown,
    h(
      "div",
      { class: "stack close" },
      h("span", { class: "name" }, moment.file ?? moment.camera),
      h("span", { class: "small" }, `${when} · ${duration(moment.end - moment.start)}`),
      moment.caption && h("span", {}, moment.caption),
      moment.said && h("q", { class: "small" }, moment.said),
      h(
        "span",
        { class: "row small" },
        h("span", { title: moment.by === "described" ? t.search.described : probable ? t.event.score : t.search.likeness }, moment.score.toFixed(2)),
        moment.event && h("a", { href: `/events/${encodeURIComponent(moment.event)}` }, t.search.event),
      ),
    ),
  );
}

/** @param {FoundMoment} moment */
function picture(moment) {
  if (moment.picture && moment.event) return address(`/events/${encodeURIComponent(moment.event)}/snapshot.jpg`, { width: 320, overlay: 0 });
  if (moment.upload) return address("/moments/picture.jpg", { camera: moment.camera, key: moment.key, at: moment.peak });
  if (moment.thumbnail !== null) return address("/moments/picture.jpg", { camera: moment.camera, key: moment.key, at: moment.thumbnail });
  return "";
}

/**
 * Plays a moment where its picture was.
 * @param {HTMLElement} place
 * @param {FoundMoment} moment
 * @param {string} name
 */
function play(place, moment, name) {
  const video = h("video", { controls: true, autoplay: true, playsinline: true, src: source(moment, false), "aria-label": name });
  let transcoded = moment.upload; // a part of a file is in a form that browsers play
  video.addEventListener("error", () => {
    if (transcoded) fill(place, h("p", { class: "box warn" }, t.event.clipUnplayable));
    else video.src = source(moment, (transcoded = true)); // H.265, perhaps
  });
  fill(place, video);
  video.focus();
}

/**
 * @param {FoundMoment} moment
 * @param {boolean} transcoded
 */
function source(moment, transcoded) {
  if (moment.upload) {
    const start = Math.max(0, moment.start - AROUND_S);
    return address("/moments/clip.mp4", { camera: moment.camera, key: moment.key, start, end: moment.end + AROUND_S });
  }
  return address(`/events/${encodeURIComponent(moment.event ?? "")}/clip.mp4`, transcoded ? { transcode: 1 } : {});
}
