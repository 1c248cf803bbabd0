// A training run: full-batch gradient descent on F, and what is measured after each update.

import { LargestEigenvalue } from "./curvature.js";
import { LOSSES } from "./losses.js";
import * as network from "./network.js";
import { weights } from "./oscillation.js";
import { CLASSES, spiral } from "./task.js";

// Odd, so that it sees both branches of a period-2 orbit.
export const CURVATURE_EVERY = 51;

export class Run {
  // settings: amplitude, period, rest_from, learning_rate, width, noise, seed, data_seed, loss.
  // Validation points are a second spiral, from data_seed + 1.
  constructor(settings) {
    const { width, noise, data_seed, seed, loss } = settings;
    this.settings = settings;
    this.task = spiral({ noise, seed: data_seed });
    this.validation = spiral({ noise, seed: data_seed + 1 });
    this.parameters = network.init(width, seed);
    this.loss = LOSSES[loss](this.task.labels);

    const points = this.task.labels.length;
    this.step = 0;
    this.gamma = new Float64Array(CLASSES);
    this.classLoss = new Float64Array(CLASSES);
    this.f = new Float64Array(CLASSES * points);
    this.g = new Float64Array(CLASSES * points);
    this.rf = new Float64Array(CLASSES * points);
    this.rg = new Float64Array(CLASSES * points);
    this.gradient = new Float64Array(this.parameters.length);
    this.eigenvalue = new LargestEigenvalue(this.parameters.length);
    this.measure();
  }

  // The dynamical loss F, with the Γ of the update to come.
  get F() {
    return this.weigh(this.gamma);
  }

  get diverged() {
    return !Number.isFinite(this.F);
  }

  weigh(gamma) {
    const { classLoss } = this;
    return gamma[0] * classLoss[0] + gamma[1] * classLoss[1] + gamma[2] * classLoss[2];
  }

  // One update. Afterwards `frozenChange` is F(t, w_{t+1}) - F(t, w_t): the change of F with Γ held.
  advance() {
    const { parameters, gradient, settings, task, gamma } = this;
    const before = this.F;
    network.backward(parameters, settings.width, task.x0, task.x1, this.g, gradient);
    for (let i = 0; i < parameters.length; i++) parameters[i] -= settings.learning_rate * gradient[i];
    this.step++;
    const old = gamma.slice();
    this.measure();
    this.change = this.F - before;
    this.frozenChange = this.weigh(old) - before;
  }

  measure() {
    const { parameters, settings, task, validation } = this;
    weights(settings, this.step, this.gamma);
    network.outputs(parameters, settings.width, validation.x0, validation.x1, this.f);
    this.validationCorrect = network.countCorrect(this.f, validation.labels);
    network.outputs(parameters, settings.width, task.x0, task.x1, this.f);
    this.correct = network.countCorrect(this.f, task.labels);
    this.loss.measure(this.f, this.gamma, this.classLoss, this.g);
  }

  // λ_max of the exact Hessian of F, with the Γ of this step.
  curvature(tolerance) {
    return this.eigenvalue.compute((direction, product) => this.hessianProduct(direction, product), tolerance).value;
  }

  hessianProduct(direction, product) {
    const { parameters, settings: { width }, task: { x0, x1 }, rf, rg } = this;
    network.outputsAlong(parameters, direction, width, x0, x1, rf);
    this.loss.hessianProduct(rf, this.gamma, rg);
    network.backwardAlong(parameters, direction, width, x0, x1, this.g, rg, product);
  }
}
