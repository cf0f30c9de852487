// Choosing a camera, drawing a zone on its picture, and writing it to the camera's configuration.

import { get } from "../core/api.js";
import { h, fill } from "../core/dom.js";
import { t } from "../core/i18n.js";
import { say } from "../core/say.js";
import { LivePicture } from "./camera_card.js";
import { conflictNotice, isConflict, refusedChange, write } from "./saving.js";
import { ZoneEditor } from "./zone_editor.js";

/** @typedef {import("../core/types.js").Camera} Camera */

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

export class ZoneDrawing {
  /**
   * @param {Camera[]} cameras
   * @param {(name: string) => void} saved Called with the name of a zone that was written.
   */
  constructor(cameras, saved) {
    this.cameras = cameras;
    this.saved = saved;
    /** @type {LivePicture | null} */
    this.picture = null;
    /** @type {ZoneEditor | null} */
    this.editor = null;
    this.camera = h("select", { id: "zone-camera", on: { change: () => this.open() } }, cameras.map(({ name }) => h("option", { value: name }, name)));
    this.zone = h("select", { id: "zone-which", on: { change: () => this.begin() } });
    this.name = h("input", { id: "zone-name", autocomplete: "off", maxlength: 64 });
    this.nameField = h("div", { class: "field" }, h("label", { for: "zone-name" }, t.zones.name), this.name);
    this.place = h("div", {});
    this.status = h("div", { "aria-live": "polite" });
    this.save = h("button", { type: "button", class: "first", on: { click: () => this.write() } }, t.zones.save);
    const add = h("button", { type: "button", on: { click: () => this.editor?.add() } }, t.zones.addCorner);
    const clear = h("button", { type: "button", on: { click: () => this.editor?.clear() } }, t.zones.clear);
    this.element = h(
      "div",
      { class: "stack" },
      h(
        "div",
        { class: "row" },
        h("div", { class: "field" }, h("label", { for: "zone-camera" }, t.feed.camera), this.camera),
        h("div", { class: "field" }, h("label", { for: "zone-which" }, t.zones.which), this.zone),
        this.nameField,
      ),
      this.place,
      h("div", { class: "row" }, add, clear, this.save),
      this.status,
    );
    this.open();
  }

  stop() {
    this.picture?.stop();
  }

  get chosen() {
    return this.cameras.find(({ name }) => name === this.camera.value);
  }

  /** Shows the chosen camera. */
  open() {
    this.picture?.stop();
    const camera = this.chosen;
    if (!camera) {
      fill(this.place, h("p", { class: "quiet" }, t.live.none));
      this.save.disabled = true;
      return;
    }
    this.picture = new LivePicture(camera.name, 900);
    this.editor = new ZoneEditor(this.picture.element, () => this.check());
    this.picture.follow(camera);
    if (camera.width && camera.height) this.editor.element.style.setProperty("--shape", `${camera.width} / ${camera.height}`);
    fill(this.place, this.editor.element);
    fill(
      this.zone,
      h("option", { value: "" }, t.zones.new),
      Object.keys(camera.zones ?? {}).map((name) => h("option", { value: name }, name)),
    );
    this.begin();
  }

  /** Begins with the chosen zone, or a new one. */
  begin() {
    const zones = this.chosen?.zones ?? {};
    const name = this.zone.value;
    this.nameField.hidden = name !== "";
    const others = Object.entries(zones).filter(([other]) => other !== name).map(([, corners]) => corners);
    this.editor?.edit(zones[name] ?? [], others);
    fill(this.status);
    this.check();
  }

  check() {
    this.save.disabled = !this.editor?.complete;
  }

  /** Writes the zone into the camera's entry as it is now: nothing else of the entry can be changed here. */
  async write() {
    const camera = this.chosen;
    const name = this.zone.value || this.name.value.trim();
    if (!camera || !this.editor) return;
    if (!NAME.test(name)) {
      fill(this.status, h("p", { class: "error", role: "alert" }, t.zones.badName));
      this.name.focus();
      return;
    }
    try {
      const place = `/cameras/${encodeURIComponent(camera.name)}`;
      const found = await get(`${place}/config`);
      const zones = { ...(found.config.zones ?? {}), [name]: this.editor.corners };
      await write("PUT", place, found.version, { ...found.config, zones });
      camera.zones = { ...(camera.zones ?? {}), [name]: this.editor.corners };
      this.open();
      this.zone.value = name;
      this.begin();
      fill(this.status, h("p", {}, t.saving.saved));
      say(t.saving.saved);
      this.saved(name);
    } catch (error) {
      const again = () => this.write();
      fill(this.status, isConflict(error) ? conflictNotice(() => this.open(), again) : refusedChange(error));
    }
  }
}
