// Γ(t): during each period one class's raw weight rises linearly from 1 to A and falls back; the weights sum to C.

import { CLASSES } from "./task.js";

// Writes Γ at `step` into `out` (C) and returns it. From `rest_from` on, Γ = 1 (0: never).
export function weights(settings, update, out = new Float64Array(CLASSES)) {
  const step = update / (settings.finer ?? 1); // updates per step of the clock: more than one for a gradient flow
  const { amplitude, period, rest_from = 0 } = settings;
  if (rest_from && step >= rest_from) return out.fill(1);
  const phase = step % dwell(settings);
  const raised = (amplitude - 1) * Math.max(0, 1 - Math.abs((2 * phase) / period - 1));
  out.fill(CLASSES / (CLASSES + raised));
  out[emphasised(settings, step)] = (CLASSES * (1 + raised)) / (CLASSES + raised);
  return out;
}

// The class that is emphasised at `step`.
export function emphasised(settings, step) {
  return Math.floor(step / dwell(settings)) % CLASSES;
}

// The number of steps that each class is held. The clock of the published notebook counts to the period inclusive.
export const dwell = ({ period, clock }) => (clock === "notebook" ? period + 1 : period);
