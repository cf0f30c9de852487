// What a vision-language model says of an event: the second opinion.

import { h } from "../core/dom.js";
import { duration } from "../core/format.js";
import { t, worded } from "../core/i18n.js";

/** @typedef {import("../core/types.js").EventBody} EventBody */
/** @typedef {import("../core/types.js").Verification} Verification */

/** @type {Record<string, string>} */
const TONES = { pending: "now", confirmed: "good", rejected: "bad" };

/** @param {Verification} said */
function verdict(said) {
  return h("span", { class: "state" }, h("span", { class: `dot ${TONES[said.verdict] ?? ""}` }), worded(t.opinion.verdicts, said.verdict));
}

/**
 * Returns the verdict with its sentence, for a list; nothing where the event is not verified.
 * @param {EventBody} event
 */
export function opinionLine(event) {
  const said = event.verification;
  return said && h("span", { class: "small opinion", title: said.model ?? "" }, verdict(said), said.why && ` ${said.why}`);
}

/**
 * Returns all that was said, for the event's own page; nothing where the event is not verified.
 * @param {EventBody} event
 */
export function opinionSection(event) {
  const said = event.verification;
  if (!said) return null;
  const { confidence, latency_s: latency, model } = said;
  const by = [model, typeof latency === "number" ? duration(latency) : ""].filter(Boolean).join(" · ");
  const fallback = said.verdict === "unavailable" && said.policy !== "label" && worded(t.opinion.fallbacks, said.fallback);
  return h(
    "section",
    { class: "stack close opinion" },
    h("h2", {}, t.opinion.title),
    h("p", {}, verdict(said), typeof confidence === "number" && h("span", { class: "small" }, ` ${Math.round(confidence * 100)}%`)),
    said.description?.length && h("p", { class: "small" }, said.description.map((text) => `“${text}”`).join(", ")),
    said.why && h("p", {}, said.why),
    said.doubt && h("p", { class: "small" }, `${t.opinion.doubt} ${said.doubt}`),
    fallback && h("p", { class: "small" }, fallback),
    by && h("p", { class: "small" }, by),
  );
}
