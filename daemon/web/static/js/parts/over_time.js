// A rule over time: an event that is made of other events, written in one line, with a sentence that says what it means.

import { get } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { inWords, t } from "../core/i18n.js";
import { RuleSaving } from "./rule_saving.js";

export class OverTimeEditor {
  /**
   * @param {string} name Empty: a new rule.
   * @param {AbortSignal} signal
   */
  constructor(name, signal) {
    this.signal = signal;
    /** @type {Record<string, any>} */
    this.config = {};
    this.saving = new RuleSaving(name, signal, this);
    const { saving } = this;
    this.when = h("textarea", { id: "when", rows: 3, required: true, spellcheck: "false", "aria-describedby": "when-hint" });
    this.element = h(
      "form",
      { class: "stack", on: { submit: (/** @type {Event} */ event) => this.submit(event), input: () => saving.readSoon() } },
      saving.status,
      !name && h("div", { class: "field" }, h("label", { for: "rule-name" }, t.rule.name), saving.nameInput, h("p", { class: "small" }, t.rule.nameHint)),
      h("div", { class: "field" }, h("label", { for: "when" }, t.rule.when), this.when, h("p", { class: "small", id: "when-hint" }, t.rule.whenHint)),
      saving.reading,
      saving.actions,
    );
  }

  async load() {
    const { saving } = this;
    try {
      const { version, rules } = await get("/rules", { signal: this.signal });
      saving.version = String(version);
      this.config = rules.find((/** @type {any} */ rule) => rule.name === saving.name)?.config ?? {};
      if (saving.name) this.when.value = String(this.config.when ?? ""); // of a new rule stays what was typed meanwhile
      fill(saving.status);
      saving.read();
    } catch (error) {
      if (!this.signal.aborted) fill(saving.status, h("p", { class: "box bad", role: "alert" }, inWords(error)));
    }
  }

  /** Returns the configuration that the form says; what it does not show stays as it was. */
  written() {
    const when = this.when.value.trim().split(/\s+/).join(" ");
    return when ? { ...this.config, when } : null;
  }

  /** @param {Event} event */
  async submit(event) {
    event.preventDefault();
    await this.saving.submit(this.when, t.rule.noDescription);
  }
}
