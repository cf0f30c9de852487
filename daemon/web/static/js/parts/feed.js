// A list of events, newest first, which stays up to date while it is shown.

import { get } from "../core/api.js";
import { h, fill, keyed } from "../core/dom.js";
import { day } from "../core/format.js";
import { inWords, t } from "../core/i18n.js";
import { say } from "../core/say.js";
import { connection, listen } from "../core/stream.js";
import { eventRow } from "./event_row.js";

/** @typedef {import("../core/types.js").EventBody} EventBody */
/** @typedef {Record<string, string>} Filter */

const POLL_MS = 10_000; // where the daemon has no stream
const SETTLE_MS = 400;

/**
 * Returns when an event began, Unix seconds; of a file, when it was found.
 * @param {EventBody} event
 */
function beginning(event) {
  return event.start_unix ?? Date.parse(event.produced_at) / 1000;
}

export class Feed {
  /**
   * @param {Filter} filter Query of `/events`.
   * @param {{limit: number, more: boolean}} options `more`: whether older ones can be asked for.
   */
  constructor(filter, { limit, more }) {
    this.filter = filter;
    this.limit = limit;
    this.withMore = more;
    /** @type {Map<string, EventBody>} */
    this.events = new Map();
    /** @type {string[]} */
    this.order = [];
    /** @type {number | null} */
    this.next = null;
    this.list = h("ol", { class: more ? "feed wide" : "feed" });
    this.status = h("div", {});
    this.more = h("button", { type: "button", hidden: true, on: { click: () => this.loadOlder() } }, t.feed.older);
    this.element = h("div", { class: "stack" }, this.list, this.status, this.more);
    this.abort = new AbortController();
    this.loads = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.ends = [
      listen("revision", (body) => this.revised(body)),
      listen("resumed", () => this.refresh()),
      connection.watch(({ state }) => state === "absent" && this.poll()),
    ];
    fill(this.status, h("p", { class: "quiet" }, t.loading));
    this.refresh();
    if (connection.value.state === "absent") this.poll();
  }

  stop() {
    this.abort.abort();
    clearTimeout(this.timer);
    for (const end of this.ends) end();
  }

  /** @param {Filter} filter */
  change(filter) {
    this.filter = filter;
    this.events.clear();
    this.order = [];
    this.refresh();
  }

  poll() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh().finally(() => connection.value.state === "absent" && this.poll()), POLL_MS);
  }

  /** Asks for the newest events again. */
  async refresh() {
    const load = ++this.loads;
    try {
      const page = await get("/events", { query: { ...this.filter, limit: this.limit }, signal: this.abort.signal });
      if (load !== this.loads) return;
      const older = this.order.length > page.events.length && page.next !== null;
      this.take(page.events);
      if (!older) this.next = page.next;
      this.draw();
    } catch (error) {
      if (this.abort.signal.aborted || load !== this.loads) return;
      const again = h("button", { type: "button", on: { click: () => this.refresh() } }, t.again);
      fill(this.status, h("p", { class: "box bad", role: "alert" }, inWords(error)), h("p", {}, again));
    }
  }

  async loadOlder() {
    this.more.disabled = true;
    try {
      const query = { ...this.filter, limit: this.limit, before: this.next };
      const page = await get("/events", { query, signal: this.abort.signal });
      this.take(page.events, true);
      this.next = page.next;
      this.draw();
      say(t.feed.loaded(page.events.length));
    } catch (error) {
      if (!this.abort.signal.aborted) fill(this.status, h("p", { class: "box bad", role: "alert" }, inWords(error)));
    } finally {
      this.more.disabled = false;
    }
  }

  /** @param {EventBody} body A revision that has just been published. */
  revised(body) {
    const known = this.events.get(body.id);
    if (known && known.revision >= body.revision) return;
    if (!known && !this.admits(body)) return;
    if (!known && (this.filter.q || this.filter.since || this.filter.until)) {
      // the daemon decides whether it belongs here; many revisions ask once
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.refresh(), SETTLE_MS);
      return;
    }
    this.take([body]);
    if (!this.withMore) this.order.splice(this.limit);
    this.draw();
  }

  /** @param {EventBody} body */
  admits(body) {
    const { camera, event, live } = this.filter;
    return (!camera || body.camera === camera) && (!event || body.event === event) && (!live || String(body.live) === live);
  }

  /**
   * @param {EventBody[]} bodies
   * @param {boolean} [older]
   */
  take(bodies, older = false) {
    const fresh = [];
    for (const body of bodies) {
      const known = this.events.get(body.id);
      if (!known) fresh.push(body.id);
      if (!known || known.revision < body.revision) this.events.set(body.id, body);
    }
    this.order = older ? [...this.order, ...fresh] : [...fresh, ...this.order];
    // Newest first by when they began; those of files by when they were found. The sort is stable.
    const began = (/** @type {string} */ id) => beginning(/** @type {EventBody} */ (this.events.get(id)));
    this.order.sort((a, b) => began(b) - began(a));
  }

  draw() {
    /** @type {({day: string} | {event: EventBody})[]} */
    const rows = [];
    let last = "";
    for (const id of this.order) {
      const event = /** @type {EventBody} */ (this.events.get(id));
      const date = day(beginning(event));
      if (this.withMore && date !== last) rows.push({ day: date });
      last = date;
      rows.push({ event });
    }
    keyed(
      this.list,
      rows,
      (row) => ("day" in row ? `day ${row.day}` : `event ${row.event.id}`),
      (row, old) => {
        if ("event" in row) return eventRow(row.event, old, !this.withMore);
        return old ?? h("li", { class: "day" }, h("h2", {}, row.day));
      },
    );
    fill(this.status, !this.order.length && h("p", { class: "quiet" }, Object.values(this.filter).some(Boolean) ? t.feed.noneMatch : t.feed.none));
    this.more.hidden = !this.withMore || this.next === null;
  }
}
