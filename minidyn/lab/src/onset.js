// When will the burst begin? As in the book's experiment "onset": the weights in the middle of a turn follow the gradient
// flow, as under a learning rate too small to bounce, until η λ_max = 2.

import { dwell } from "./engine/oscillation.js";
import { Run } from "./engine/run.js";

const FINER = 10; // updates of the flow per step of the run
const EVERY = 25; // steps between two measurements of λ_max
const TOLERANCE = 1e-6;

// Whether a prediction is made at this step: in the middle of each turn.
export function isMidTurn(settings, step) {
  const { period, amplitude, rest_from } = settings;
  const half = Math.floor(period / 2), turn = dwell(settings);
  return amplitude > 1 && period >= 4 * EVERY && step % turn === turn - half && !(rest_from && step + half > rest_from);
}

export class Onset {
  constructor(settings, step, parameters) {
    const { learning_rate, period } = settings;
    this.start = step;
    this.end = step + Math.floor(period / 2);
    this.threshold = 2 / learning_rate;
    this.flow = new Run({ ...settings, learning_rate: learning_rate / FINER, finer: FINER, cap: "none" });
    this.flow.restore(step * FINER, parameters);
    this.path = [];
    this.onset = NaN;
    this.look();
  }

  get step() {
    return this.flow.step / FINER;
  }

  get over() {
    return !Number.isNaN(this.onset) || this.step >= this.end || this.flow.diverged;
  }

  // The flow up to the next measurement.
  advance() {
    for (let i = 0; i < EVERY * FINER; i++) this.flow.advance();
    this.look();
  }

  look() {
    const now = { step: this.step, sharpness: this.flow.curvature(TOLERANCE) };
    const before = this.path.at(-1) ?? now;
    this.path.push(now);
    if (!(now.sharpness > this.threshold)) return;
    const share = now === before ? 0 : (this.threshold - before.sharpness) / (now.sharpness - before.sharpness);
    this.onset = before.step + share * (now.step - before.step);
  }
}
