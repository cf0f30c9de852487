// Runs before anything is drawn, so that no light page flashes up in a dark room, and no English one for others.
(() => {
  const root = document.documentElement;
  const kept = (/** @type {string} */ name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null; // storage is switched off
    }
  };
  const theme = kept("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  const language = kept("language") ?? navigator.language;
  root.lang = language.toLowerCase().startsWith("zh") ? "zh" : "en";
  // A module that did not arrive (a weak network, a busy machine) would leave the page empty for ever.
  addEventListener(
    "error",
    (event) => {
      if (!(event.target instanceof HTMLScriptElement)) return;
      const place = document.getElementById("loading");
      if (place) place.textContent = root.lang === "zh" ? "页面未能完整载入，正在重试……" : "The page did not arrive whole; trying again …";
      setTimeout(() => location.reload(), 3000);
    },
    true,
  );
})();
