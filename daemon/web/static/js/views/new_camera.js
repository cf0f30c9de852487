// A new camera: its name and where its stream is.

import { get } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { t } from "../core/i18n.js";
import { go } from "../core/router.js";
import { refusedChange, write } from "../parts/saving.js";

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** @type {import("../core/router.js").View} */
export function newCameraView(root) {
  const name = h("input", { id: "camera-name", autocomplete: "off", maxlength: 64, autocapitalize: "none", spellcheck: "false" });
  const url = h("input", { id: "camera-url", autocomplete: "off", autocapitalize: "none", spellcheck: "false", placeholder: "rtsp://10.0.0.5/stream1", "aria-describedby": "camera-hint" });
  const audio = h("input", { type: "checkbox", checked: true });
  const status = h("div", {});
  const save = h("button", { class: "first", type: "submit" }, t.camera.add);
  const form = h(
    "form",
    { class: "stack narrow-form", on: { submit } },
    h("div", { class: "field" }, h("label", { for: "camera-name" }, t.rule.name), name, h("p", { class: "small" }, t.rule.nameHint)),
    h("div", { class: "field" }, h("label", { for: "camera-url" }, t.camera.url), url, h("p", { class: "small", id: "camera-hint" }, t.camera.urlHint)),
    h("label", { class: "check" }, audio, t.camera.audio),
    status,
    h("p", {}, save),
  );
  fill(root, h("p", { class: "small" }, h("a", { href: "/" }, `← ${t.nav.live}`)), h("div", { class: "head" }, h("h1", {}, t.camera.add)), form);

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    const wanted = name.value.trim();
    if (!NAME.test(wanted) || !url.value.trim()) {
      const wrong = NAME.test(wanted) ? url : name;
      fill(status, h("p", { class: "box bad", role: "alert" }, wrong === url ? t.camera.noUrl : t.rule.badName));
      wrong.focus();
      return;
    }
    save.disabled = true;
    try {
      const [{ cameras }, { version }] = await Promise.all([get("/cameras"), get("/rules")]);
      if (cameras.some((/** @type {{name: string}} */ one) => one.name === wanted)) {
        fill(status, h("p", { class: "box bad", role: "alert" }, t.camera.exists));
        return;
      }
      const entry = audio.checked ? { url: url.value.trim() } : { url: url.value.trim(), audio: false };
      await write("PUT", `/cameras/${encodeURIComponent(wanted)}`, version, entry);
      go(`/cameras/${encodeURIComponent(wanted)}`);
    } catch (error) {
      fill(status, refusedChange(error));
    } finally {
      save.disabled = false;
    }
  }
}
