// Elements from plain calls. Text is only ever set as text: no string becomes markup, which the browser enforces too
// (the content security policy requires trusted types and allows none).

/** @typedef {Node | string | number | null | undefined | false} Child */
/**
 * `class`, `value`, `checked` and `disabled` are set as properties, `on` are listeners by event, `vars` custom
 * properties of CSS; all else is an attribute. Undefined, null and false leave one out.
 * @typedef {Record<string, any>} Properties
 */

const AS_PROPERTIES = new Set(["value", "checked", "disabled", "selected", "indeterminate", "muted"]);
const SVG = "http://www.w3.org/2000/svg";

/**
 * Returns an HTML element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Properties} [properties]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (AS_PROPERTIES.has(name)) continue;
    set(element, name, value);
  }
  element.append(...nodes(children));
  // After the children: a select can only take the value of an option that it has.
  for (const name of AS_PROPERTIES) if (properties[name] !== undefined) Reflect.set(element, name, properties[name]);
  return element;
}

/**
 * Returns an SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Properties} [properties]
 * @param {...(Child | Child[])} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function s(tag, properties = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) set(element, name, value);
  element.append(...nodes(children));
  return element;
}

/**
 * Replaces what an element contains.
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {any} value
 */
function set(element, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name === "on") {
    for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  } else if (name === "vars") {
    for (const [variable, given] of Object.entries(value)) {
      /** @type {HTMLElement} */ (element).style.setProperty(variable, String(given));
    }
  } else {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * @param {(Child | Child[])[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  /** @type {(Node | string)[]} */
  const found = [];
  for (const child of children.flat()) {
    if (child === undefined || child === null || child === false) continue;
    found.push(child instanceof Node ? child : String(child));
  }
  return found;
}

/**
 * Keeps one element for each item, in their order: elements that stay are moved, not made anew, so that focus,
 * pictures and scrolling survive an update.
 * @template T
 * @param {Element} parent
 * @param {readonly T[]} items
 * @param {(item: T) => string} key
 * @param {(item: T, element: Element | undefined) => Element} draw Returns the element, given the one that was there.
 */
export function keyed(parent, items, key, draw) {
  /** @type {Map<string, Element>} */
  const before = new Map();
  for (const element of parent.children) {
    if (element instanceof HTMLElement && element.dataset.key !== undefined) before.set(element.dataset.key, element);
  }
  /** @type {Element | null} */
  let at = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const old = before.get(name);
    const element = draw(item, old);
    before.delete(name);
    /** @type {HTMLElement} */ (element).dataset.key = name;
    if (old && old !== element) {
      if (at === old) at = element;
      old.replaceWith(element);
    }
    if (element === at) at = element.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  for (const element of before.values()) element.remove();
}

/**
 * Returns a symbol: decoration, which assistive technology skips.
 * @param {string} path The SVG path, within 24 × 24.
 */
export function icon(path) {
  return s("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: path }));
}
