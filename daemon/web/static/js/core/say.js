// Short messages, read out by screen readers.

/** @param {string} text */
export function say(text) {
  const region = document.getElementById("said");
  if (!region) return;
  region.textContent = "";
  setTimeout(() => {
    region.textContent = text; // the same text twice is read out twice
  }, 50);
}
