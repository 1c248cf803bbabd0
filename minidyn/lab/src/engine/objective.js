// F as a function of the parameters: its terms, its gradient, and products with its Hessian.

import { LOSSES } from "./losses.js";
import { countCorrect, Network, size } from "./network.js";
import { CLASSES, trainingSamples } from "./task.js";
import { tour } from "./tour.js";

// Labelled points, which a network of this width is applied to; in an order of their own.
export class Classifier {
  constructor(width, { x0, x1, labels }) {
    const order = tour({ x0, x1 });
    this.labels = Uint8Array.from(order, (j) => labels[j]);
    this.network = new Network(width, { x0: x0.map((_, k) => x0[order[k]]), x1: x1.map((_, k) => x1[order[k]]) });
    this.f = new Float64Array(CLASSES * labels.length);
  }

  evaluate(parameters) {
    this.network.outputs(parameters, this.f);
  }

  // The number of points that get their label.
  get correct() {
    return countCorrect(this.f, this.labels);
  }
}

export class Objective extends Classifier {
  // settings: width, loss, and noise and data_seed or data.
  constructor(settings) {
    const { width, loss } = settings;
    super(width, trainingSamples(settings));
    this.loss = LOSSES[loss](this.labels);
    this.gamma = new Float64Array(CLASSES);
    this.classLoss = new Float64Array(CLASSES);
    this.gradient = new Float64Array(size(width));
    this.g = new Float64Array(this.f.length);
    this.rf = new Float64Array(this.f.length);
    this.rg = new Float64Array(this.f.length);
  }

  // Computes classLoss and the gradient at these parameters, under the class weights gamma.
  measure(parameters, gamma) {
    this.evaluate(parameters);
    this.gamma.set(gamma);
    this.loss.measure(this.f, gamma, this.classLoss, this.g);
    this.network.gradient(this.g, this.gradient);
  }

  get value() {
    return this.weigh(this.gamma);
  }

  // F under other class weights.
  weigh(gamma) {
    const { classLoss } = this;
    return gamma[0] * classLoss[0] + gamma[1] * classLoss[1] + gamma[2] * classLoss[2];
  }

  // Fills `product` with the Hessian, where F was measured last, times `direction`.
  hessianProduct(direction, product) {
    this.network.outputsAlong(direction, this.rf);
    this.loss.hessianProduct(this.rf, this.gamma, this.rg);
    this.network.gradientAlong(direction, this.rg, product);
  }
}
