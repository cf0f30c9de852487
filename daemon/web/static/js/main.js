// Starts the page: the bar with the views, the tools, the connection, and the view of the address.

import { get, loginNeeded, send } from "./core/api.js";
import { fill, h, icon } from "./core/dom.js";
import { timeOfDay } from "./core/format.js";
import { inWords, language, speak, t } from "./core/i18n.js";
import { may, me } from "./core/me.js";
import { begin, route, show, suspend } from "./core/router.js";
import { say } from "./core/say.js";
import { connection, listen, retry, start, stop } from "./core/stream.js";
import { dark, toggle } from "./core/theme.js";
import { askView } from "./views/ask.js";
import { cameraView } from "./views/camera.js";
import { eventView } from "./views/event.js";
import { eventsView } from "./views/events.js";
import { healthView } from "./views/health.js";
import { liveView } from "./views/live.js";
import { drawLogin } from "./views/login.js";
import { newCameraView } from "./views/new_camera.js";
import { ruleView } from "./views/rule.js";
import { rulesView } from "./views/rules.js";
import { searchView } from "./views/search.js";
import { summaryView } from "./views/summary.js";
import { uploadsView } from "./views/uploads.js";

const LOST_MS = 2500; // a break that is mended sooner is not worth a word
const VERSION = new URL(import.meta.url).pathname.split("/")[2];

/** @type {{path: string, name: keyof typeof t.nav, icon: string, may: string}[]} */
const VIEWS = [
  { path: "/", name: "live", icon: "M3 7h12v10H3zM15 10l6-3v10l-6-3", may: "view" },
  { path: "/events", name: "events", icon: "M3 17h4l3-10 4 10h7", may: "view" },
  { path: "/search", name: "search", icon: "M10 4a6 6 0 100 12 6 6 0 000-12M14.500 14.500L20 20", may: "view" },
  { path: "/rules", name: "rules", icon: "M4 6h16M4 12h10M4 18h7", may: "view" },
  { path: "/uploads", name: "uploads", icon: "M12 16V4M7 9l5-5 5 5M4 20h16", may: "view" },
  { path: "/health", name: "health", icon: "M4 20V10M10 20V4M16 20v-8M21 20H3", may: "health" },
];

route(/^\/(?:login)?$/, liveView);
route(/^\/cameras\/\+new$/, newCameraView);
route(/^\/cameras\/([^/]+)$/, cameraView);
route(/^\/events$/, eventsView);
route(/^\/events\/([^/]+)$/, eventView);
route(/^\/search$/, searchView);
route(/^\/ask$/, askView);
route(/^\/rules$/, rulesView);
route(/^\/rules\/([^/]+)$/, ruleView);
route(/^\/summary$/, summaryView);
route(/^\/uploads$/, uploadsView);
route(/^\/health$/, healthView);

const main = element("main");
const nav = element("nav");
const tools = element("tools");
const notice = element("notice");
let begun = false;

/** @param {string} id */
function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

function drawNav() {
  const path = location.pathname;
  nav.setAttribute("aria-label", t.views);
  element("skip").textContent = t.skip;
  const shown = VIEWS.filter((view) => may(view.may));
  const isHere = (/** @type {string} */ at) => (at === "/" ? path === "/" || path.startsWith("/cameras/") : path === at || path.startsWith(`${at}/`) || (path === "/ask" && at === "/search") || (path === "/summary" && at === (location.search.includes("upload=") ? "/uploads" : "/events")));
  fill(
    nav,
    shown.map(({ path: at, name, icon: drawn }) => h("a", { href: at, "aria-current": isHere(at) ? "page" : null }, icon(drawn), t.nav[name])),
  );
}

function drawTools() {
  const other = language.value === "zh" ? "en" : "zh";
  const live = connection.value.state === "live";
  fill(
    tools,
    begun && live && h("span", { class: "connection" }, h("span", { class: "dot good" }), h("span", {}, t.connected)),
    h("button", { type: "button", lang: other, on: { click: () => speak(other) } }, other === "zh" ? "中文" : "English"),
    h("button", { type: "button", on: { click: toggle }, "aria-label": dark.value ? t.toLight : t.toDark, title: dark.value ? t.toLight : t.toDark }, icon(dark.value ? "M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.600l1.4 1.400M17 17l1.4 1.400M18.4 5.600L17 7M7 17l-1.4 1.400M12 8a4 4 0 100 8 4 4 0 000-8" : "M20 14.5A8.5 8.5 0 019.5 4 8.5 8.5 0 1020 14.5")),
    me.value !== null && me.value.name !== "loopback" && h("button", { type: "button", on: { click: logOut }, "aria-label": t.logOut, title: t.logOut }, icon("M10 4H4v16h6M14 8l4 4-4 4M18 12H9")),
  );
}

/** Says honestly whether what is shown is still true. */
function drawConnection() {
  drawTools();
  const { state, since, error } = connection.value;
  const lost = state === "lost" && Date.now() - since >= LOST_MS;
  document.body.classList.toggle("lost", lost);
  if (lost) {
    const why = error && error.status ? ` ${inWords(error)}` : "";
    fill(notice, t.lost(timeOfDay(since / 1000)), why, h("button", { type: "button", on: { click: retry } }, t.again));
  } else if (state === "lost") setTimeout(drawConnection, LOST_MS + 50 - (Date.now() - since));
  else if (notice.dataset.kind !== "version") fill(notice);
}

/** After a restart another version may be running, whose API this page need not understand. */
async function compareVersion() {
  const response = await fetch("/", { method: "HEAD", cache: "no-store" }).catch(() => null);
  const tag = response?.headers.get("etag")?.replaceAll(/[W/"]/g, "");
  if (!tag || tag === VERSION) return;
  notice.dataset.kind = "version";
  fill(notice, t.newVersion, h("button", { type: "button", on: { click: () => location.reload() } }, t.reload));
}

async function logOut() {
  await send("DELETE", "/session").catch(() => null);
  loginNeeded.set(true);
}

async function enter() {
  try {
    me.set(await get("/me"));
  } catch (error) {
    if (loginNeeded.value) return;
    // A daemon that is starting, or away: say so, and try again until it answers.
    fill(main, h("h1", {}, t.away), h("p", { class: "quiet" }, inWords(error)));
    setTimeout(enter, 2000);
    return;
  }
  start();
  if (location.pathname === "/login") history.replaceState(null, "", "/");
  const first = VIEWS.find((view) => may(view.may));
  if (location.pathname === "/" && first) history.replaceState(null, "", first.path);
  if (begun) show();
  else {
    begun = true;
    begin(main, drawNav);
  }
  drawNav();
  drawTools();
}

loginNeeded.watch((needed) => {
  if (!needed) return;
  stop();
  me.set(null);
  drawNav();
  drawTools();
  fill(notice);
  suspend();
  drawLogin(main, enter);
});
connection.watch(drawConnection);
listen("resumed", () => {
  say(t.connectedAgain);
  compareVersion();
});
dark.watch(drawTools);
language.watch(() => {
  drawNav();
  drawConnection();
  if (loginNeeded.value) drawLogin(main, enter);
  else if (begun) show(false);
});

drawNav();
drawTools();
enter();
