// The 2-H-3 network with ReLU between its layers (relu'(0) = 0) and its first two derivatives, in closed form.
//
// Parameters are flat, in minidyn's order: W1 (2, H), b1 (H), W2 (H, 3), b2 (3). Outputs f, their gradient g and the
// directions rf, rg are stored class after class: f[i * P + j] is output i of point j.

import { ENTRIES } from "./activation.js";
import { activationPattern } from "./compiled.js";
import { RandomState } from "./random.js";
import { CLASSES } from "./task.js";

const BIAS_SCALE = 0.01;

export const size = (width) => 2 * width + width + CLASSES * width + CLASSES;

// Glorot normal weights and N(0, 0.01²) biases, drawn as minidyn draws them.
export function init(width, seed) {
  const random = new RandomState(seed);
  const parameters = [];
  for (const [inputs, outputs] of [[2, width], [width, CLASSES]]) {
    const scale = Math.sqrt(2 / (inputs + outputs));
    for (let i = 0; i < inputs * outputs; i++) parameters.push(scale * random.gauss());
    for (let i = 0; i < outputs; i++) parameters.push(BIAS_SCALE * random.gauss());
  }
  return Float64Array.from(parameters);
}

// A network at fixed points. `outputs` sets the parameters at which the other methods differentiate, `gradient` the g.
export class Network {
  constructor(width, points) {
    this.width = width;
    this.pattern = activationPattern(width, points);
    this.factors = new Float64Array(ENTRIES * (width + 1));
    this.sums = new Float64Array(ENTRIES * (width + 1));
    this.sumsAlong = new Float64Array(ENTRIES * (width + 1));
  }

  // Fills f with the outputs.
  outputs(parameters, f) {
    this.parameters = parameters;
    this.pattern.update(parameters);
    this.factors.fill(0);
    this.addProducts(parameters, parameters);
    this.setBias(parameters);
    this.pattern.sumOverUnits(this.factors, f);
  }

  // Fills rf with the directional derivative of the outputs along `direction`.
  outputsAlong(direction, rf) {
    this.factors.fill(0);
    this.addProducts(this.parameters, direction);
    this.addProducts(direction, this.parameters);
    this.setBias(direction);
    this.pattern.sumOverUnits(this.factors, rf);
  }

  // Fills `gradient` with ∂F/∂parameters from g = ∂F/∂f.
  gradient(g, gradient) {
    this.pattern.sumOverPoints(g, this.sums);
    gradient.fill(0);
    this.addGradient(this.sums, this.parameters, gradient);
    this.setBiasGradient(this.sums, gradient);
  }

  // Fills `product` with the derivative of `gradient` along `direction`, when g moves by rg.
  gradientAlong(direction, rg, product) {
    this.pattern.sumOverPoints(rg, this.sumsAlong);
    product.fill(0);
    this.addGradient(this.sums, direction, product);
    this.addGradient(this.sumsAlong, this.parameters, product);
    this.setBiasGradient(this.sumsAlong, product);
  }

  // Adds to the factors of (x0, x1, 1) in each output: the first layer of `inner` times the second layer of `outer`.
  addProducts(inner, outer) {
    const { width, factors } = this;
    for (let h = 0, at = 0; h < width; h++) {
      const w0 = inner[h], w1 = inner[width + h], b = inner[2 * width + h];
      for (let i = 0; i < CLASSES; i++, at += 3) {
        const v = outer[3 * width + CLASSES * h + i];
        factors[at] += w0 * v;
        factors[at + 1] += w1 * v;
        factors[at + 2] += b * v;
      }
    }
  }

  setBias(parameters) {
    const { width, factors } = this;
    for (let i = 0; i < CLASSES; i++) factors[ENTRIES * width + 3 * i + 2] = parameters[6 * width + i];
  }

  // Adds to `gradient` what `addProducts` does, transposed: the derivatives of Σ sums · factors by the weights.
  addGradient(sums, weights, gradient) {
    const { width } = this;
    for (let h = 0, at = 0; h < width; h++) {
      const w0 = weights[h], w1 = weights[width + h], b = weights[2 * width + h];
      for (let i = 0; i < CLASSES; i++, at += 3) {
        const v = 3 * width + CLASSES * h + i;
        gradient[v] += w0 * sums[at] + w1 * sums[at + 1] + b * sums[at + 2];
        gradient[h] += weights[v] * sums[at];
        gradient[width + h] += weights[v] * sums[at + 1];
        gradient[2 * width + h] += weights[v] * sums[at + 2];
      }
    }
  }

  setBiasGradient(sums, gradient) {
    const { width } = this;
    for (let i = 0; i < CLASSES; i++) gradient[6 * width + i] = sums[ENTRIES * width + 3 * i + 2];
  }
}

// Number of points whose largest output is that of their label (the first of equals, as numpy.argmax).
export function countCorrect(f, labels) {
  const n = labels.length;
  let correct = 0;
  for (let j = 0; j < n; j++) {
    const f0 = f[j], f1 = f[n + j], f2 = f[2 * n + j];
    const best = f0 >= f1 ? (f0 >= f2 ? 0 : 2) : f1 >= f2 ? 1 : 2;
    if (best === labels[j]) correct++;
  }
  return correct;
}
