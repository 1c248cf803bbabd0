// Γ(t): during each period one class's raw weight rises linearly from 1 to A and falls back; the weights sum to C.

import { CLASSES } from "./task.js";

// Writes Γ at `step` into `out` (C) and returns it. From `rest_from` on, Γ = 1 (0: never).
export function weights({ amplitude, period, rest_from = 0 }, step, out = new Float64Array(CLASSES)) {
  if (rest_from && step >= rest_from) return out.fill(1);
  const raised = (amplitude - 1) * (1 - Math.abs((2 * (step % period)) / period - 1));
  out.fill(CLASSES / (CLASSES + raised));
  out[emphasised(period, step)] = (CLASSES * (1 + raised)) / (CLASSES + raised);
  return out;
}

// The class that is emphasised at `step`.
export function emphasised(period, step) {
  return Math.floor(step / period) % CLASSES;
}
