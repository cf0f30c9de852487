// One camera: a larger picture, its state in words, its zones, and its latest events.

import { ApiError, get } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { dateTime, short } from "../core/format.js";
import { inWords, t } from "../core/i18n.js";
import { mayEdit } from "../core/me.js";
import { go } from "../core/router.js";
import { listen } from "../core/stream.js";
import { ask } from "../parts/asking.js";
import { cameraState, errorInWords, LivePicture } from "../parts/camera_card.js";
import { bars } from "../parts/charts.js";
import { Feed } from "../parts/feed.js";
import { refusedChange, write } from "../parts/saving.js";
import { ZoneDrawing } from "../parts/zone_drawing.js";

/** @typedef {import("../core/types.js").Camera} Camera */

const EVERY_MS = 3000;
const LATEST = 12;

/** @type {import("../core/router.js").View} */
export function cameraView(root, { name }) {
  const abort = new AbortController();
  const picture = new LivePicture(name, 1280);
  const state = h("p", {});
  const error = h("div", { class: "stack close notes" });
  const facts = h("dl", {});
  const scores = h("section", {});
  const feed = new Feed({ camera: name }, { limit: LATEST, more: false });
  const zones = h("details", {}, h("summary", {}, t.zones.title));
  const remove = h("button", { class: "bad", type: "button", on: { click: askToRemove } }, t.camera.remove);
  /** @type {ZoneDrawing | null} */
  let drawing = null;
  /** @type {Camera | null} */
  let camera = null;
  zones.addEventListener("toggle", () => {
    if (!zones.open || drawing || !camera) return;
    drawing = new ZoneDrawing([camera], () => load());
    zones.append(drawing.element);
  });
  fill(
    root,
    h("p", { class: "small" }, h("a", { href: "/" }, `← ${t.nav.live}`)),
    h("div", { class: "head" }, h("h1", {}, name), state),
    error,
    h(
      "div",
      { class: "live" },
      h("div", { class: "stack" }, picture.element, scores, facts, mayEdit() && zones, mayEdit() && h("p", {}, remove)),
      h("section", { class: "stack" }, h("h2", {}, t.live.latest), feed.element, h("p", {}, h("a", { href: `/events?camera=${encodeURIComponent(name)}` }, t.live.all))),
    ),
  );

  async function load() {
    try {
      const found = await get(`/cameras/${encodeURIComponent(name)}`, { signal: abort.signal });
      camera = found;
      draw(found);
    } catch (failure) {
      if (abort.signal.aborted) return;
      const gone = failure instanceof ApiError && failure.status === 404;
      fill(error, h("p", { class: "box bad", role: "alert" }, gone ? t.live.gone : inWords(failure)));
    }
  }

  async function askToRemove() {
    if (!(await ask(t.camera.removeAsk(name), t.camera.removeKeeps, t.camera.remove))) return;
    const place = `/cameras/${encodeURIComponent(name)}`;
    try {
      const { version } = await get(`${place}/config`);
      await write("DELETE", place, version);
      go("/");
    } catch (failure) {
      fill(error, refusedChange(failure));
    }
  }

  /** @param {any} found */
  function draw(found) {
    fill(state, cameraState(found));
    picture.follow(found);
    const told = found.state === "up" ? "" : errorInWords(found.error);
    fill(error, told && h("p", { class: "box warn" }, told), (found.warnings ?? []).map((/** @type {string} */ text) => h("p", { class: "box warn" }, text)));
    const rows = Object.entries(found.scores ?? {});
    fill(scores, rows.length > 0 && [h("h2", {}, t.live.probabilities), bars(rows.map(([rule, p]) => /** @type {const} */ ([rule, Number(p), "vision"])))]);
    const pair = (/** @type {string} */ term, /** @type {import("../core/dom.js").Child} */ value) => (value || value === 0 ? [h("dt", {}, term), h("dd", {}, value)] : []);
    fill(
      facts,
      pair(t.live.source, found.url),
      pair(t.live.size, found.width && found.height ? `${found.width} × ${found.height}` : null),
      pair(t.live.rate, typeof found.fps_sampled === "number" ? t.live.perSecond(short(found.fps_sampled)) : null),
      pair(t.live.last, found.last_frame_unix ? dateTime(found.last_frame_unix) : null),
      pair(t.live.restarts, found.restarts || null),
    );
  }

  load();
  const timer = setInterval(() => !document.hidden && load(), EVERY_MS);
  const ends = [listen("cameras", load), listen("resumed", load)];
  return () => {
    abort.abort();
    clearInterval(timer);
    picture.stop();
    drawing?.stop();
    feed.stop();
    for (const end of ends) end();
  };
}
