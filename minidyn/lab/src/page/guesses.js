// The reader's guesses: in the browser's storage if there is one, by page and lab, and as a file. Nothing is sent.

import { target } from "../state.js";

const KEY = "minidyn guesses";
const unsaved = {}; // those that the storage did not take

// A guess is {guess: "accuracy@3000", settings: "A=20", values, truths: null or values (null: none), committed: date}.
const isNumbers = (list, rest = () => false) => Array.isArray(list) && list.every((value) => Number.isFinite(value) || rest(value));
const isGuess = (entry) =>
  typeof entry?.settings === "string" && typeof entry.guess === "string" && target(entry.guess) !== null &&
  isNumbers(entry.values) && (entry.truths === null || isNumbers(entry.truths, (value) => value === null));

function stored() {
  try {
    const entries = Object.entries(JSON.parse(localStorage.getItem(KEY)) ?? {});
    return Object.fromEntries(entries.filter(([, entry]) => isGuess(entry)));
  } catch {
    return {}; // there is no storage, or something else in it
  }
}

function store(entries) {
  try {
    localStorage.setItem(KEY, JSON.stringify(entries));
    return true;
  } catch {
    return false;
  }
}

export const load = (place) => unsaved[place] ?? stored()[place] ?? null;

export function keep(place, entry) {
  if (store({ ...stored(), [place]: entry })) delete unsaved[place];
  else unsaved[place] = entry;
}

export function forget(place) {
  delete unsaved[place];
  const { [place]: _, ...others } = stored();
  store(others);
}

// All guesses in this browser, as the text of a file.
export function exported() {
  const guesses = Object.entries({ ...stored(), ...unsaved }).map(([place, entry]) => {
    const [page, lab] = place.split("#");
    return { page, lab: Number(lab), ...entry };
  });
  return JSON.stringify({ format: "minidyn guesses", version: 1, guesses }, null, 1);
}
