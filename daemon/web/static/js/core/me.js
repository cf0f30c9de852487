// Who the reader is to the daemon, and what they may do.

import { Store } from "./store.js";

/** @typedef {import("./types.js").Me} Me */

export const me = new Store(/** @type {Me | null} */ (null));

/**
 * Returns whether the reader may do something: `view`, `edit`, `upload`, `health` or `metrics`.
 * @param {string} what
 */
export function may(what) {
  return me.value !== null && me.value.may.includes(what);
}

/** Returns whether the reader may change rules and cameras; a token that is limited to cameras may not. */
export function mayEdit() {
  return may("edit") && me.value?.cameras === null;
}
