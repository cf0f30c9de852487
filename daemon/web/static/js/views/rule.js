// One rule: its description with what it is read as, where it is looked for, when it counts, and who is told.

import { get } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { inWords, t, worded } from "../core/i18n.js";
import { mayEdit } from "../core/me.js";
import { LearnedRule } from "../parts/feedback.js";
import { OverTimeEditor } from "../parts/over_time.js";
import { RuleSaving } from "../parts/rule_saving.js";
import { StoredPreview } from "../parts/stored.js";
import { Trying } from "../parts/trying.js";
import { ZoneDrawing } from "../parts/zone_drawing.js";

const MODALITIES = ["vision", "speech", "sound"];
const POLICIES = ["", "hold", "label", "only_confirmed"];
const NEW = "+new"; // no rule can have these names
const NEW_OVER_TIME = "+over-time";

/** @type {import("../core/router.js").View} */
export function ruleView(root, { name }) {
  const abort = new AbortController();
  const back = h("p", { class: "small" }, h("a", { href: "/rules" }, `← ${t.nav.rules}`));
  if (name === NEW_OVER_TIME) {
    const made = new OverTimeEditor("", abort.signal);
    fill(root, back, h("div", { class: "head" }, h("h1", {}, t.rule.addOverTime)), made.element);
    made.load();
    return () => abort.abort();
  }
  const editor = new RuleEditor(name === NEW ? "" : name, abort.signal);
  fill(root, back, h("div", { class: "head" }, h("h1", {}, name === NEW ? t.rule.add : name)), editor.element);
  editor.load();
  return () => {
    abort.abort();
    editor.stop();
  };
}

class RuleEditor {
  /**
   * @param {string} name Empty: a new rule.
   * @param {AbortSignal} signal
   */
  constructor(name, signal) {
    this.name = name;
    this.signal = signal;
    /** @type {any} */
    this.config = {};
    /** @type {ZoneDrawing | null} */
    this.drawing = null;
    this.saving = new RuleSaving(name, signal, this);
    this.stored = new StoredPreview(signal);
    this.trying = new Trying(() => ({ event: this.name, config: this.configured() }), (text) => this.exclude(text), signal);
    this.learned = new LearnedRule(name, signal);
    this.inputs = makeInputs();
    this.zones = h("div", { class: "row" });
    this.targets = h("div", { class: "row", role: "group", "aria-label": t.rule.toSome });
    this.drawPlace = h("details", { on: { toggle: () => this.openDrawing() } }, h("summary", {}, t.zones.draw));
    this.form = h("form", { class: "rule-form", hidden: true, on: { submit: (/** @type {Event} */ event) => this.submit(event), input: () => this.changed() } }, this.layout());
    this.element = h("div", { class: "stack" }, this.saving.status, this.form);
  }

  layout() {
    const { inputs } = this;
    const decide = (/** @type {HTMLInputElement} */ radio, /** @type {string} */ label, /** @type {HTMLElement | null} */ more) =>
      h("div", { class: "row" }, h("label", { class: "check" }, radio, label), more);
    return [
      h(
        "div",
        { class: "stack" },
        !this.name && field(t.rule.name, this.saving.nameInput, t.rule.nameHint),
        field(t.rule.describe, inputs.describe, t.rule.describeHint),
        this.saving.reading,
        field(t.rule.unlike, inputs.unlike, t.rule.unlikeHint),
        h(
          "fieldset",
          {},
          h("legend", {}, t.rule.modalities),
          h("div", { class: "row" }, inputs.modalities.map((box) => h("label", { class: "check" }, box, worded(t.modalities, box.value)))),
          h("p", { class: "small" }, t.rule.modalitiesHint),
        ),
      ),
      h(
        "div",
        { class: "stack" },
        h(
          "fieldset",
          {},
          h("legend", {}, t.rule.counts),
          decide(inputs.byDefault, t.rule.byDefault, null),
          decide(inputs.byThreshold, t.rule.threshold, h("span", { class: "row" }, inputs.threshold, inputs.thresholdShown)),
          decide(inputs.byBudget, t.rule.budget, h("span", { class: "row" }, inputs.budget, inputs.per)),
        ),
        this.name !== "" && h("section", {}, h("h2", {}, t.rule.onStored), this.stored.element),
        mayEdit() && this.trying.element,
        this.name !== "" && h("section", {}, h("h2", {}, t.feedback.learned), this.learned.element),
        h("div", { class: "row" }, field(t.rule.minDuration, inputs.minDuration), field(t.rule.mergeGap, inputs.mergeGap), field(t.rule.priority, inputs.priority)),
        field(t.rule.verify, inputs.verify, t.rule.verifyHint),
        h("fieldset", {}, h("legend", {}, t.rule.zone), this.zones),
        this.drawPlace,
        h("fieldset", {}, h("legend", {}, t.rule.targets), decide(inputs.toAll, t.rule.toAll, null), decide(inputs.toSome, t.rule.toSome, this.targets)),
      ),
      this.saving.actions,
    ];
  }

  stop() {
    this.drawing?.stop();
  }

  async load() {
    const signal = this.signal;
    const [rules, cameras, alerts] = await Promise.allSettled([get("/rules", { signal }), get("/cameras", { signal }), get("/alerts", { query: { limit: 100 }, signal })]);
    if (signal.aborted) return;
    if (rules.status === "rejected") {
      fill(this.saving.status, h("p", { class: "box bad", role: "alert" }, inWords(rules.reason)));
      return;
    }
    this.saving.version = String(rules.value.version ?? "");
    const rule = rules.value.rules.find((/** @type {any} */ one) => one.name === this.name);
    if (this.name && !rule) {
      fill(this.saving.status, h("p", { class: "box bad", role: "alert" }, t.rule.gone));
      return;
    }
    if (rule?.config?.when !== undefined) {
      const made = new OverTimeEditor(this.name, signal);
      this.element.replaceWith(made.element);
      made.load();
      return;
    }
    this.cameras = cameras.status === "fulfilled" ? cameras.value.cameras : [];
    const targets = new Set([...(rules.value.targets ?? []), ...(alerts.status === "fulfilled" ? (alerts.value.targets ?? []) : [])].map((one) => String(one?.name ?? one)));
    for (const one of rules.value.rules) for (const target of [one.config?.alert?.to ?? []].flat()) targets.add(String(target));
    this.show(rule?.config ?? {}, [...targets]);
    fill(this.saving.status);
    this.form.hidden = false;
    if (this.name) {
      this.stored.load(this.name);
      this.learned.load();
    } else this.saving.nameInput.focus();
    this.saving.read();
  }

  /**
   * @param {any} config
   * @param {string[]} targets
   */
  show(config, targets) {
    const { inputs } = this;
    this.config = config;
    inputs.describe.value = [config.describe ?? []].flat().join("\n");
    inputs.unlike.value = [config.unlike ?? []].flat().join("\n");
    for (const box of inputs.modalities) box.checked = [config.modalities ?? []].flat().includes(box.value);
    inputs.byThreshold.checked = typeof config.threshold === "number";
    inputs.byBudget.checked = config.max_false_alerts !== undefined && config.max_false_alerts !== null;
    inputs.byDefault.checked = !inputs.byThreshold.checked && !inputs.byBudget.checked;
    if (typeof config.threshold === "number") inputs.threshold.value = String(config.threshold);
    const [, number = "1", per = "day"] = /^\s*([\d.]+)\s*\/\s*(\w+)/.exec(String(config.max_false_alerts ?? "")) ?? [];
    inputs.budget.value = number;
    inputs.per.value = [...inputs.per.options].some(({ value }) => value === per) ? per : "day";
    inputs.minDuration.value = config.min_duration ?? "";
    inputs.mergeGap.value = config.merge_gap ?? "";
    inputs.priority.value = config.priority ?? "";
    inputs.verify.value = config.verify?.policy ?? config.verify ?? "";
    this.showChoices(this.zones, this.zoneNames(), [config.zone ?? []].flat(), t.rule.noZones);
    const to = config.alert?.to;
    inputs.toAll.checked = to === undefined || to === null;
    inputs.toSome.checked = !inputs.toAll.checked;
    this.showChoices(this.targets, targets, [to ?? []].flat(), t.rule.noTargets);
    this.shownThreshold();
  }

  zoneNames() {
    return [...new Set((this.cameras ?? []).flatMap((/** @type {any} */ camera) => Object.keys(camera.zones ?? {})))];
  }

  /**
   * @param {HTMLElement} place
   * @param {string[]} names
   * @param {string[]} chosen
   * @param {string} none
   */
  showChoices(place, names, chosen, none) {
    const all = [...new Set([...names, ...chosen])];
    fill(place, all.length ? all.map((name) => h("label", { class: "check" }, h("input", { type: "checkbox", value: name, checked: chosen.includes(name) }), name)) : h("p", { class: "quiet" }, none));
  }

  openDrawing() {
    if (this.drawing || !this.drawPlace.open) return;
    this.drawing = new ZoneDrawing(this.cameras ?? [], (name) => {
      const chosen = checked(this.zones);
      this.showChoices(this.zones, this.zoneNames(), [...new Set([...chosen, name])], t.rule.noZones);
      this.saving.readVersion();
    });
    this.drawing.element.addEventListener("input", (event) => event.stopPropagation());
    this.drawPlace.append(this.drawing.element);
  }

  changed() {
    this.shownThreshold();
    this.saving.readSoon();
  }

  shownThreshold() {
    const { inputs } = this;
    inputs.thresholdShown.textContent = Number(inputs.threshold.value).toFixed(2);
    inputs.threshold.disabled = !inputs.byThreshold.checked;
    inputs.budget.disabled = inputs.per.disabled = !inputs.byBudget.checked;
    for (const box of this.targets.querySelectorAll("input")) box.disabled = inputs.toAll.checked;
    this.stored.show(inputs.byThreshold.checked ? Number(inputs.threshold.value) : null);
  }

  /** Returns what the form says, once it describes something. */
  written() {
    return lines(this.inputs.describe.value).length ? this.configured() : null;
  }

  /** Returns the configuration that the form says; what it does not show stays as it was. */
  configured() {
    const { inputs } = this;
    const modalities = inputs.modalities.filter((box) => box.checked).map((box) => box.value);
    const alert = { ...(this.config.alert ?? {}) };
    if (inputs.toSome.checked) alert.to = checked(this.targets);
    else delete alert.to;
    /** @type {Record<string, any>} */
    const found = {
      ...this.config,
      describe: oneOrMany(lines(inputs.describe.value)),
      unlike: oneOrMany(lines(inputs.unlike.value)),
      modalities: modalities.length ? modalities : undefined,
      threshold: inputs.byThreshold.checked ? Number(inputs.threshold.value) : undefined,
      max_false_alerts: inputs.byBudget.checked ? `${inputs.budget.value}/${inputs.per.value}` : undefined,
      min_duration: inputs.minDuration.value.trim() || undefined,
      merge_gap: inputs.mergeGap.value.trim() || undefined,
      priority: inputs.priority.value === "" ? undefined : Number(inputs.priority.value),
      zone: oneOrMany(checked(this.zones)),
      verify: verified(this.config.verify, inputs.verify.value),
      alert: Object.keys(alert).length ? alert : undefined,
    };
    for (const key of Object.keys(found)) if (found[key] === undefined) delete found[key];
    return found;
  }

  /**
   * Adds a contrast to what must not count.
   * @param {string} text
   */
  exclude(text) {
    const { unlike } = this.inputs;
    unlike.value = [...new Set([...lines(unlike.value), text])].join("\n");
    this.changed();
    unlike.focus();
  }

  /** @param {Event} event */
  async submit(event) {
    event.preventDefault();
    await this.saving.submit(this.inputs.describe, t.rule.noDescription);
  }
}

function makeInputs() {
  const radio = (/** @type {string} */ value, name = "decide") => h("input", { type: "radio", name, value });
  return {
    describe: h("textarea", { id: "describe", rows: 3, required: true }),
    unlike: h("textarea", { id: "unlike", rows: 2 }),
    modalities: MODALITIES.map((value) => h("input", { type: "checkbox", value })),
    byDefault: radio("default"),
    byThreshold: radio("threshold"),
    byBudget: radio("budget"),
    toAll: radio("all", "targets"),
    toSome: radio("some", "targets"),
    threshold: h("input", { type: "range", min: 0, max: 1, step: 0.01, value: "0.6", "aria-label": t.rule.threshold }),
    thresholdShown: h("output", { class: "score" }),
    budget: h("input", { type: "number", min: 0, step: "any", class: "narrow", "aria-label": t.rule.budget }),
    per: h("select", { "aria-label": t.rule.per }, ["hour", "day", "week"].map((value) => h("option", { value }, worded(t.rule.pers, value)))),
    minDuration: h("input", { id: "min-duration", class: "narrow", placeholder: "2s", autocomplete: "off" }),
    mergeGap: h("input", { id: "merge-gap", class: "narrow", placeholder: "3s", autocomplete: "off" }),
    verify: h("select", { id: "verify" }, POLICIES.map((value) => h("option", { value }, worded(t.rule.policies, value || "none")))),
    priority: h("input", { id: "priority", class: "narrow", type: "number", min: 0, max: 10, placeholder: "5" }),
  };
}

/**
 * @param {string} label
 * @param {HTMLElement} input
 * @param {string} [hint]
 */
function field(label, input, hint) {
  const id = `${input.id}-hint`;
  if (hint) input.setAttribute("aria-describedby", id);
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, hint !== undefined && h("p", { class: "small", id }, hint));
}

/**
 * Returns the setting of a policy; what else the configuration says of it stays.
 * @param {any} before
 * @param {string} policy Empty: the event is not verified.
 */
function verified(before, policy) {
  if (!policy) return undefined;
  return typeof before === "object" ? { ...before, policy } : policy;
}

/** @param {HTMLElement} place */
function checked(place) {
  return [...place.querySelectorAll("input")].filter((box) => box.checked).map((box) => box.value);
}

/** @param {string} text */
function lines(text) {
  return text.split("\n").map((line) => line.trim()).filter(Boolean);
}

/** @param {string[]} values */
function oneOrMany(values) {
  return values.length > 1 ? values : values[0];
}
