// All events, with filters that are part of the address.

import { get } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { t } from "../core/i18n.js";
import { note } from "../core/router.js";
import { Feed } from "../parts/feed.js";

const PAGE = 40;
const TYPING_MS = 300;
const SPANS_S = /** @type {const} */ ({ hour: 3600, day: 86400, week: 7 * 86400 });

/** @type {import("../core/router.js").View} */
export function eventsView(root, { query }) {
  const abort = new AbortController();
  const camera = h("select", { id: "by-camera" }, h("option", { value: "" }, t.feed.allCameras));
  const event = h("select", { id: "by-event" }, h("option", { value: "" }, t.feed.allEvents));
  const span = h(
    "select",
    { id: "by-time" },
    h("option", { value: "" }, t.feed.anyTime),
    Object.keys(SPANS_S).map((name) => h("option", { value: name }, t.feed.spans[/** @type {keyof typeof SPANS_S} */ (name)])),
    h("option", { value: "between" }, t.feed.between),
  );
  const since = h("input", { type: "datetime-local", id: "since" });
  const until = h("input", { type: "datetime-local", id: "until" });
  const text = h("input", { type: "search", id: "by-text", placeholder: t.feed.textHint, autocomplete: "off" });
  const times = h("div", { class: "row", hidden: true }, field(t.feed.since, since), field(t.feed.until, until));
  offer(camera, query.get("camera"));
  offer(event, query.get("event"));
  span.value = query.get("time") ?? (query.has("since") || query.has("until") ? "between" : "");
  since.value = query.get("since") ?? "";
  until.value = query.get("until") ?? "";
  text.value = query.get("q") ?? "";
  times.hidden = span.value !== "between";

  const feed = new Feed(filter(), { limit: PAGE, more: true });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;
  const form = h(
    "form",
    {
      class: "filters",
      role: "search",
      on: {
        submit: (/** @type {Event} */ submitted) => submitted.preventDefault(),
        input: (/** @type {Event} */ changed) => {
          clearTimeout(typing);
          typing = setTimeout(apply, changed.target === text ? TYPING_MS : 0);
        },
      },
    },
    field(t.feed.text, text),
    field(t.feed.camera, camera),
    field(t.feed.event, event),
    field(t.feed.time, span),
    times,
  );
  fill(root, h("div", { class: "head" }, h("h1", {}, t.nav.events), h("a", { href: "/summary" }, t.summary.title)), form, feed.element);

  function apply() {
    times.hidden = span.value !== "between";
    const kept = new URLSearchParams();
    const between = span.value === "between";
    const given = { q: text.value.trim(), camera: camera.value, event: event.value, time: between ? "" : span.value };
    for (const [name, value] of Object.entries(given)) if (value) kept.set(name, value);
    if (between && since.value) kept.set("since", since.value);
    if (between && until.value) kept.set("until", until.value);
    note(kept);
    feed.change(filter());
  }

  function filter() {
    /** @type {Record<string, string>} */
    const found = { camera: camera.value, event: event.value, q: text.value.trim() };
    const seconds = span.value in SPANS_S ? SPANS_S[/** @type {keyof typeof SPANS_S} */ (span.value)] : 0;
    if (seconds) found.since = String(Math.floor(Date.now() / 1000 - seconds));
    if (span.value === "between") {
      found.since = unixText(since.value);
      found.until = unixText(until.value);
    }
    return found;
  }

  async function choices() {
    const signal = abort.signal;
    const [cameras, rules] = await Promise.allSettled([get("/cameras", { signal }), get("/rules", { signal })]);
    /** @type {Set<string>} */
    const events = new Set();
    if (cameras.status === "fulfilled") {
      for (const one of cameras.value.cameras) {
        offer(camera, one.name, false);
        for (const name of one.events ?? []) events.add(name);
      }
    }
    if (rules.status === "fulfilled") for (const { name } of rules.value.rules) events.add(name);
    offer(camera, "uploads", false);
    for (const name of [...events].sort()) offer(event, name, false);
  }
  choices();
  return () => {
    clearTimeout(typing);
    abort.abort();
    feed.stop();
  };
}

/**
 * @param {string} label
 * @param {HTMLInputElement | HTMLSelectElement} input
 */
function field(label, input) {
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input);
}

/**
 * Adds a choice that is not there yet, and chooses it if asked.
 * @param {HTMLSelectElement} select
 * @param {string | null} value
 * @param {boolean} [chosen]
 */
function offer(select, value, chosen = true) {
  if (!value) return;
  if (![...select.options].some((option) => option.value === value)) select.append(h("option", { value }, value));
  if (chosen) select.value = value;
}

/** @param {string} local A date without a zone, as the reader's clock shows it. */
function unixText(local) {
  const unix = Date.parse(local) / 1000;
  return Number.isNaN(unix) ? "" : String(unix);
}
