// Reading the text of /metrics: the numbers of one name, by their labels.

/** @typedef {{labels: Record<string, string>, value: number}} Sample */

/**
 * Returns all samples by name.
 * @param {string} text
 * @returns {Map<string, Sample[]>}
 */
export function parseMetrics(text) {
  /** @type {Map<string, Sample[]>} */
  const found = new Map();
  for (const line of text.split("\n")) {
    if (!line || line.startsWith("#")) continue;
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!match) continue;
    const [, name, labels = "", value] = match;
    const samples = found.get(name) ?? [];
    samples.push({ labels: parseLabels(labels), value: number(value) });
    found.set(name, samples);
  }
  return found;
}

/** @param {string} text */
function parseLabels(text) {
  /** @type {Record<string, string>} */
  const found = {};
  for (const [, name, value] of text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    found[name] = value.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
  }
  return found;
}

/** @param {string} text */
function number(text) {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}

/**
 * Returns the sum of samples; null for none.
 * @param {Map<string, Sample[]>} metrics
 * @param {string} name
 * @param {Record<string, string>} [labels] That a sample must have.
 */
export function sum(metrics, name, labels = {}) {
  const wanted = Object.entries(labels);
  const samples = (metrics.get(name) ?? []).filter((one) => wanted.every(([label, value]) => one.labels[label] === value));
  return samples.length ? samples.reduce((total, { value }) => total + value, 0) : null;
}
