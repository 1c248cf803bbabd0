// The lab's state: one typed table (state.json, which the Python wrapper reads too), and its text form in links.

import table from "../state.json" with { type: "json" };

export const SETTINGS = table.settings;
export const PRESETS = table.presets;
export const GUESSES = table.guesses; // what can be guessed, and the chart that shows it
export const BY_NAME = Object.fromEntries(SETTINGS.map((setting) => [setting.name, setting]));

// Those that define a single run.
export const RUN_SETTINGS = SETTINGS.filter(({ name, restarts }) => restarts && name !== "against");

const FIGURE4_WIDTH = 100;
const BY_KEY = Object.fromEntries(SETTINGS.map((setting) => [setting.key, setting]));

export const defaults = () => Object.fromEntries(SETTINGS.map((setting) => [setting.name, setting.default]));

// `text` as a value of the setting, or undefined if it is not one; numbers are brought into range.
function read(setting, text) {
  if (setting.type === "choice") return text in setting.choices ? text : undefined;
  if (setting.type === "flag") return text === "1" || text === "true";
  if (setting.type === "guess") return text === "" || target(text) ? text : undefined;
  if (setting.type === "changes" || setting.type === "list") return text;
  const value = Number(text);
  if (text === "" || !Number.isFinite(value)) return undefined;
  return Math.min(Math.max(setting.type === "integer" ? Math.round(value) : value, setting.least), setting.most);
}

// "accuracy@3000" as {quantity, step}; null if it cannot be read.
export function target(guess) {
  const [, quantity, step] = /^(\w+)@([1-9]\d{0,8})$/.exec(guess) ?? [];
  return Object.hasOwn(GUESSES, quantity) ? { quantity, step: Number(step) } : null;
}

// What a value of the setting must be, if `value` is not one; else null.
export function problem({ type, choices, least, most }, value) {
  if (type === "choice") return Object.hasOwn(choices, value) ? null : `one of ${Object.keys(choices).join(", ")}`;
  const right = type === "integer" ? Number.isInteger(value) : Number.isFinite(value);
  return right && value >= least && value <= most ? null : `${type === "integer" ? "an integer" : "a number"} from ${least} to ${most}`;
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

// `state` with weights that fit its network: those of figure 4 are of one width only.
export function consistent(state) {
  return state.weights === "figure4" && state.width !== FIGURE4_WIDTH ? { ...state, weights: "seed" } : state;
}

// The inverse of parse: every value that differs from `base`.
export function format(state, base = defaults()) {
  return SETTINGS.filter(({ name }) => state[name] !== base[name])
    .map(({ name, key, type }) => `${key}=${encodeURIComponent(type === "flag" ? Number(state[name]) : state[name])}`)
    .join("&")
    .replaceAll("%2C", ",")
    .replaceAll("%3A", ":")
    .replaceAll("%40", "@");
}

// The settings of each run in the lab: one run, or two if `against` ("A:1,H:10") names what the second one changes.
export function runs(state) {
  if (!state.against) return [state];
  return [state, consistent({ ...state, ...parse(state.against.replaceAll(":", "=").replaceAll(",", "&")) })];
}

// All settings that define the runs in the lab, as text.
export const identity = (state) => format({ ...defaults(), ...Object.fromEntries(SETTINGS.filter(({ restarts }) => restarts).map(({ name }) => [name, state[name]])) });

// The settings in which run i differs from the other, as text: "A = 70".
export function caption(state, i) {
  if (!state.against) return "";
  const both = runs(state);
  return SETTINGS.filter(({ name }) => both[0][name] !== both[1][name])
    .map((setting) => symbol(setting, both[i][setting.name]))
    .join(", ");
}

// A setting and its value, as text: "η = 1".
export const symbol = (setting, value) => `${setting.key === "eta" ? "η" : setting.key} = ${show(setting, value)}`;

export function show(setting, value) {
  return setting.type === "choice" ? setting.choices[value] : value.toLocaleString("en", { maximumSignificantDigits: 6 });
}

const lists = (text, part) => text.split(/[\s,]+/).includes(part);

// Whether `state` shows a part of the lab: `only` lists the parts that are shown, `hide` those that are not.
export const shows = (state, part) => (state.only ? lists(state.only, part) : !lists(state.hide, part));

// Whether a part stands on the first screen: `first` lists those that do, if there is more behind "More".
export const isFirst = (state, part) => !state.first || lists(state.first, part);
