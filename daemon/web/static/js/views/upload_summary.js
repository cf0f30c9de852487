// The summary of an upload: its highlights as a video, its chapters, and what is seen and heard in it.

import { get, ROOT } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { duration, offset } from "../core/format.js";
import { inWords, t } from "../core/i18n.js";
import { fileText, transcript } from "../parts/caption.js";
import { illustrate, momentCard } from "../parts/moment_card.js";
import { shortVideo } from "../parts/short_video.js";

/**
 * @param {HTMLElement} root
 * @param {string} name As in the list of uploads.
 */
export function uploadSummary(root, name) {
  const abort = new AbortController();
  const place = h("div", { class: "stack" });
  const path = `/uploads/${name.split("/").map(encodeURIComponent).join("/")}`;
  fill(root, h("p", { class: "small" }, h("a", { href: "/uploads" }, `← ${t.nav.uploads}`)), h("div", { class: "head" }, h("h1", {}, name)), place);

  async function load() {
    fill(place, h("p", { class: "quiet", role: "status" }, t.loading));
    const described = await get(`${path}/description.json`, { signal: abort.signal }).catch(() => null);
    try {
      draw(await get(`${path}/summary.json`, { signal: abort.signal }), described);
    } catch (error) {
      if (!abort.signal.aborted) fill(place, described && fileText(described), h("p", { class: "box warn", role: "alert" }, inWords(error)));
    }
  }

  /**
   * @param {any} summary
   * @param {import("../core/types.js").FileDescription | null} described
   */
  function draw({ duration: seconds, tags, chapters, highlights, notes }, described) {
    const tagged = (/** @type {string} */ kind) => {
      const own = tags.filter((/** @type {any} */ tag) => tag.kind === kind);
      const heading = kind === "seen" ? t.event.seen : t.event.heard;
      return own.length > 0 && h("section", {}, h("h2", {}, heading), h("p", { class: "tags" }, own.map((/** @type {any} */ tag) => h("span", { class: "tag" }, tag.name, h("span", { class: "small" }, ` ${duration(tag.seconds)}`)))));
    };
    const list = h("ol", { class: "moments" }, highlights.map(momentCard));
    fill(
      place,
      h("p", { class: "quiet" }, duration(seconds)),
      described && fileText(described),
      highlights.length > 0 && shortVideo({ upload: name }, false, abort.signal, (videos) => illustrate(list, highlights, videos), true),
      h(
        "section",
        { class: "stack close" },
        h("h2", {}, t.summary.chapters),
        h("ol", { class: "chapters" }, (described?.chapters ?? chapters).map((/** @type {any} */ one, /** @type {number} */ i) => h("li", {}, h("span", { class: "small" }, offset(Math.round(one.start))), h("span", {}, one.title || t.summary.chapter(i + 1), one.text && h("span", { class: "small" }, ` ${one.text}`))))),
        h("p", { class: "small" }, h("a", { href: `${ROOT}${path}/chapters.vtt`, download: `${name}.chapters.vtt` }, t.summary.asVtt)),
      ),
      described && transcript(described),
      tagged("seen"),
      tagged("heard"),
      highlights.length > 0 && h("section", { class: "stack close" }, h("h2", {}, t.summary.highlights), list),
      notes.map((/** @type {string} */ text) => h("p", { class: "small" }, text)),
    );
  }

  load();
  return () => abort.abort();
}
