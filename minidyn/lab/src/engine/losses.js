// Each loss is linear in Γ: F = Γ · classLoss, with one term per class. So one evaluation gives F for every Γ.
//
// Outputs f, their gradient g and the directions rf, rg are stored class after class: f[i * P + j] is output i
// of point j. `measure` fills classLoss and g = ∂F/∂f; `hessianProduct` then fills rg = (∂²F/∂f²) rf.

import { exp, log } from "./elementary.js";
import { CLASSES } from "./task.js";

class CrossEntropy {
  constructor(labels) {
    this.labels = labels;
    this.probability = new Float64Array(CLASSES * labels.length);
    this.product = new Float64Array(CLASSES);
  }

  // A term is log Σ exp f - f[label]. The logarithms of a class are one: that of a product of numbers from 1 to 3, which
  // a few hundred points cannot make overflow.
  measure(f, gamma, classLoss, g) {
    const { labels, probability: q, product } = this;
    const n = labels.length;
    classLoss.fill(0);
    product.fill(1);
    for (let j = 0; j < n; j++) {
      const f0 = f[j], f1 = f[n + j], f2 = f[2 * n + j];
      const label = labels[j];
      const top = Math.max(f0, f1, f2);
      const e0 = exp(f0 - top), e1 = exp(f1 - top), e2 = exp(f2 - top);
      const sum = e0 + e1 + e2;
      product[label] *= sum;
      classLoss[label] += top - f[label * n + j];
      const weight = gamma[label] / n;
      q[j] = e0 / sum;
      q[n + j] = e1 / sum;
      q[2 * n + j] = e2 / sum;
      g[j] = weight * q[j];
      g[n + j] = weight * q[n + j];
      g[2 * n + j] = weight * q[2 * n + j];
      g[label * n + j] -= weight;
    }
    for (let i = 0; i < CLASSES; i++) classLoss[i] = (classLoss[i] + log(product[i])) / n;
  }

  hessianProduct(rf, gamma, rg) {
    const { labels, probability: q } = this;
    const n = labels.length;
    for (let j = 0; j < n; j++) {
      const q0 = q[j], q1 = q[n + j], q2 = q[2 * n + j];
      const r0 = rf[j], r1 = rf[n + j], r2 = rf[2 * n + j];
      const weight = gamma[labels[j]] / n;
      const mean = q0 * r0 + q1 * r1 + q2 * r2;
      rg[j] = weight * q0 * (r0 - mean);
      rg[n + j] = weight * q1 * (r1 - mean);
      rg[2 * n + j] = weight * q2 * (r2 - mean);
    }
  }
}

// Weighted by the sample's class (DMSE1) or by the output unit (DMSE2).
class SquaredError {
  constructor(labels, weighting) {
    this.labels = labels;
    this.bySample = weighting === "sample";
  }

  measure(f, gamma, classLoss, g) {
    const { labels, bySample } = this;
    const n = labels.length;
    const scale = 1 / (n * CLASSES);
    classLoss.fill(0);
    for (let i = 0; i < CLASSES; i++) {
      for (let j = 0; j < n; j++) {
        const weighting = bySample ? labels[j] : i; // the class whose weight applies
        const residual = f[i * n + j] - (labels[j] === i ? 1 : 0);
        classLoss[weighting] += residual * residual;
        g[i * n + j] = 2 * scale * gamma[weighting] * residual;
      }
    }
    for (let i = 0; i < CLASSES; i++) classLoss[i] *= scale;
  }

  hessianProduct(rf, gamma, rg) {
    const { labels, bySample } = this;
    const n = labels.length;
    for (let i = 0; i < CLASSES; i++) {
      for (let j = 0; j < n; j++) {
        const weight = gamma[bySample ? labels[j] : i];
        rg[i * n + j] = (2 * weight * rf[i * n + j]) / (n * CLASSES);
      }
    }
  }
}

export const LOSSES = {
  cross_entropy: (labels) => new CrossEntropy(labels),
  mse_sample: (labels) => new SquaredError(labels, "sample"),
  mse_output: (labels) => new SquaredError(labels, "output"),
};
