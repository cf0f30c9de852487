// All rules: what is watched for, where, and what each description is read as.

import { get } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { inWords, t, worded } from "../core/i18n.js";
import { mayEdit } from "../core/me.js";
import { listen } from "../core/stream.js";
import { drawTargets } from "../parts/alerting.js";
import { drawReading } from "../parts/reading.js";

/** @type {import("../core/router.js").View} */
export function rulesView(root) {
  const abort = new AbortController();
  const targets = h("section", { class: "stack close" });
  const list = h("ul", { class: "rules" });
  const status = h("div", {}, h("p", { class: "quiet" }, t.loading));
  fill(
    root,
    h("div", { class: "head" }, h("h1", {}, t.nav.rules), mayEdit() && [h("a", { class: "button", href: "/rules/+over-time" }, t.rule.addOverTime), h("a", { class: "button first", href: "/rules/+new" }, t.rule.add)]),
    h("div", { class: "stack" }, status, list, targets),
  );

  async function load() {
    try {
      const { rules } = await get("/rules", { signal: abort.signal });
      fill(status, !rules.length && h("p", { class: "quiet" }, t.rule.none));
      fill(list, rules.map((/** @type {any} */ rule) => row(rule)));
    } catch (error) {
      if (!abort.signal.aborted) fill(status, h("p", { class: "box bad", role: "alert" }, inWords(error)));
    }
  }
  load();
  drawTargets(targets, abort.signal);
  const end = listen("resumed", load);
  return () => {
    abort.abort();
    end();
  };
}

/** @param {any} rule */
function row(rule) {
  const config = rule.config ?? {};
  const cameras = rule.cameras ?? [];
  return h(
    "li",
    { class: "rule" },
    h("div", { class: "head" }, h("h2", {}, h("a", { href: `/rules/${encodeURIComponent(rule.name)}` }, rule.name)), h("span", { class: "small" }, ruleInWords(config))),
    drawReading(rule.reading, rule.warnings),
    h("p", { class: "small" }, cameras.length ? t.rule.on(cameras.join(", ")) : t.rule.onNone, " · ", h("a", { href: `/events?event=${encodeURIComponent(rule.name)}` }, t.rule.itsEvents)),
  );
}

/** @param {any} config */
export function ruleInWords(config) {
  const parts = [];
  if (typeof config.threshold === "number") parts.push(`${t.rule.threshold} ${config.threshold}`);
  if (config.max_false_alerts) parts.push(t.rule.atMost(String(config.max_false_alerts)));
  if (config.zone) parts.push(t.event.inZone([config.zone].flat().join(", ")));
  if (config.modalities) parts.push([config.modalities].flat().map((/** @type {string} */ name) => worded(t.modalities, name)).join(", "));
  if (config.alert?.to) parts.push(`→ ${[config.alert.to].flat().join(", ")}`);
  return parts.join(" · ");
}
