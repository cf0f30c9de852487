// What a description is read as, and what it cannot do, before anything is saved.

import { h } from "../core/dom.js";
import { language, t } from "../core/i18n.js";

/**
 * One description as the daemon judges it.
 * @typedef {{text: string, read_as: string, problem: string | null}} Judgement
 */

/**
 * Returns a reading in words, with its warnings.
 * @param {{descriptions: Judgement[], sentences?: Record<string, string>}} reading
 * @param {string[]} warnings
 * @param {boolean} [full] Whether it says so if nothing speaks against the description.
 */
export function drawReading(reading, warnings, full = false) {
  const all = reading.descriptions;
  const sentence = reading.sentences?.[language.value];
  const distinct = [...new Set([...all.flatMap(({ problem }) => problem ?? []), ...warnings])];
  return h(
    "div",
    { class: "reading stack close" },
    sentence !== undefined && h("p", {}, h("span", { class: "quiet" }, `${t.rule.happens} `), sentence),
    all.length > 0 &&
      h(
        "ul",
        { class: "stack close" },
        all.map(({ text, read_as: as, problem }) =>
          h("li", {}, h("span", { class: `dot ${problem ? "warn" : "good"}` }), h("span", {}, h("span", { class: "quiet" }, `“${text}” `), t.rule.isReadAs, " ", h("span", {}, as || t.rule.nothing))),
        ),
      ),
    distinct.map((text) => h("p", { class: "box warn" }, text)),
    full && all.length > 0 && !distinct.length && h("p", { class: "small" }, t.rule.noProblem),
  );
}
