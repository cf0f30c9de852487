// A question before something that cannot be undone here.

import { h } from "../core/dom.js";
import { t } from "../core/i18n.js";

/**
 * Asks; returns whether the answer is yes.
 * @param {string} question
 * @param {string} consequence
 * @param {string} yes
 * @returns {Promise<boolean>}
 */
export function ask(question, consequence, yes) {
  const dialog = h(
    "dialog",
    { "aria-labelledby": "question" },
    h("h2", { id: "question" }, question),
    h("p", {}, consequence),
    h("form", { method: "dialog", class: "row" }, h("button", { value: "" }, t.cancel), h("button", { class: "bad", value: "yes" }, yes)),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
