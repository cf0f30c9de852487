// What a vision-language model wrote of an event or of a file.

import { h } from "../core/dom.js";
import { offset } from "../core/format.js";
import { t } from "../core/i18n.js";

/** @typedef {import("../core/types.js").EventBody} EventBody */
/** @typedef {import("../core/types.js").FileDescription} FileDescription */

/**
 * Returns the caption of an event with its attributes; nothing where there is none.
 * @param {EventBody} event
 */
export function captionSection(event) {
  const said = event.caption;
  if (!said) return null;
  return h(
    "section",
    { class: "stack close" },
    h("h2", {}, t.caption.title),
    h("p", { lang: said.language }, said.text),
    tags(said.attributes ?? [], said.language),
    h("p", { class: "small" }, t.caption.by(said.model)),
  );
}

/** @param {FileDescription} found */
export function fileText(found) {
  return h(
    "section",
    { class: "stack close", lang: found.language },
    h("h2", {}, found.title),
    h("p", {}, found.text),
    tags(found.tags, found.language),
    h("p", { class: "small", lang: document.documentElement.lang }, t.caption.by(found.model)),
  );
}

/** @param {FileDescription} found */
export function transcript(found) {
  if (!found.transcript.length) return null;
  return h(
    "details",
    {},
    h("summary", {}, t.caption.transcript),
    h("ul", { class: "stack close", lang: found.language }, found.transcript.map((line) => h("li", {}, h("span", { class: "small" }, offset(Math.round(line.start))), " ", h("q", {}, line.text)))),
  );
}

/**
 * @param {string[]} names
 * @param {string} lang
 */
function tags(names, lang) {
  return names.length > 0 && h("p", { class: "tags", lang }, names.map((name) => h("span", { class: "tag" }, name)));
}
