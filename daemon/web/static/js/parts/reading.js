// What a description is read as, and what it cannot do, before anything is saved.

import { h } from "../core/dom.js";
import { t } from "../core/i18n.js";

/**
 * One description as the daemon judges it.
 * @typedef {{text: string, read_as: string, problem: string | null}} Judgement
 */

/**
 * Returns the judgements of a reading, in whichever of its forms the daemon sends them.
 * @param {any} reading
 * @returns {Judgement[]}
 */
export function judgements(reading) {
  const list = Array.isArray(reading) ? reading : (reading?.judgements ?? reading?.descriptions ?? null);
  if (Array.isArray(list)) return list.map((one) => ({ text: String(one.text ?? ""), read_as: String(one.read_as ?? ""), problem: one.problem ?? null }));
  const texts = reading?.describe ?? [];
  const read = reading?.read_as ?? [];
  return read.map((/** @type {unknown} */ as, /** @type {number} */ i) => ({ text: String(texts[i] ?? ""), read_as: String(as), problem: null }));
}

/**
 * Returns a reading in words, with its warnings.
 * @param {any} reading
 * @param {any[]} warnings
 */
export function drawReading(reading, warnings) {
  const all = judgements(reading);
  const problems = [...all.map(({ problem }) => problem), ...warnings.map(warningText)].filter((text) => text);
  const distinct = problems.filter((text, i) => !problems.slice(0, i).some((earlier) => earlier && (earlier.includes(text ?? "") || text?.includes(earlier))));
  return h(
    "div",
    { class: "reading stack close" },
    all.length > 0 &&
      h(
        "ul",
        { class: "stack close" },
        all.map(({ text, read_as: as, problem }) =>
          h("li", {}, h("span", { class: `dot ${problem ? "warn" : "good"}` }), h("span", {}, h("span", { class: "quiet" }, `“${text}” `), t.rule.isReadAs, " ", h("span", {}, as || t.rule.nothing))),
        ),
      ),
    distinct.map((text) => h("p", { class: "box warn" }, text)),
    all.length > 0 && !distinct.length && h("p", { class: "small" }, t.rule.noProblem),
  );
}

/** @param {any} warning */
function warningText(warning) {
  return typeof warning === "string" ? warning : String(warning?.message ?? warning?.text ?? JSON.stringify(warning));
}
