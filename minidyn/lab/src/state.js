// The lab's state: one typed table (state.json, which the Python wrapper reads too), and its text form in links.

import table from "../state.json" with { type: "json" };

export const SETTINGS = table.settings;
export const PRESETS = table.presets;
export const BY_NAME = Object.fromEntries(SETTINGS.map((setting) => [setting.name, setting]));

const BY_KEY = Object.fromEntries(SETTINGS.map((setting) => [setting.key, setting]));

export const defaults = () => Object.fromEntries(SETTINGS.map((setting) => [setting.name, setting.default]));

// `text` as a value of the setting, or undefined if it is not one; numbers are brought into range.
function read(setting, text) {
  if (setting.type === "choice") return text in setting.choices ? text : undefined;
  if (setting.type === "flag") return text === "1" || text === "true";
  if (setting.type === "text" || setting.type === "list") return text;
  const value = Number(text);
  if (text === "" || !Number.isFinite(value)) return undefined;
  return Math.min(Math.max(setting.type === "integer" ? Math.round(value) : value, setting.least), setting.most);
}

// "A=20&T=500" as {amplitude: 20, period: 500}; what is unknown or cannot be read is left out.
export function parse(text) {
  const values = {};
  for (const [key, part] of new URLSearchParams(text)) {
    const setting = BY_KEY[key] ?? BY_NAME[key];
    const value = setting && read(setting, part);
    if (value !== undefined) values[setting.name] = value;
  }
  return values;
}

// The inverse of parse: every value that differs from `base`.
export function format(state, base = defaults()) {
  return SETTINGS.filter(({ name }) => state[name] !== base[name])
    .map(({ name, key, type }) => `${key}=${encodeURIComponent(type === "flag" ? Number(state[name]) : state[name])}`)
    .join("&")
    .replaceAll("%2C", ",")
    .replaceAll("%3A", ":");
}

// The settings of each run in the lab: one run, or two if `against` ("A:1,H:10") names what the second one changes.
export function runs(state) {
  if (!state.against) return [state];
  return [state, { ...state, ...parse(state.against.replaceAll(":", "=").replaceAll(",", "&")) }];
}

// The settings in which run i differs from the other, as text: "A = 70".
export function caption(state, i) {
  if (!state.against) return "";
  const both = runs(state);
  return SETTINGS.filter(({ name }) => both[0][name] !== both[1][name])
    .map((setting) => `${setting.key === "eta" ? "η" : setting.key} = ${show(setting, both[i][setting.name])}`)
    .join(", ");
}

export function show(setting, value) {
  return setting.type === "choice" ? setting.choices[value] : value.toLocaleString("en", { maximumSignificantDigits: 6 });
}

// Whether `state` shows a part of the lab: `only` lists the parts that are shown, `hide` those that are not.
export function shows(state, part) {
  const listed = (text) => text.split(/[\s,]+/).includes(part);
  return state.only ? listed(state.only) : !listed(state.hide);
}
