// What the engine's thread and the page exchange.

// One row per step. change: F(t) - F(t-1); frozenChange: F(t-1, w_t) - F(t-1, w_{t-1}); both are undefined at step 0.
// loss0 ... loss2: the terms of F that Γ_0 ... Γ_2 multiply.
export const COLUMNS = [
  "step", "F", "change", "frozenChange", "correct", "validationCorrect", "sharpness", "unstable",
  "loss0", "loss1", "loss2",
];
export const WIDTH = COLUMNS.length;
export const COLUMN = Object.fromEntries(COLUMNS.map((name, i) => [name, i]));

// The outputs on a GRID x GRID square of half-width HALF_WIDTH, for the picture of the decision regions.
export const GRID = 97;
export const HALF_WIDTH = 1.15;
