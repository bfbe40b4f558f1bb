// --- light and dark -----------------------------------------------------------------------------

const THEMES = ["auto", "light", "dark"];
const darkRule = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])
  .find((rule) => rule.media?.mediaText.includes("prefers-color-scheme"));
const darkByItself = darkRule.media.mediaText;

/** Show the page in a theme. One rule holds the dark colours, so its condition is what changes. */
function setTheme(theme) {
  darkRule.media.mediaText = { auto: darkByItself, light: "not all", dark: "screen" }[theme];
  root.dataset.theme = theme;
  document.getElementById("theme").textContent = `Theme: ${theme}`;
  store("resray-theme", theme);
}

/** Keep a value on this computer, if the browser lets a page from disk do so. */
function store(name, value) {
  try { localStorage.setItem(name, value); } catch { /* it is only forgotten */ }
}

function stored(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

let palette = new Map();

/** Return a colour token, "@name" or "@name/20" (20 % opaque), as a colour. */
function colourOf(token) {
  if (!palette.has(token)) {
    const [name, percent] = token.slice(1).split("/");
    const value = getComputedStyle(root).getPropertyValue(`--${name}`).trim() || token;
    palette.set(token, percent ? translucent(value, percent / 100) : value);
  }
  return palette.get(token);
}

function translucent(colour, opacity) {
  const parts = colour.match(/^#(..)(..)(..)$/);
  if (!parts) return colour;
  return `rgba(${parts.slice(1).map((part) => parseInt(part, 16)).join(",")},${opacity})`;
}
