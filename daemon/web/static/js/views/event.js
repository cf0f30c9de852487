// One event: what was seen, heard and said, why it was reported, and who was told.

import { address, ApiError, get, send } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { dateTime, duration, moment, offset, short } from "../core/format.js";
import { inWords, t, worded } from "../core/i18n.js";
import { listen } from "../core/stream.js";
import { drawAlerts } from "../parts/alerting.js";
import { bars } from "../parts/charts.js";
import { captionSection } from "../parts/caption.js";
import { whence } from "../parts/event_row.js";
import { Thumbs } from "../parts/feedback.js";
import { opinionSection } from "../parts/opinion.js";
import { timeline } from "../parts/timeline.js";

/** @typedef {import("../core/types.js").EventBody} EventBody */
/** @typedef {import("../core/types.js").Alert} Alert */

const CHART_PX = 230;
const SOON_MS = 3000; // by then an alert is decided, and mostly delivered

/** @type {import("../core/router.js").View} */
export function eventView(root, { name: id }) {
  const abort = new AbortController();
  const place = `/events/${encodeURIComponent(id)}`;
  const title = h("h1", {}, t.event.title);
  const score = h("p", { class: "big score" });
  const described = h("p", {});
  const where = h("p", { class: "quiet" });
  const similar = h("p", { class: "small", hidden: true }, h("a", { class: "button", href: `/search?like=${encodeURIComponent(id)}` }, t.search.moreLike));
  const flags = h("div", { class: "stack close" });
  const media = new Media(place, abort.signal);
  const chart = h("section", { "aria-label": t.event.chart });
  const facts = h("div", { class: "columns" });
  const alerts = h("section", { class: "stack close" });
  const thumbs = new Thumbs(id, abort.signal);
  const details = h("details", {});
  fill(
    root,
    h("p", { class: "small" }, h("a", { href: "/events" }, `← ${t.nav.events}`)),
    h("div", { class: "head event-head" }, h("div", { class: "stack close" }, title, described, where), score),
    flags,
    h("div", { class: "one-event" }, h("div", { class: "stack" }, media.element, similar), h("div", { class: "stack" }, chart, facts, thumbs.element, alerts, details)),
  );
  let revision = -1;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  async function load() {
    try {
      const found = await get(place, { signal: abort.signal });
      const fresh = found.event.revision !== revision;
      draw(found.event, found.alerts);
      clearTimeout(timer);
      if (fresh || found.alerts.some((/** @type {Alert} */ alert) => alert.state === "pending" || alert.state === "held")) timer = setTimeout(load, SOON_MS);
    } catch (error) {
      if (abort.signal.aborted) return;
      if (error instanceof ApiError && error.status === 404) {
        fill(root, h("h1", {}, t.event.gone), h("p", {}, t.event.goneWhy), h("p", {}, h("a", { href: "/events" }, t.nav.events)));
      } else if (revision < 0) fill(flags, h("p", { class: "box bad", role: "alert" }, inWords(error)));
    }
  }

  /**
   * @param {EventBody} event
   * @param {Alert[]} sent
   */
  function draw(event, sent) {
    drawAlerts(alerts, event, sent, load);
    if (event.revision === revision) return; // what is read or focused stays as it is
    if (revision < 0) thumbs.load();
    revision = event.revision;
    title.textContent = event.event;
    document.title = `${event.event} · ${whence(event)} – Watchword`;
    fill(score, event.score.toFixed(2), h("span", { class: "small" }, t.event.score));
    similar.hidden = false;
    described.textContent = `“${event.description.join(`” ${t.or} “`)}”`;
    const at = event.start_unix === null ? `${offset(event.start)} – ${offset(event.end)}` : dateTime(event.start_unix);
    const zone = event.zone?.length ? t.event.inZone(event.zone.join(", ")) : "";
    fill(where, [whence(event), zone, at, duration(event.end - event.start)].filter(Boolean).join(" · "));
    fill(
      flags,
      event.type !== "end" && h("p", { class: "state" }, h("span", { class: "dot now" }), t.event.open),
      event.interrupted && h("p", { class: "box warn" }, t.event.interrupted),
      event.over_budget && h("p", { class: "box warn" }, t.event.overBudget),
    );
    media.update(event);
    fill(chart, timeline(event, CHART_PX, event.evidence.clip ? (at) => media.seek(at) : undefined));
    fill(facts, ...factsOf(event));
    fill(details, h("summary", {}, t.event.details), detailsOf(event, place));
  }

  const end = listen("revision", (body) => body.id === id && body.revision > revision && load());
  const resumed = listen("resumed", load);
  load();
  return () => {
    abort.abort();
    clearTimeout(timer);
    media.stop();
    end();
    resumed();
  };
}

/** @param {EventBody} event */
function factsOf(event) {
  const words = event.evidence.words;
  const seen = event.evidence.objects ?? [];
  const attention = event.evidence.attention ?? [];
  const kinds = ["vision", "speech", "sound"].filter((kind) => kind in event.modalities);
  const parts = event.parts ?? [];
  return [
    captionSection(event),
    opinionSection(event),
    parts.length > 0 &&
      h(
        "section",
        {},
        h("h2", {}, t.event.parts),
        h("ul", { class: "stack close" }, parts.map((part) => h("li", {}, h("a", { href: `/events/${encodeURIComponent(part.id)}` }, part.event), " ", h("span", { class: "small" }, `${part.camera} · ${moment(part.start, event.live)} · ${part.score.toFixed(2)}`)))),
      ),
    h(
      "section",
      {},
      h("h2", {}, t.event.judgedBy),
      bars(kinds.map((kind) => /** @type {const} */ ([worded(t.modalities, kind), event.modalities[kind], kind]))),
    ),
    h(
      "section",
      {},
      h("h2", {}, t.event.heard),
      words.length
        ? h("ul", { class: "stack close" }, words.map((word) => h("li", {}, h("q", {}, word.text.trim()), " ", h("span", { class: "small" }, `${moment(word.start, event.live)} · ${Math.round(word.confidence * 100)}%`))))
        : h("p", { class: "quiet" }, t.event.nothingHeard),
    ),
    attention.length > 0 &&
      h("section", {}, h("h2", {}, t.event.attention), bars(attention.map(([word, share]) => /** @type {const} */ ([word, share, "words"])))),
    seen.length > 0 &&
      h(
        "section",
        {},
        h("h2", {}, t.event.seen),
        h("ul", { class: "stack close" }, grouped(seen).map(([name, n, best]) => h("li", {}, name, " ", h("span", { class: "small" }, t.event.times(n, best.toFixed(2)))))),
      ),
    h("section", {}, h("h2", {}, t.event.why), whyOf(event)),
  ];
}

/**
 * Returns detected objects by name: how many, and the best score.
 * @param {NonNullable<EventBody["evidence"]["objects"]>} objects
 * @returns {[string, number, number][]}
 */
function grouped(objects) {
  /** @type {Map<string, [number, number]>} */
  const found = new Map();
  for (const { name, score } of objects) {
    const [n, best] = found.get(name) ?? [0, 0];
    found.set(name, [n + 1, Math.max(best, score)]);
  }
  return [...found].map(([name, [n, best]]) => [name, n, best]);
}

/** @param {EventBody} event */
function whyOf(event) {
  const { threshold, ...budgets } = event.rule ?? {};
  const budget = budgets.budget_per_hour ?? budgets.max_false_alerts_per_hour;
  const read = event.read_as ?? [];
  return h(
    "dl",
    {},
    read.length > 0 && [h("dt", {}, t.event.readAs), h("dd", {}, read.join(" / "))],
    typeof threshold === "number" && [h("dt", {}, t.rule.threshold), h("dd", {}, threshold.toFixed(3))],
    typeof budget === "number" && [h("dt", {}, t.rule.budget), h("dd", {}, t.event.aDay(short(budget * 24)))],
    [h("dt", {}, t.event.rule), h("dd", {}, h("a", { href: `/rules/${encodeURIComponent(event.event)}` }, event.event))],
  );
}

/**
 * @param {EventBody} event
 * @param {string} place
 */
function detailsOf(event, place) {
  const latency = event.latency_s;
  return h(
    "div",
    { class: "stack" },
    h(
      "dl",
      { class: "small" },
      [h("dt", {}, "id"), h("dd", {}, event.id)],
      [h("dt", {}, t.event.revision), h("dd", {}, event.revision)],
      [h("dt", {}, t.event.model), h("dd", {}, event.model)],
      event.source && [h("dt", {}, t.event.file), h("dd", {}, event.source.file)],
      latency !== null && [h("dt", {}, t.event.latency), h("dd", {}, duration(latency))],
    ),
    event.evidence.explanation !== null && event.evidence.explanation !== undefined && h("p", {}, h("a", { href: address(`${place}/explanation.png`), target: "_blank", rel: "noopener" }, t.event.explanation)),
  );
}

/** The clip when there is one, and the snapshot with what is drawn on it. */
class Media {
  /**
   * @param {string} place
   * @param {AbortSignal} signal
   */
  constructor(place, signal) {
    this.place = place;
    this.signal = signal;
    this.canSeek = false;
    this.waiting = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.clip = h("div", { class: "clip" });
    this.overlay = h("input", { type: "checkbox", checked: true, on: { change: () => this.drawSnapshot() } });
    this.image = h("img", { alt: "" });
    this.image.addEventListener("error", () => {
      this.picture.hidden = true;
      this.missing.hidden = false;
    });
    this.image.addEventListener("load", () => {
      this.picture.hidden = false;
      this.missing.hidden = true;
    });
    this.picture = h("div", { class: "stack close" }, h("div", { class: "picture" }, this.image), h("label", { class: "check" }, this.overlay, t.event.overlay));
    this.missing = h("p", { class: "quiet", hidden: true }, t.event.noSnapshot);
    this.element = h("section", { class: "stack", "aria-label": t.event.evidence }, this.clip, this.picture, this.missing);
    /** @type {EventBody | null} */
    this.event = null;
  }

  stop() {
    clearTimeout(this.timer);
  }

  /** @param {EventBody} event */
  update(event) {
    const before = this.event;
    this.event = event;
    this.image.alt = t.event.snapshotOf(event.event, whence(event));
    if (!event.evidence.snapshot) {
      this.picture.hidden = true;
      this.missing.hidden = false;
    } else if (before?.revision !== event.revision) this.drawSnapshot();
    if (!event.evidence.clip) fill(this.clip, event.type === "end" && h("p", { class: "quiet" }, t.event.noClip));
    else if (!this.canSeek && !this.waiting) this.lookForClip();
  }

  drawSnapshot() {
    this.image.src = this.snapshot(this.overlay.checked ? 1 : 0);
  }

  /** @param {0 | 1} overlay */
  snapshot(overlay) {
    return address(`${this.place}/snapshot.jpg`, { overlay, r: this.event?.revision });
  }

  async lookForClip() {
    this.waiting = true;
    try {
      await send("GET", `${this.place}/clip.mp4`, { headers: { Range: "bytes=0-0" }, signal: this.signal });
      this.showClip(false);
    } catch (error) {
      if (this.signal.aborted) return;
      if (error instanceof ApiError && error.code === "clip_not_ready") {
        fill(this.clip, h("p", { class: "quiet" }, t.event.clipComes));
        this.timer = setTimeout(() => this.lookForClip(), (error.retryAfter ?? 3) * 1000);
      } else fill(this.clip, h("p", { class: "quiet" }, t.event.noClip));
    } finally {
      this.waiting = false;
    }
  }

  /** @param {boolean} transcoded */
  showClip(transcoded) {
    const source = address(`${this.place}/clip.mp4`, transcoded ? { transcode: 1 } : {});
    const video = h("video", { controls: true, playsinline: true, preload: "metadata", poster: this.snapshot(0), src: source, "aria-label": t.event.clip });
    video.addEventListener("loadedmetadata", () => {
      if (!video.videoWidth && !transcoded) this.showClip(true); // only its sound can be played here
    });
    video.addEventListener("error", () => {
      if (transcoded) fill(this.clip, h("p", { class: "box warn" }, t.event.clipUnplayable), this.download());
      else this.showClip(true); // H.265, perhaps
    });
    fill(this.clip, video, transcoded && h("p", { class: "small" }, t.event.transcoded), this.download());
    this.canSeek = true;
    this.video = video;
  }

  download() {
    return h("p", { class: "small" }, h("a", { href: address(`${this.place}/clip.mp4`), download: `${this.event?.event ?? "clip"}.mp4` }, t.event.download));
  }

  /** @param {number} at Stream seconds. */
  seek(at) {
    const { video, event } = this;
    if (!video || !event) return;
    const roll = Math.max(0, (video.duration - (event.end - event.start)) / 2); // as much before as after
    video.currentTime = Math.min(Math.max(0, at - event.start + roll), video.duration || 0);
    video.play().catch(() => {}); // needs a gesture in some browsers: the frame is shown all the same
  }
}
