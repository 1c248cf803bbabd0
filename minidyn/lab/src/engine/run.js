// A training run: full-batch gradient descent on F, and what is measured after each update.

import { Cap, LOOK_EVERY } from "./cap.js";
import { LargestEigenvalue } from "./curvature.js";
import { initial } from "./initial.js";
import { Classifier, Objective } from "./objective.js";
import { weights } from "./oscillation.js";
import { CLASSES, validationSamples } from "./task.js";

// Odd, so that it sees both branches of a period-2 orbit.
export const CURVATURE_EVERY = 51;

export class Run {
  // settings: amplitude, period, clock, rest_from, learning_rate, cap, width, noise, seed, weights, data_seed, loss.
  // Validation points are a second spiral, from data_seed + 1, unless there are data: {training, validation}.
  constructor(settings) {
    this.settings = settings;
    this.objective = new Objective(settings);
    this.validation = new Classifier(settings.width, validationSamples(settings));
    this.parameters = initial(settings);
    this.gamma = new Float64Array(CLASSES);
    this.eigenvalue = new LargestEigenvalue(this.parameters.length);
    this.cap = settings.cap === "leading" ? new Cap(this.parameters.length, settings.learning_rate) : null;
    this.step = 0;
    this.measure();
  }

  // Go on from the weights that the run had at a step: every update from there on has the bits that it had. The step of
  // a run whose updates are limited must be a multiple of LOOK_EVERY.
  restore(step, parameters) {
    this.step = step;
    this.parameters.set(parameters);
    this.measure();
  }

  // Go on from where another run with the same settings is.
  follow({ step, parameters, cap }) {
    if (this.cap) this.cap.directions = cap.directions;
    this.restore(step, parameters);
  }

  // The dynamical loss F, with the Γ of the update to come.
  get F() {
    return this.objective.value;
  }

  get classLoss() {
    return this.objective.classLoss;
  }

  get correct() {
    return this.objective.correct;
  }

  // Computed when it is read.
  get validationCorrect() {
    this.validation.evaluate(this.parameters);
    return this.validation.correct;
  }

  get diverged() {
    return !Number.isFinite(this.F);
  }

  // One update. Afterwards `frozenChange` is F(t, w_{t+1}) - F(t, w_t): the change of F with Γ held.
  advance() {
    const { parameters, objective, settings: { learning_rate } } = this;
    const { value: before, gradient } = objective;
    const former = this.gamma.slice();
    if (this.cap && this.step % LOOK_EVERY === 0) this.cap.look((direction, product) => this.hessianProduct(direction, product));
    const move = this.cap ? this.cap.limited(gradient) : gradient;
    for (let i = 0; i < parameters.length; i++) parameters[i] -= learning_rate * move[i];
    this.step++;
    this.measure();
    this.change = this.F - before;
    this.frozenChange = objective.weigh(former) - before;
  }

  measure() {
    weights(this.settings, this.step, this.gamma);
    this.objective.measure(this.parameters, this.gamma);
  }

  // λ_max of the exact Hessian of F, with the Γ of this step.
  curvature(tolerance) {
    return this.eigenvalue.compute((direction, product) => this.hessianProduct(direction, product), tolerance).value;
  }

  hessianProduct(direction, product) {
    this.objective.hessianProduct(direction, product);
  }
}
