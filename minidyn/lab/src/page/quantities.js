// What a reader can be asked to guess, before a run starts: a value of each run at a step, or the step of a burst.

import { validationCount } from "../engine/task.js";
import { number, percent, whole } from "./numbers.js";

const points = (difference) => `${(100 * difference).toFixed(1)} points`;
const relative = (guess, truth) => percent(Math.abs(guess / truth - 1));

// ask(step): what is to be guessed. range(settings, from, step): the least and the largest guess. read(row, settings): the truth.
// off(guess, truth): how far off a guess is, without its sign.
export const QUANTITIES = {
  F: {
    parts: ["F"], name: "loss F", logarithmic: true, range: () => [1e-4, 10],
    read: (row) => row.F, format: (value) => number(value, 2), off: relative,
  },
  accuracy: {
    parts: ["accuracy"], name: "validation accuracy", range: () => [0, 1],
    read: (row, settings) => row.validationCorrect / validationCount(settings), format: percent, off: (guess, truth) => points(Math.abs(guess - truth)),
  },
  sharpness: {
    parts: ["sharpness"], name: "sharpness λₘₐₓ", logarithmic: true,
    range: ({ learning_rate }) => [0.02 / learning_rate, 20 / learning_rate],
    read: (row) => row.sharpness, format: (value) => number(value, 2), off: relative,
  },
  burst: {
    parts: ["dF", "sharpness"], name: "first burst", isStep: true, range: (_, from, step) => [from, step],
    format: (value) => `step ${whole(Math.round(value))}`, off: (guess, truth) => `${whole(Math.abs(guess - truth))} steps`,
  },
};

// The value at `share`, from 0 to 1, of the way from the least to the largest guess; and the share of a value.
export function valueAt({ logarithmic, isStep }, [low, high], share) {
  const value = logarithmic ? low * (high / low) ** share : low + share * (high - low);
  return isStep ? Math.round(value) : value;
}

export function shareOf({ logarithmic }, [low, high], value) {
  const share = logarithmic ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  return Math.max(0, Math.min(share, 1));
}

// The sentences that compare guesses with the truth. names: of the runs, empty for a single one.
export function verdict({ quantity, step }, guesses, truths, names) {
  const entry = QUANTITIES[quantity];
  if (entry.isStep) return stepVerdict(entry, step, guesses[0], truths[0]);
  const subject = entry.name[0].toUpperCase() + entry.name.slice(1);
  const verdicts = guesses.map((guess, i) => valueVerdict(entry, guess, truths[i], names[i]));
  return `${subject} at step ${whole(step)}: ${verdicts.join("; ")}. ${names.length > 1 ? order(guesses, truths, names) : ""}`.trim();
}

function stepVerdict({ format, off }, step, guess, truth) {
  if (truth === null) return `You guessed ${format(guess)}; there was no burst up to step ${whole(step)}.`;
  if (guess === truth) return `The burst began at ${format(truth)}, exactly as you guessed.`;
  return `You guessed ${format(guess)}; the burst began at ${format(truth)}. You were ${off(guess, truth)} too ${guess > truth ? "late" : "early"}.`;
}

function valueVerdict({ format, off }, guess, truth, run) {
  const shown = `${run ? `${run} ` : ""}${truth === null ? "diverged" : format(truth)}, you guessed ${format(guess)}`;
  if (truth === null || format(guess) === format(truth)) return shown;
  return `${shown} (${off(guess, truth)} too ${guess > truth ? "high" : "low"})`;
}

function order(guesses, truths, names) {
  if (truths.includes(null)) return "";
  const higher = ([a, b]) => (a === b ? null : names[a > b ? 0 : 1]);
  const [guessed, true_] = [higher(guesses), higher(truths)];
  const fact = true_ ? `The ${true_} is higher` : "Both are equal";
  if (guessed === true_) return `${fact}, as you guessed.`;
  return `${fact}; you guessed ${guessed ? `the ${guessed}` : "no difference"}.`;
}
