// A step that is limited along the leading eigenvectors of the Hessian of F, as minidyn.training.capped has it.
//
// Along each of them the step is at most BOUND / λ times the gradient, so that descent does not bounce there; in all
// other directions the learning rate stays. The eigenvectors follow from the weights alone, so a run that is taken up
// at a multiple of LOOK_EVERY has the bits that it had.

import { LeadingEigenpairs } from "./curvature.js";

export const LOOK_EVERY = 20; // updates
const BOUND = 1.7;
const DIRECTIONS = 6;
const TOLERANCE = 1e-6;

export class Cap {
  constructor(size, learningRate) {
    this.learningRate = learningRate;
    this.eigenpairs = new LeadingEigenpairs(size);
    this.directions = []; // {vector, fraction}: the fraction of the step along it that is taken away
    this.step = new Float64Array(size);
  }

  // Find the directions in which steps are limited from now on.
  look(hessianProduct) {
    const threshold = BOUND / this.learningRate;
    this.directions = this.eigenpairs
      .compute(hessianProduct, { threshold, count: DIRECTIONS, tolerance: TOLERANCE })
      .map(({ value, vector }) => ({ vector, fraction: 1 - threshold / value }));
  }

  // The gradient, shortened along those directions.
  limited(gradient) {
    const { step } = this;
    step.set(gradient);
    for (const { vector, fraction } of this.directions) {
      let along = 0;
      for (let i = 0; i < vector.length; i++) along += gradient[i] * vector[i];
      for (let i = 0; i < vector.length; i++) step[i] -= fraction * along * vector[i];
    }
    return step;
  }
}

// The learning rate along a direction of this curvature.
export function rateAlong({ cap, learning_rate }, curvature) {
  return cap === "leading" ? Math.min(learning_rate, BOUND / Math.max(curvature, 1e-300)) : learning_rate;
}
