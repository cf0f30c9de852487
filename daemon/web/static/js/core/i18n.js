// The language of the page: the browser's, or what was chosen here.

import { en } from "../lang/en.js";
import { zh } from "../lang/zh.js";
import { keep, Store } from "./store.js";

const CATALOGUES = { en, zh };

/** @typedef {keyof typeof CATALOGUES} Language */

/** @returns {Language} */
function first() {
  return document.documentElement.lang === "zh" ? "zh" : "en";
}

export const language = new Store(first());

/** The texts of the page in its language; importers see it change. */
export let t = CATALOGUES[language.value];

/**
 * Changes the language, and remembers it.
 * @param {Language} name
 */
export function speak(name) {
  t = CATALOGUES[name];
  document.documentElement.lang = name;
  keep("language", name);
  language.set(name);
}

/**
 * Returns the words for a value of a closed set; an unknown one as it is, without its underscores.
 * @param {Record<string, string>} words
 * @param {string} value
 */
export function worded(words, value) {
  return Object.hasOwn(words, value) ? words[value] : value.replaceAll("_", " ");
}

/**
 * Returns an error in words: the daemon's, which are English and the most exact; in other languages ours, where the
 * code is known.
 * @param {unknown} error
 */
export function inWords(error) {
  if (!(error instanceof Error)) return t.errors.unknown;
  const code = /** @type {{code?: string}} */ (error).code ?? "";
  /** @type {Record<string, string>} */
  const known = t.errors;
  const ours = Object.hasOwn(known, code) ? known[code] : "";
  const theirs = error.message && error.message !== code ? error.message : "";
  return (language.value === "en" ? theirs || ours : ours || theirs) || `${t.errors.unknown} (${code || error.message})`;
}
