// A rule over time: an event that is made of other events, written in one line, with a sentence that says what it means.

import { ApiError, get, send } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { inWords, t } from "../core/i18n.js";
import { mayEdit } from "../core/me.js";
import { go } from "../core/router.js";
import { say } from "../core/say.js";
import { ask } from "./asking.js";
import { drawReading } from "./reading.js";
import { conflictNotice, isConflict, refusedChange, write } from "./saving.js";

const TYPING_MS = 350;
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

export class OverTimeEditor {
  /**
   * @param {string} name Empty: a new rule.
   * @param {AbortSignal} signal
   */
  constructor(name, signal) {
    this.name = name;
    this.signal = signal;
    this.version = "";
    /** @type {Record<string, any>} */
    this.config = {};
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.typing = undefined;
    this.reads = 0;
    this.status = h("div", {});
    this.reading = h("div", { "aria-live": "polite" });
    this.nameInput = h("input", { id: "rule-name", autocomplete: "off", maxlength: 64, autocapitalize: "none", spellcheck: "false" });
    this.when = h("textarea", { id: "when", rows: 3, required: true, spellcheck: "false", "aria-describedby": "when-hint" });
    this.save = h("button", { class: "first", type: "submit" }, t.rule.save);
    this.remove = h("button", { class: "bad", type: "button", hidden: !name, on: { click: () => this.askToRemove() } }, t.rule.remove);
    this.element = h(
      "form",
      { class: "stack", on: { submit: (/** @type {Event} */ event) => this.submit(event), input: () => this.changed() } },
      this.status,
      !name && h("div", { class: "field" }, h("label", { for: "rule-name" }, t.rule.name), this.nameInput, h("p", { class: "small" }, t.rule.nameHint)),
      h("div", { class: "field" }, h("label", { for: "when" }, t.rule.when), this.when, h("p", { class: "small", id: "when-hint" }, t.rule.whenHint)),
      this.reading,
      h("div", { class: "row actions" }, mayEdit() ? [this.save, this.remove] : h("p", { class: "quiet" }, t.rule.readOnly)),
    );
    signal.addEventListener("abort", () => clearTimeout(this.typing));
  }

  async load() {
    try {
      const { version, rules } = await get("/rules", { signal: this.signal });
      this.version = String(version);
      this.config = rules.find((/** @type {any} */ rule) => rule.name === this.name)?.config ?? {};
      this.when.value = String(this.config.when ?? "");
      fill(this.status);
      this.read();
    } catch (error) {
      if (!this.signal.aborted) fill(this.status, h("p", { class: "box bad", role: "alert" }, inWords(error)));
    }
  }

  changed() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.read(), TYPING_MS);
  }

  /** Returns the configuration that the form says; what it does not show stays as it was. */
  written() {
    return { ...this.config, when: this.when.value.trim().split(/\s+/).join(" ") };
  }

  /** Asks what the rule means. */
  async read() {
    const load = ++this.reads;
    if (!this.when.value.trim() || !mayEdit()) {
      fill(this.reading);
      return;
    }
    try {
      const response = await send("POST", "/rules/read", { json: this.written(), signal: this.signal });
      const found = await response.json();
      if (load === this.reads) fill(this.reading, drawReading(found.reading, found.warnings, true));
    } catch (error) {
      if (this.signal.aborted || load !== this.reads) return;
      const refused = error instanceof ApiError && error.status === 422;
      fill(this.reading, refused ? h("p", { class: "box warn" }, inWords(error)) : h("p", { class: "quiet" }, t.rule.notRead, " ", inWords(error)));
    }
  }

  /** @param {Event} event */
  async submit(event) {
    event.preventDefault();
    const name = this.name || this.nameInput.value.trim();
    if (!NAME.test(name)) {
      this.nameInput.setAttribute("aria-invalid", "true");
      fill(this.status, h("p", { class: "box bad", role: "alert" }, t.rule.badName));
      this.nameInput.focus();
      return;
    }
    await this.change("PUT", name, this.written());
  }

  async askToRemove() {
    if (await ask(t.rule.removeAsk(this.name), t.rule.removeKeeps, t.rule.remove)) await this.change("DELETE", this.name);
  }

  /**
   * @param {"PUT" | "DELETE"} method
   * @param {string} name
   * @param {any} [config]
   */
  async change(method, name, config) {
    this.save.disabled = this.remove.disabled = true;
    try {
      await write(method, `/rules/${encodeURIComponent(name)}`, this.version, config);
      say(t.saving.saved);
      go("/rules");
    } catch (error) {
      fill(this.status, isConflict(error) ? this.conflict(method, name, config) : refusedChange(error));
      this.status.scrollIntoView({ block: "nearest" });
    } finally {
      this.save.disabled = this.remove.disabled = false;
    }
  }

  /**
   * @param {"PUT" | "DELETE"} method
   * @param {string} name
   * @param {any} config
   */
  conflict(method, name, config) {
    return conflictNotice(
      () => this.load(),
      async () => {
        this.version = String((await get("/rules", { signal: this.signal })).version);
        await this.change(method, name, config);
      },
    );
  }
}
