// Alerts on the page: what became of each, whom they go to, and what is muted.

import { get, send } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { dateTime, timeOfDay, unix } from "../core/format.js";
import { inWords, t, worded } from "../core/i18n.js";
import { mayEdit, may } from "../core/me.js";
import { say } from "../core/say.js";

/** @typedef {import("../core/types.js").Alert} Alert */
/** @typedef {import("../core/types.js").EventBody} EventBody */

const HOUR_S = 3600;

/** @type {Record<string, string>} */
const TONES = { delivered: "good", pending: "now", held: "now", dead: "bad" };

/**
 * Draws the alerts of an event, with what can be done about them.
 * @param {HTMLElement} section
 * @param {EventBody} event
 * @param {Alert[]} alerts
 * @param {() => void} changed
 */
export function drawAlerts(section, event, alerts, changed) {
  const status = h("p", { class: "small", role: "status" });
  const mute = async () => {
    status.textContent = await tried(() => send("POST", "/mutes", { json: { camera: event.camera, event: event.event, seconds: HOUR_S } }), t.alerts.muted(timeOfDay(Date.now() / 1000 + HOUR_S)));
  };
  fill(
    section,
    h("h2", {}, t.alerts.title),
    alerts.length ? h("ul", { class: "stack close" }, alerts.map((alert) => row(alert, changed))) : h("p", { class: "quiet" }, t.alerts.none),
    may("edit") && h("p", {}, h("button", { type: "button", on: { click: mute } }, t.alerts.mute)),
    status,
  );
}

/**
 * @param {Alert} alert
 * @param {() => void} changed
 */
function row(alert, changed) {
  const at = unix(alert.delivered_at) ?? unix(alert.at);
  const more = [
    alert.reason ? worded(t.alerts.reasons, alert.reason) : "",
    alert.error ?? "",
    alert.possible_duplicate ? t.alerts.twice : "",
    at === null ? "" : dateTime(at),
  ];
  const status = h("span", { class: "small" }); // drawn anew soon: what it says is read out by `say`
  const again = async () => {
    status.textContent = await tried(() => send("POST", `/alerts/${encodeURIComponent(alert.id)}/replay`), t.alerts.replayed);
    say(status.textContent);
    changed();
  };
  const done = ["dead", "suppressed", "held"].includes(alert.state);
  return h(
    "li",
    { class: "row" },
    h("span", { class: "state" }, h("span", { class: `dot ${TONES[alert.state] ?? ""}` }), worded(t.alerts.states, alert.state)),
    h("span", {}, alert.target),
    h("span", { class: "small" }, more.filter(Boolean).join(" · ")),
    done && may("edit") && h("button", { type: "button", class: "plain", on: { click: again } }, t.alerts.again),
    status,
  );
}

/**
 * Returns what happened in words.
 * @param {() => Promise<unknown>} action
 * @param {string} done
 */
async function tried(action, done) {
  try {
    await action();
    return done;
  } catch (error) {
    return inWords(error);
  }
}

/**
 * Draws the targets and what is muted; nothing where neither is configured.
 * @param {HTMLElement} section
 * @param {AbortSignal} signal
 */
export async function drawTargets(section, signal) {
  let found;
  try {
    found = await get("/alerts", { query: { limit: 1 }, signal });
  } catch (error) {
    if (!signal.aborted) fill(section, h("h2", {}, t.alerts.targets), h("p", { class: "quiet" }, inWords(error)));
    return;
  }
  const { targets, mutes } = found;
  fill(
    section,
    h("h2", {}, t.alerts.targets),
    targets.length ? h("ul", { class: "stack close" }, targets.map((/** @type {any} */ target) => targetRow(target))) : h("p", { class: "quiet" }, t.rule.noTargets),
    mutes.length > 0 && [
      h("h2", {}, t.alerts.mutedNow),
      h("ul", { class: "stack close" }, mutes.map((/** @type {any} */ one) => muteRow(one, () => drawTargets(section, signal)))),
    ],
  );
}

/** @param {any} target */
function targetRow(target) {
  const tone = target.up === null ? "" : target.up ? "good" : "bad";
  const words = target.up === null ? t.alerts.untried : target.up ? t.alerts.up : t.alerts.down;
  const status = h("span", { class: "small", role: "status" });
  const test = h("button", { type: "button", class: "plain", on: { click: run } }, t.alerts.test);
  async function run() {
    test.disabled = true;
    status.textContent = t.loading;
    status.textContent = await tried(() => send("POST", "/alerts/test", { json: { target: target.name } }), t.alerts.arrived);
    test.disabled = false;
  }
  return h(
    "li",
    { class: "row" },
    h("span", { class: "state" }, h("span", { class: `dot ${tone}` }), target.name),
    h("span", { class: "small" }, words, " · ", t.alerts.counts(target.delivered, target.waiting, target.dead)),
    mayEdit() && test,
    status,
  );
}

/**
 * @param {{camera: string, event: string, until: number}} one
 * @param {() => void} changed
 */
function muteRow(one, changed) {
  const status = h("span", { class: "small" }); // drawn anew soon: what it says is read out by `say`
  const end = async () => {
    status.textContent = await tried(() => send("POST", "/mutes", { json: { camera: one.camera, event: one.event, seconds: 0 } }), "");
    say(status.textContent);
    changed();
  };
  const what = [one.camera, one.event || t.feed.allEvents].join(" · ");
  return h(
    "li",
    { class: "row" },
    h("span", {}, what),
    h("span", { class: "small" }, t.alerts.until(dateTime(one.until))),
    may("edit") && h("button", { type: "button", class: "plain", on: { click: end } }, t.alerts.unmute),
    status,
  );
}
