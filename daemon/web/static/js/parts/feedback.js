// Feedback: whether an event is what its rule describes, and what the rule has learned from it.

import { address, get, send } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { dateTime } from "../core/format.js";
import { inWords, t, worded } from "../core/i18n.js";
import { may, mayEdit } from "../core/me.js";
import { say } from "../core/say.js";

/** @typedef {"right" | "wrong"} Verdict */
/**
 * @typedef {object} Version
 * @property {number} number
 * @property {number} at
 * @property {number} right
 * @property {number} right_kept
 * @property {number} wrong
 * @property {number} wrong_kept
 * @property {{days: number, events: number, kept: number, gone: string[]}} recent
 * @property {string} waits_for
 */
/**
 * @typedef {object} Learned
 * @property {number} right
 * @property {number} wrong
 * @property {number} in_force
 * @property {boolean} held
 * @property {Version[]} versions
 */

/** @type {Verdict[]} */
const VERDICTS = ["right", "wrong"];
const SHOWN = 5; // versions

/** Two buttons that say whether an event is what its rule describes; a second click takes it back. */
export class Thumbs {
  /**
   * @param {string} id
   * @param {AbortSignal} signal
   */
  constructor(id, signal) {
    this.place = `/events/${encodeURIComponent(id)}/feedback`;
    this.signal = signal;
    this.status = h("span", { class: "small", role: "status" });
    this.buttons = VERDICTS.map((verdict) =>
      h("button", { type: "button", class: verdict === "wrong" ? "bad" : "", "aria-pressed": "false", on: { click: () => this.give(verdict) } }, t.feedback[verdict]),
    );
    this.element = h("section", { class: "stack close", hidden: true, "aria-label": t.feedback.title }, h("h2", {}, t.feedback.title), h("div", { class: "row" }, this.buttons), this.status);
    /** @type {Verdict | null} */
    this.verdict = null;
  }

  async load() {
    try {
      this.show(await get(this.place, { signal: this.signal }));
    } catch {
      this.element.hidden = true; // the event itself says what is wrong
    }
  }

  /** @param {{verdict: Verdict | null, can_be_judged: boolean}} found */
  show(found) {
    this.verdict = found.verdict;
    this.element.hidden = !(may("edit") || found.verdict);
    for (const [i, button] of this.buttons.entries()) {
      button.setAttribute("aria-pressed", String(VERDICTS[i] === found.verdict));
      button.disabled = !may("edit") || !(found.can_be_judged || found.verdict);
    }
    if (!found.can_be_judged && !found.verdict) this.status.textContent = t.feedback.tooLate;
  }

  /** @param {Verdict} verdict */
  async give(verdict) {
    const said = verdict === this.verdict ? "none" : verdict;
    try {
      const answer = await send("POST", this.place, { json: { verdict: said }, signal: this.signal });
      this.show(await answer.json());
      this.status.textContent = said === "none" ? t.feedback.takenBack : t.feedback.thanks;
    } catch (error) {
      if (!this.signal.aborted) this.status.textContent = inWords(error);
    }
  }
}

/** What one rule has learned: its versions, how each does in shadow, and which one is in force. */
export class LearnedRule {
  /**
   * @param {string} name
   * @param {AbortSignal} signal
   */
  constructor(name, signal) {
    this.place = `/rules/${encodeURIComponent(name)}/feedback`;
    this.signal = signal;
    this.element = h("div", { class: "stack close" });
  }

  async load() {
    try {
      this.draw(await get(this.place, { signal: this.signal }));
    } catch (error) {
      if (!this.signal.aborted) fill(this.element, h("p", { class: "quiet" }, inWords(error)));
    }
  }

  /** @param {number | "auto" | "back"} version */
  async choose(version) {
    try {
      const answer = await send("POST", this.place, { json: { version }, signal: this.signal });
      this.draw(await answer.json());
      say(t.feedback.chosen);
    } catch (error) {
      if (!this.signal.aborted) fill(this.element, h("p", { class: "box bad", role: "alert" }, inWords(error)));
    }
  }

  /** @param {Learned} learned */
  draw(learned) {
    const { in_force: force, held, versions } = learned;
    if (!versions.length) {
      fill(this.element, h("p", { class: "quiet" }, t.feedback.nothing));
      return;
    }
    const button = (/** @type {string} */ text, /** @type {number | "auto" | "back"} */ version) => h("button", { type: "button", on: { click: () => this.choose(version) } }, text);
    fill(
      this.element,
      h("p", {}, t.feedback.judged(learned.right, learned.wrong), " ", force ? t.feedback.inForce(force) : t.feedback.noneInForce, held && ` ${t.feedback.held}`),
      mayEdit() && h("div", { class: "row" }, force > 0 && button(t.feedback.back, "back"), held && button(t.feedback.auto, "auto")),
      h("ul", { class: "stack close" }, versions.slice(0, SHOWN).map((version) => this.row(version, force, button))),
    );
  }

  /**
   * @param {Version} version
   * @param {number} force
   * @param {(text: string, version: number) => HTMLElement} button
   */
  row(version, force, button) {
    const { recent, number } = version;
    return h(
      "li",
      { class: "stack close" },
      h(
        "div",
        { class: "row" },
        h("strong", {}, t.feedback.version(number)),
        h("span", { class: "small" }, dateTime(version.at)),
        number === force ? h("span", { class: "small" }, t.feedback.now) : mayEdit() && button(t.feedback.use, number),
      ),
      h("p", { class: "small" }, t.feedback.trial(version.wrong_kept, version.wrong, version.right_kept, version.right), " ", t.feedback.recent(recent.days, recent.kept, recent.events)),
      version.waits_for !== "" && h("p", { class: "small" }, worded(t.feedback.waits, version.waits_for)),
      recent.gone.length > 0 && h("details", {}, h("summary", {}, t.feedback.gone), h("div", { class: "row" }, recent.gone.map(thumbnail))),
    );
  }
}

/** @param {string} id */
function thumbnail(id) {
  const place = `/events/${encodeURIComponent(id)}`;
  const src = address(`${place}/snapshot.jpg`, { width: 320, overlay: 0 });
  return h("a", { href: place, class: "silenced" }, h("img", { src, alt: t.feedback.goneOne(id), loading: "lazy", decoding: "async" }));
}
