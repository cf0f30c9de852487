// The short video of a summary: made when it is asked for, then played here, with its moments to jump to.

import { send } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { duration, moment } from "../core/format.js";
import { inWords, t } from "../core/i18n.js";

/**
 * @typedef {{url: string, seconds: number, moments: {camera: string, start: number, at: number, seconds: number}[]}} Video
 */

/**
 * Returns the button that makes the video, in whose place the video comes.
 * @param {Record<string, any>} order Body of `POST /summary/videos`.
 * @param {boolean} live Whether moments have a time of day.
 * @param {AbortSignal} signal
 * @param {(videos: Video[]) => void} made Called when it can be played.
 * @param {boolean} [atOnce] Whether it is made without being asked for.
 */
export function shortVideo(order, live, signal, made, atOnce = false) {
  const button = h("button", { type: "button", on: { click: () => make(false) } }, t.summary.make);
  const status = h("div", { role: "status" });
  const place = h("div", { class: "stack" });

  /** @param {boolean} h264 Whether what this browser may not play is encoded again. */
  async function make(h264) {
    button.disabled = true;
    fill(status, h("p", { class: "quiet" }, t.summary.making));
    try {
      const { videos } = await (await send("POST", "/summary/videos", { json: { ...order, h264 }, signal })).json();
      fill(status);
      button.hidden = true;
      fill(place, videos.map((/** @type {Video} */ video) => player(video, h264)));
      made(videos);
    } catch (error) {
      if (!signal.aborted) fill(status, h("p", { class: "box warn" }, inWords(error)));
    } finally {
      button.disabled = false;
    }
  }

  /**
   * @param {Video} video
   * @param {boolean} h264
   */
  function player(video, h264) {
    const screen = h("video", { controls: true, playsinline: true, preload: "metadata", src: video.url, "aria-label": t.summary.video });
    screen.addEventListener("error", () => !h264 && make(true)); // H.265, perhaps
    screen.addEventListener("loadedmetadata", () => !screen.videoWidth && !h264 && make(true));
    const seek = (/** @type {number} */ at) => {
      screen.currentTime = at;
      screen.play().catch(() => {}); // needs a gesture in some browsers: the frame is shown all the same
    };
    const several = new Set(video.moments.map(({ camera }) => camera)).size > 1;
    return h(
      "div",
      { class: "clip stack close" },
      screen,
      h("p", { class: "row small" }, duration(video.seconds), h("a", { href: video.url, download: "summary.mp4" }, t.event.download)),
      h(
        "ol",
        { class: "row" },
        video.moments.map(({ camera, start, at }) =>
          h("li", {}, h("button", { class: "plain", type: "button", on: { click: () => seek(at) } }, moment(start, live), several && ` ${camera}`)),
        ),
      ),
    );
  }

  if (atOnce) make(false);
  return h("section", { class: "stack close" }, h("p", {}, button), status, place);
}
