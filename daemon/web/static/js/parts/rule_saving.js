// What the editors of rules share: reading a rule while it is written, saving it onto the version that was read, removing it.

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

/**
 * @typedef {object} Editor
 * @property {() => any} load Shows what is saved, in place of what was written here.
 * @property {() => Record<string, any> | null} written The configuration that the form says; null: it says nothing yet.
 */

export class RuleSaving {
  /**
   * @param {string} name Empty: a new rule.
   * @param {AbortSignal} signal
   * @param {Editor} editor
   */
  constructor(name, signal, editor) {
    this.name = name;
    this.signal = signal;
    this.editor = editor;
    this.version = "";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.typing = undefined;
    this.reads = 0;
    this.status = h("div", {}, h("p", { class: "quiet" }, t.loading));
    this.reading = h("div", { "aria-live": "polite" });
    this.nameInput = h("input", { id: "rule-name", autocomplete: "off", maxlength: 64, autocapitalize: "none", spellcheck: "false" });
    this.save = h("button", { class: "first", type: "submit" }, t.rule.save);
    this.remove = h("button", { class: "bad", type: "button", hidden: !name, on: { click: () => this.askToRemove() } }, t.rule.remove);
    this.actions = h("div", { class: "row actions" }, mayEdit() ? [this.save, this.remove] : h("p", { class: "quiet" }, t.rule.readOnly));
    signal.addEventListener("abort", () => clearTimeout(this.typing));
  }

  /** Reads the rule soon, when nothing more is typed. */
  readSoon() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.read(), TYPING_MS);
  }

  /** Asks what the rule is read as. */
  async read() {
    const load = ++this.reads;
    const config = this.editor.written();
    if (!config || !mayEdit()) {
      fill(this.reading);
      return;
    }
    try {
      const response = await send("POST", "/rules/read", { json: config, signal: this.signal });
      const found = await response.json();
      if (load === this.reads) fill(this.reading, drawReading(found.reading, found.warnings, true));
    } catch (error) {
      if (this.signal.aborted || load !== this.reads) return;
      const refused = error instanceof ApiError && error.status === 422;
      fill(this.reading, refused ? h("p", { class: "box warn" }, inWords(error)) : h("p", { class: "quiet" }, t.rule.notRead, " ", inWords(error)));
    }
  }

  /**
   * Saves what is written.
   * @param {HTMLElement} empty The field that must not be empty.
   * @param {string} missing What to say if it is.
   */
  async submit(empty, missing) {
    const name = this.name || this.nameInput.value.trim();
    if (!NAME.test(name)) {
      this.nameInput.setAttribute("aria-invalid", "true");
      this.refuse(t.rule.badName, this.nameInput);
      return;
    }
    const config = this.editor.written();
    if (!config) {
      this.refuse(missing, empty);
      return;
    }
    await this.change("PUT", name, config);
  }

  /**
   * @param {string} why
   * @param {HTMLElement} field
   */
  refuse(why, field) {
    fill(this.status, h("p", { class: "box bad", role: "alert" }, why));
    field.focus();
  }

  async askToRemove() {
    if (await ask(t.rule.removeAsk(this.name), t.rule.removeKeeps, t.rule.remove)) await this.change("DELETE", this.name);
  }

  /** Reads the version again, where it has changed because something else was saved here. */
  async readVersion() {
    const rules = await get("/rules", { signal: this.signal }).catch(() => null);
    if (rules) this.version = String(rules.version);
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
      fill(this.status, isConflict(error) ? this.conflict(error, method, name, config) : refusedChange(error));
      this.status.scrollIntoView({ block: "nearest" });
    } finally {
      this.save.disabled = this.remove.disabled = false;
    }
  }

  /**
   * @param {unknown} error
   * @param {"PUT" | "DELETE"} method
   * @param {string} name
   * @param {any} config
   */
  conflict(error, method, name, config) {
    const theirs = error instanceof ApiError ? (error.body?.version ?? error.body?.current) : null;
    return conflictNotice(
      () => this.editor.load(),
      async () => {
        if (theirs) this.version = String(theirs);
        else await this.readVersion();
        await this.change(method, name, config);
      },
    );
  }
}
