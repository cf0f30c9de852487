// The first view: what the cameras see now, and what happened last.

import { get } from "../core/api.js";
import { h, fill, keyed } from "../core/dom.js";
import { inWords, t } from "../core/i18n.js";
import { mayEdit } from "../core/me.js";
import { connection, listen } from "../core/stream.js";
import { CameraCard } from "../parts/camera_card.js";
import { Feed } from "../parts/feed.js";

/** @typedef {import("../core/types.js").Camera} Camera */

const EVERY_MS = 10_000; // the stream tells of changes; this is for what it does not tell, such as rates
const LATEST = 12;

/** @type {import("../core/router.js").View} */
export function liveView(root) {
  const abort = new AbortController();
  /** @type {Map<string, CameraCard>} */
  const cards = new Map();
  const grid = h("ul", { class: "cameras" });
  const status = h("div", {}, h("p", { class: "quiet" }, t.loading));
  const feed = new Feed({}, { limit: LATEST, more: false });
  fill(
    root,
    h("div", { class: "head" }, h("h1", {}, t.nav.live), mayEdit() && h("a", { class: "button", href: "/cameras/+new" }, t.camera.add)),
    h(
      "div",
      { class: "live" },
      h("section", { "aria-label": t.live.cameras }, status, grid),
      h("section", { class: "stack" }, h("h2", {}, t.live.latest), feed.element, h("p", {}, h("a", { href: "/events" }, t.live.all))),
    ),
  );

  async function load() {
    try {
      const { cameras } = await get("/cameras", { signal: abort.signal });
      draw(cameras);
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!cards.size) fill(status, h("p", { class: "box bad", role: "alert" }, inWords(error)));
    }
  }

  /** @param {Camera[]} cameras */
  function draw(cameras) {
    fill(status, !cameras.length && h("p", { class: "quiet" }, t.live.none));
    const names = new Set(cameras.map(({ name }) => name));
    for (const [name, card] of cards) {
      if (names.has(name)) continue;
      card.stop();
      cards.delete(name);
    }
    keyed(
      grid,
      cameras,
      ({ name }) => name,
      (camera) => {
        const card = cards.get(camera.name) ?? new CameraCard(camera);
        cards.set(camera.name, card);
        card.update(camera);
        return card.element;
      },
    );
  }

  const timer = setInterval(() => !document.hidden && connection.value.state !== "lost" && load(), EVERY_MS);
  const ends = [listen("cameras", load), listen("resumed", load)];
  load();
  return () => {
    abort.abort();
    clearInterval(timer);
    feed.stop();
    for (const end of ends) end();
    for (const card of cards.values()) card.stop();
  };
}
