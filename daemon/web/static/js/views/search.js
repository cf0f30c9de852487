// Search of what was recorded: by words, by a picture, by an event. What is searched for is part of the address.

import { get, send } from "../core/api.js";
import { fill, h } from "../core/dom.js";
import { inWords, t } from "../core/i18n.js";
import { note } from "../core/router.js";
import { say } from "../core/say.js";
import { momentRow } from "../parts/moment_row.js";

const FIRST = 20;
const MOST = 100;
const SPANS_S = /** @type {const} */ ({ hour: 3600, day: 86400, week: 7 * 86400 });
const CLASSES = ["person", "car", "bus", "truck", "motorcycle", "bicycle", "boat", "vehicle", "dog", "cat", "backpack", "handbag", "suitcase", "bottle", "cup", "chair", "screen", "laptop", "cell phone"];

/** @type {import("../core/router.js").View} */
export function searchView(root, { query }) {
  const leaving = new AbortController();
  let searching = new AbortController();
  let like = query.get("like") ?? "";
  /** @type {File | null} */
  let image = null;
  const text = h("input", { type: "search", id: "q", placeholder: t.search.hint, autocomplete: "off", maxlength: 300 });
  const spoken = h("input", { type: "checkbox", id: "spoken", checked: query.has("spoken") });
  const camera = h("select", { id: "in-camera" }, h("option", { value: "" }, t.feed.allCameras));
  const kind = h("select", { id: "with-class" }, h("option", { value: "" }, t.search.anything), CLASSES.map((name) => h("option", { value: name }, name)));
  const words = h("input", { type: "text", id: "words", autocomplete: "off", maxlength: 200 });
  const span = h(
    "select",
    { id: "in-time" },
    h("option", { value: "" }, t.feed.anyTime),
    Object.keys(SPANS_S).map((name) => h("option", { value: name }, t.feed.spans[/** @type {keyof typeof SPANS_S} */ (name)])),
    h("option", { value: "between" }, t.feed.between),
  );
  const since = h("input", { type: "datetime-local", id: "since" });
  const until = h("input", { type: "datetime-local", id: "until" });
  const times = h("div", { class: "row" }, field(t.feed.since, since), field(t.feed.until, until));
  const file = h("input", { type: "file", id: "image", class: "hidden-text", accept: "image/jpeg,image/png,image/webp", on: { change: chosen } });
  const about = h("p", { class: "small" });
  const status = h("div", { class: "stack close" });
  const list = h("ol", { class: "moments" });
  const more = h("button", { type: "button", hidden: true, on: { click: () => search(MOST) } }, t.search.more);
  const form = h(
    "form",
    { class: "search", role: "search", on: { submit: submitted } },
    h("div", { class: "row" }, h("div", { class: "field wide" }, h("label", { for: "q" }, t.search.what), text), h("button", { type: "submit", class: "main" }, t.search.go), h("label", { class: "button" }, file, t.search.picture)),
    h("label", { class: "check" }, spoken, t.search.spoken),
    h("div", { class: "filters" }, field(t.feed.camera, camera), field(t.feed.time, span), times, field(t.search.withClass, kind), field(t.search.words, words)),
    about,
  );
  text.value = query.get("q") ?? "";
  words.value = query.get("words") ?? "";
  kind.value = query.get("class") ?? "";
  span.value = query.get("time") ?? (query.has("since") || query.has("until") ? "between" : "");
  since.value = query.get("since") ?? "";
  until.value = query.get("until") ?? "";
  span.addEventListener("change", drawTimes);
  offer(query.get("camera"));
  camera.value = query.get("camera") ?? "";
  fill(root, h("div", { class: "head" }, h("h1", {}, t.nav.search), h("a", { href: "/ask" }, t.ask.title)), form, status, list, more);
  drawTimes();
  drawAbout();

  function drawTimes() {
    times.hidden = span.value !== "between";
  }

  function drawAbout() {
    const clear = h("button", { type: "button", on: { click: forgetIt } }, t.search.clear);
    if (image) fill(about, t.search.byPicture(image.name), " ", clear);
    else if (like) fill(about, t.search.like, " ", h("a", { href: `/events/${encodeURIComponent(like)}` }, t.search.event), " ", clear);
    else fill(about);
  }

  function forgetIt() {
    image = null;
    like = "";
    file.value = "";
    drawAbout();
    text.focus();
  }

  function chosen() {
    image = file.files?.[0] ?? null;
    if (!image) return;
    like = "";
    text.value = "";
    drawAbout();
    search(FIRST);
  }

  /** @param {Event} event */
  function submitted(event) {
    event.preventDefault();
    if (text.value.trim()) {
      image = null;
      like = "";
      drawAbout();
    }
    search(FIRST);
  }

  function asked() {
    const between = span.value === "between";
    const seconds = span.value in SPANS_S ? SPANS_S[/** @type {keyof typeof SPANS_S} */ (span.value)] : 0;
    return {
      q: text.value.trim(),
      like,
      spoken: spoken.checked && text.value.trim() !== "",
      camera: camera.value,
      class: kind.value,
      words: words.value.trim(),
      since: between ? unixText(since.value) : seconds ? String(Math.floor(Date.now() / 1000 - seconds)) : "",
      until: between ? unixText(until.value) : "",
    };
  }

  function remember() {
    const { since: _since, until: _until, ...rest } = asked();
    const kept = new URLSearchParams();
    for (const [name, value] of Object.entries(rest)) if (value) kept.set(name, String(value));
    if (span.value === "between") {
      if (since.value) kept.set("since", since.value);
      if (until.value) kept.set("until", until.value);
    } else if (span.value) kept.set("time", span.value);
    note(kept);
  }

  /** @param {number} limit */
  async function search(limit) {
    searching.abort();
    searching = new AbortController();
    const { signal } = searching;
    remember();
    fill(status, h("p", { class: "quiet" }, t.search.going));
    try {
      const options = { query: { ...asked(), limit }, signal };
      const found = image ? await posted(image, options) : await get("/search", options);
      draw(found, limit);
    } catch (error) {
      if (!signal.aborted) fill(status, h("p", { class: "box bad", role: "alert" }, inWords(error)));
    }
  }

  /**
   * @param {any} found
   * @param {number} limit
   */
  function draw(found, limit) {
    const n = found.moments.length;
    fill(
      status,
      found.read_as.length > 0 && h("p", { class: "quiet" }, `${t.event.readAs}: ${found.read_as.join(" / ")}`),
      found.warnings.map((/** @type {string} */ one) => h("p", { class: "box warn" }, one)),
      found.unsearchable.map((/** @type {any} */ one) => h("p", { class: "box warn" }, t.search.unsearchable(one.camera, one.hours.toFixed(1), one.encoder))),
      !found.hours && h("p", { class: "quiet" }, t.search.empty),
      found.hours > 0 && !n && h("p", { class: "quiet" }, t.search.none),
    );
    fill(list, ...found.moments.map((/** @type {import("../core/types.js").FoundMoment} */ moment) => momentRow(moment, found.probable)));
    more.hidden = n < limit || limit >= MOST;
    say(t.search.found(n));
  }

  /** @param {string | null} name */
  function offer(name) {
    if (name && ![...camera.options].some((option) => option.value === name)) camera.append(h("option", { value: name }, name));
  }

  async function choices() {
    const found = await get("/cameras", { signal: leaving.signal }).catch(() => ({ cameras: [] }));
    for (const one of found.cameras) offer(one.name);
    offer("uploads");
  }
  choices();
  if (text.value || like || kind.value || words.value) search(FIRST);
  return () => {
    leaving.abort();
    searching.abort();
  };
}

/**
 * @param {File} image
 * @param {import("../core/api.js").Options} options
 */
async function posted(image, options) {
  return (await send("POST", "/search", { ...options, body: image })).json();
}

/**
 * @param {string} label
 * @param {HTMLInputElement | HTMLSelectElement} input
 */
function field(label, input) {
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input);
}

/** @param {string} local A date without a zone, as the reader's clock shows it. */
function unixText(local) {
  const unix = Date.parse(local) / 1000;
  return Number.isNaN(unix) ? "" : String(unix);
}
