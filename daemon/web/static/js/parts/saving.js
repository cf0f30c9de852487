// Writing to the configuration: only onto the version that was read, so that nobody's change is lost.

import { ApiError, send } from "../core/api.js";
import { h } from "../core/dom.js";
import { inWords, t } from "../core/i18n.js";

/**
 * Sends a change of the configuration.
 * @param {"PUT" | "DELETE" | "PATCH"} method
 * @param {string} path
 * @param {string} version The one that was read.
 * @param {any} [json]
 * @returns {Promise<any>} What the daemon answered: JSON, or null.
 */
export async function write(method, path, version, json) {
  const response = await send(method, path, { json, headers: { "If-Match": version } });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/**
 * Returns whether somebody else has changed the configuration meanwhile.
 * @param {unknown} error
 */
export function isConflict(error) {
  return error instanceof ApiError && error.status === 412;
}

/**
 * Returns why a change was not made: the reason and all problems with their lines.
 * @param {unknown} error
 */
export function refusedChange(error) {
  const body = error instanceof ApiError ? error.body : null;
  const problems = Array.isArray(body?.problems) ? body.problems : [];
  return h(
    "div",
    { class: "box bad", role: "alert" },
    h("p", {}, t.saving.notSaved, " ", inWords(error)),
    problems.length > 0 && h("ul", {}, problems.map((/** @type {any} */ problem) => h("li", {}, problemText(problem)))),
  );
}

/** @param {any} problem */
function problemText(problem) {
  const line = problem.line ? t.saving.line(problem.line) : "";
  const what = [problem.message, problem.hint].filter(Boolean).join("; ");
  return [line, problem.key ?? problem.at, what].filter(Boolean).join(": ");
}

/**
 * Returns what to show when somebody else was faster: their version can be loaded, or overwritten knowingly.
 * @param {() => void} reload Throws away what was written here.
 * @param {() => void} overwrite Saves again, onto the new version.
 */
export function conflictNotice(reload, overwrite) {
  return h(
    "div",
    { class: "box warn stack close", role: "alert" },
    h("p", {}, t.saving.conflict),
    h(
      "div",
      { class: "row" },
      h("button", { type: "button", on: { click: reload } }, t.saving.reload),
      h("button", { type: "button", on: { click: overwrite } }, t.saving.overwrite),
    ),
  );
}
