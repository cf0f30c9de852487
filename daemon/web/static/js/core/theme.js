// Light or dark: as the system has it, until one is chosen here.

import { keep, Store } from "./store.js";

const system = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : system.matches;
}

export const dark = new Store(isDark());
system.addEventListener("change", () => dark.set(isDark()));

/** Changes between light and dark; what the system has is not kept, so that the page goes on following it. */
export function toggle() {
  const next = isDark() ? "light" : "dark";
  const asSystem = (next === "dark") === system.matches;
  if (asSystem) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  keep("theme", asSystem ? null : next);
  dark.set(isDark());
}
