// The form that asks for a token.

import { ApiError, loginNeeded, send } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { inWords, t } from "../core/i18n.js";

/**
 * Draws the form; calls `done` once the daemon has accepted a token.
 * @param {HTMLElement} root
 * @param {() => void} done
 */
export function drawLogin(root, done) {
  const token = h("input", { type: "password", id: "token", name: "token", autocomplete: "current-password", required: true, "aria-describedby": "token-hint" });
  const user = h("input", { class: "hidden-text", type: "text", name: "username", value: "watchword", autocomplete: "username", tabindex: "-1", "aria-hidden": "true" });
  const error = h("p", { class: "error", role: "alert" });
  const button = h("button", { class: "first", type: "submit" }, t.login.go);
  const form = h(
    "form",
    { class: "login stack", on: { submit: submit } },
    h("h1", {}, t.login.title),
    user,
    h("div", { class: "field" }, h("label", { for: "token" }, t.login.token), token, h("p", { class: "small", id: "token-hint" }, t.login.hint)),
    error,
    h("p", {}, button),
  );
  fill(root, form);
  document.title = `${t.login.title} – Watchword`;
  token.focus();

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    error.textContent = "";
    try {
      await send("POST", "/session", { json: { token: token.value } });
      loginNeeded.set(false);
      done();
    } catch (failure) {
      const wrong = failure instanceof ApiError && failure.status === 401;
      error.textContent = wrong ? t.login.wrong : inWords(failure);
      token.setAttribute("aria-invalid", "true");
      token.focus();
    } finally {
      button.disabled = false;
    }
  }
}
