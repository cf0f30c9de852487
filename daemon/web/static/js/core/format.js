// Times and numbers as people read them, in the language of the page.

import { language } from "./i18n.js";

/** @returns {string} */
function locale() {
  const theirs = navigator.languages.find((name) => name.toLowerCase().startsWith(language.value));
  return theirs ?? language.value;
}

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/**
 * @param {Intl.DateTimeFormatOptions} options
 * @param {Date} date
 */
function dated(options, date) {
  const key = locale() + JSON.stringify(options);
  const format = formats.get(key) ?? new Intl.DateTimeFormat(locale(), options);
  formats.set(key, format);
  return format.format(date);
}

/** @param {number} unix Seconds. */
export function timeOfDay(unix) {
  return dated({ hour: "2-digit", minute: "2-digit", second: "2-digit" }, new Date(unix * 1000));
}

/** @param {number} unix */
export function day(unix) {
  return dated({ weekday: "long", day: "numeric", month: "long", year: "numeric" }, new Date(unix * 1000));
}

/** @param {number} unix */
export function dateTime(unix) {
  const date = new Date(unix * 1000);
  const today = new Date().toDateString() === date.toDateString();
  return today ? timeOfDay(unix) : dated({ dateStyle: "medium", timeStyle: "medium" }, date);
}

/**
 * Returns an offset within a file, like 0:01:05.3.
 * @param {number} seconds
 */
export function offset(seconds) {
  const tenths = Math.round(seconds * 10);
  const whole = Math.floor(tenths / 10);
  const rest = tenths % 10;
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const text = `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return rest ? `${text}.${rest}` : text;
}

/**
 * Returns a moment of an event: the time of day of a live stream, the offset in a file.
 * @param {number} at Stream seconds.
 * @param {boolean} live
 */
export function moment(at, live) {
  return live ? timeOfDay(at) : offset(at);
}

/** @param {number} seconds */
export function duration(seconds) {
  const zh = language.value === "zh";
  const [h, m, s] = zh ? [" 小时", " 分", " 秒"] : [" h", " min", " s"];
  if (seconds < 9.95) return `${seconds.toFixed(1)}${s}`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}${s}`;
  const minutes = Math.round(seconds / 60);
  if (whole < 3600) return `${Math.floor(whole / 60)}${m}${whole % 60 ? ` ${whole % 60}${s}` : ""}`;
  return `${Math.floor(minutes / 60)}${h}${minutes % 60 ? ` ${minutes % 60}${m}` : ""}`;
}

/** @param {number} share */
export function percent(share) {
  return `${Math.round(share * 100)}%`;
}

/** @param {number} bytes */
export function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let i = 0;
  for (; bytes >= 1000 && i < units.length - 1; i++) bytes /= 1000;
  return `${bytes < 10 && i ? bytes.toFixed(1) : Math.round(bytes)} ${units[i]}`;
}

/**
 * Returns a number with about three digits.
 * @param {number} value
 */
export function short(value) {
  if (!Number.isFinite(value)) return "–";
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: Math.min(4, digits) }).format(value);
}

/**
 * Returns the Unix time of a date that JSON gives as seconds or in ISO 8601; null for none.
 * @param {number | string | null | undefined} value
 */
export function unix(value) {
  if (typeof value === "number") return value;
  const parsed = value ? Date.parse(value) / 1000 : NaN;
  return Number.isNaN(parsed) ? null : parsed;
}
