// Questions about what was recorded, and their answers, each with its moments. The dialogue stays while the page does.

import { ApiError, get, send } from "../core/api.js";
import { fill, h } from "../core/dom.js";
import { dateTime, duration } from "../core/format.js";
import { inWords, t } from "../core/i18n.js";
import { say } from "../core/say.js";
import { momentRow } from "../parts/moment_row.js";

/** @typedef {import("../core/types.js").FoundMoment} FoundMoment */
/** @typedef {{number: number, moment: FoundMoment, rule: string | null}} Numbered */
/** @typedef {{descriptions: string[], rules: string[], since: number | null, until: number | null, hours_of: Record<string, number>, events_of: Record<string, number>}} Searched */
/** @typedef {{code: string, message: string, cameras: string[]}} Failure */
/** @typedef {{state: "answered" | "not_seen" | "failed", sentences: {text: string, moments: number[]}[], moments: Numbered[], searched: Searched[], failures: Failure[], left_out: string[]}} Answer */
/** @typedef {{step: "planning" | "searching" | "answering", cameras: string[]} | {answer: Answer}} Line */

const MOST_TURNS = 6;
/** @type {{question: string, answer: Answer}[]} */
let dialogue = [];

/** @type {import("../core/router.js").View} */
export function askView(root) {
  const leaving = new AbortController();
  const text = h("input", { type: "text", id: "question", placeholder: t.ask.hint, autocomplete: "off", maxlength: 500, required: true });
  const camera = h("select", { id: "about-camera" }, h("option", { value: "" }, t.feed.allCameras));
  const go = h("button", { type: "submit", class: "main" }, t.ask.go);
  const anew = h("button", { type: "button", on: { click: forget } }, t.ask.anew);
  const form = h(
    "form",
    { class: "search", on: { submit: ask } },
    h("div", { class: "row" }, h("div", { class: "field wide" }, h("label", { for: "question" }, t.ask.what), text), h("div", { class: "field" }, h("label", { for: "about-camera" }, t.feed.camera), camera), go, anew),
  );
  const about = h("p", { class: "small asked" });
  const status = h("div", { class: "stack close" });
  const turns = h("div", { class: "stack" });
  fill(root, h("p", { class: "small" }, h("a", { href: "/search" }, `← ${t.nav.search}`)), h("div", { class: "head" }, h("h1", {}, t.ask.title)), form, about, status, turns);
  draw();
  introduce();

  function draw() {
    anew.hidden = !dialogue.length;
    fill(turns, ...dialogue.map(drawn).reverse());
  }

  function forget() {
    dialogue = [];
    draw();
    text.focus();
  }

  async function introduce() {
    try {
      const { asked, left_out } = await get("/ask", { signal: leaving.signal });
      const cameras = asked.flatMap((/** @type {{cameras: string[]}} */ one) => one.cameras);
      for (const name of cameras) camera.append(h("option", { value: name }, name));
      const models = asked.map((/** @type {{model: string, server: string}} */ one) => t.ask.answers(one.model, one.server));
      go.disabled = !asked.length;
      fill(about, asked.length ? models.join(" ") : t.ask.nobody, left_out.length > 0 && ` ${t.ask.leftOut(left_out.join(", "))}`);
    } catch (error) {
      if (!leaving.signal.aborted) fill(about, inWords(error));
    }
  }

  /** @param {Event} event */
  async function ask(event) {
    event.preventDefault();
    const question = text.value.trim();
    if (!question) return;
    go.disabled = true;
    try {
      const json = { question, earlier: dialogue.map(asEarlier), camera: camera.value ? [camera.value] : [], time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone };
      const answer = await answered(await send("POST", "/ask", { json, signal: leaving.signal }), progress);
      dialogue = [...dialogue, { question, answer }].slice(-MOST_TURNS);
      text.value = "";
      fill(status);
      draw();
      say(answer.sentences.map((one) => one.text).join(" ") || t.ask.states[answer.state]);
    } catch (error) {
      if (!leaving.signal.aborted) fill(status, h("p", { class: "box bad", role: "alert" }, inWords(error)));
    } finally {
      go.disabled = false;
    }
  }

  /**
   * @param {"planning" | "searching" | "answering"} step
   * @param {string[]} cameras
   */
  function progress(step, cameras) {
    const words = t.ask.steps[step](cameras.join(", "));
    fill(status, h("p", { class: "quiet" }, words));
    say(words);
  }

  return () => leaving.abort();
}

/**
 * Returns the answer that ends a response, and reports the steps before it.
 * @param {Response} response
 * @param {(step: "planning" | "searching" | "answering", cameras: string[]) => void} progress
 * @returns {Promise<Answer>}
 */
async function answered(response, progress) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) {
      /** @type {Line} */
      const line = JSON.parse(text);
      if ("answer" in line) return line.answer;
      progress(line.step, line.cameras);
    }
  }
  throw new ApiError(0, "unreachable", "");
}

/** @param {{question: string, answer: Answer}} turn */
function asEarlier({ question, answer }) {
  const camera = new Map(answer.moments.map((one) => [one.number, one.moment.camera]));
  return { question, answer: answer.sentences.map((one) => ({ text: one.text, cameras: [...new Set(one.moments.map((n) => camera.get(n)))] })) };
}

/** @param {{question: string, answer: Answer}} turn */
function drawn({ question, answer }) {
  const named = new Set(answer.sentences.flatMap((one) => one.moments));
  const shown = answer.moments.filter((one) => !named.size || named.has(one.number));
  const rows = new Map(shown.map((one) => [one.number, momentRow(one.moment, false)]));
  for (const { number, rule } of shown) rows.get(number)?.querySelector(".name")?.prepend(`[${number}] `, rule ? `${rule}, ` : "");
  return h(
    "section",
    { class: "answer stack close" },
    h("h2", {}, question),
    answer.sentences.map((one) => h("p", {}, one.text, ...one.moments.flatMap((number) => [" ", link(number, rows.get(number))]))),
    !answer.sentences.length && h("p", {}, t.ask.states[answer.state]),
    answer.failures.map((one) => h("p", { class: "box bad" }, `${one.cameras.join(", ")}: ${inWords(new ApiError(0, one.code, one.message))}`)),
    answer.searched.map((one) => h("p", { class: "small" }, searched(one))),
    shown.length > 0 && h("ol", { class: "moments" }, ...rows.values()),
  );
}

/**
 * Returns the link to a moment: it plays there, if there is anything to play.
 * @param {number} number
 * @param {HTMLElement | undefined} row
 */
function link(number, row) {
  const play = /** @type {HTMLElement | null} */ (row?.querySelector(".play"));
  const show = () => {
    row?.scrollIntoView({ block: "nearest" });
    play?.click();
  };
  const name = row?.querySelector(".name")?.textContent ?? String(number);
  return h("button", { type: "button", class: "cite", "aria-label": play ? t.search.play(name) : name, on: { click: show } }, play ? `▶ ${number}` : String(number));
}

/** @param {Searched} one */
function searched(one) {
  const what = [...one.descriptions.map((text) => `“${text}”`), ...one.rules].join(", ") || t.feed.allEvents;
  const from = one.since === null ? "" : dateTime(one.since);
  const to = one.until === null ? "" : dateTime(one.until);
  const hours = Object.entries(one.hours_of).map(([camera, n]) => t.ask.hours(camera, duration(3600 * n)));
  const counted = Object.entries(one.events_of).map(([rule, n]) => `${rule}: ${n}`);
  return [`${t.ask.searched} ${what}`, from || to ? `${from} – ${to}` : t.feed.anyTime, ...hours, ...counted].join(" · ");
}
