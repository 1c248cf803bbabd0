// The palette of the book, light or dark like the page around it.

import { CLASSES } from "../engine/task.js";
import palette from "../../../palette.json" with { type: "json" };

const PAPER = { light: "#ffffff", dark: "#14181e" };

function isDark() {
  const { theme } = document.documentElement.dataset; // pydata's themes
  if (theme === "dark" || theme === "light") return theme === "dark";
  const { jpThemeLight } = document.body.dataset; // JupyterLab
  if (jpThemeLight) return jpThemeLight === "false";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

export function currentTheme() {
  const dark = isDark();
  const pick = (name) => palette[dark ? `${name}_dark` : name];
  return {
    dark,
    classes: pick("classes").slice(0, CLASSES),
    second: pick("classes")[CLASSES], // a colour of no class, for a second curve
    pins: [3, 0, 2, 1].map((i) => pick("classes")[i]), // of pinned runs, beside their dashes
    unstable: pick("unstable"),
    ink: pick("ink"),
    muted: pick("muted"),
    grid: pick("grid"),
    paper: dark ? PAPER.dark : PAPER.light,
  };
}

// Calls changed() whenever the page changes between light and dark; returns a function that ends this.
export function watchTheme(changed) {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  observer.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
  const query = matchMedia("(prefers-color-scheme: dark)");
  query.addEventListener("change", changed);
  return () => {
    observer.disconnect();
    query.removeEventListener("change", changed);
  };
}

export const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

// A colour as one little-endian RGBA pixel.
export const pixel = (hex) => {
  const [r, g, b] = rgb(hex);
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
};
