// Which view an address shows. Addresses are plain paths, so that a link in a message opens the view it names.

import { h, fill } from "./dom.js";
import { t } from "./i18n.js";

/**
 * A view draws into an element, and returns what is to be done when it is left.
 * @typedef {(root: HTMLElement, route: Route) => void | (() => void)} View
 * @typedef {{path: string, name: string, query: URLSearchParams}} Route
 */

/** @type {[RegExp, View][]} */
const routes = [];
/** @type {void | (() => void)} */
let leave;
/** @type {HTMLElement} */
let root;
/** @type {(path: string) => void} */
let entered = () => {};

/**
 * Adds a view; the first group of the pattern is the route's `name`.
 * @param {RegExp} pattern
 * @param {View} view
 */
export function route(pattern, view) {
  routes.push([pattern, view]);
}

/**
 * Begins to show views in an element.
 * @param {HTMLElement} element
 * @param {(path: string) => void} onEnter Called for each view, with its path.
 */
export function begin(element, onEnter) {
  root = element;
  entered = onEnter;
  window.addEventListener("popstate", () => show());
  document.addEventListener("click", follow);
  show(false);
}

/**
 * Goes to an address of the page.
 * @param {string} path With its query.
 * @param {boolean} [replace] Whether it takes the place of the present one in the history.
 */
export function go(path, replace = false) {
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  show();
}

/**
 * Changes the query of the present address without showing the view again.
 * @param {URLSearchParams} query
 */
export function note(query) {
  const text = query.toString();
  history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
}

/**
 * Shows the view of the present address.
 * @param {boolean} [moved] Whether the reader went there: the heading gets the focus then, so that it is read out.
 */
export function show(moved = true) {
  suspend();
  const path = location.pathname;
  const found = routes.find(([pattern]) => pattern.test(path));
  fill(root);
  if (found) {
    const [, name = ""] = found[0].exec(path) ?? [];
    leave = found[1](root, { path, name: decoded(name), query: new URLSearchParams(location.search) });
  } else {
    fill(root, h("h1", {}, t.notFound), h("p", {}, h("a", { href: "/" }, t.nav.live)));
  }
  entered(path);
  const heading = root.querySelector("h1");
  document.title = heading?.textContent ? `${heading.textContent} – Watchword` : "Watchword";
  if (!moved) return;
  window.scrollTo(0, 0);
  if (heading) {
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }
}

/** Leaves the present view, whose place something else takes. */
export function suspend() {
  leave?.();
  leave = undefined;
}

/**
 * Returns the words of a part of a path, which may be encoded wrongly.
 * @param {string} text
 */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {MouseEvent} event */
function follow(event) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (!routes.some(([pattern]) => pattern.test(link.pathname))) return;
  if (link.hash) return;
  event.preventDefault();
  go(link.pathname + link.search);
}
