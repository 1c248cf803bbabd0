// What the engine's thread and the page exchange.

// One row per step. change: F(t) - F(t-1); frozenChange: F(t-1, w_t) - F(t-1, w_{t-1}); both are undefined at step 0.
// loss0 ... loss2: the terms of F that Γ_0 ... Γ_2 multiply.
export const COLUMNS = [
  "step", "F", "change", "frozenChange", "correct", "validationCorrect", "sharpness", "unstable",
  "loss0", "loss1", "loss2",
];
export const WIDTH = COLUMNS.length;
export const COLUMN = Object.fromEntries(COLUMNS.map((name, i) => [name, i]));

// The picture of the decision regions has the outputs on a GRID x GRID square around the samples.
export const GRID = 97;
const MARGIN = 1.15;
const reach = ({ x0, x1 }) => [...x0, ...x1].reduce((most, value) => Math.max(most, Math.abs(value)), 0);
export const halfWidth = ({ data }) => MARGIN * ((data && reach(data.training)) || 1);
