// The 2-H-3 network with ReLU between its layers (relu'(0) = 0) and its first two derivatives, in closed form.
//
// Parameters are flat, in minidyn's order: W1 (2, H), b1 (H), W2 (H, 3), b2 (3). The outer loops run over hidden units
// and the inner ones over points: the weights of a unit stay in registers, and no P x H array is ever stored.

import { RandomState } from "./random.js";
import { CLASSES } from "./task.js";

const BIAS_SCALE = 0.01;

export const size = (width) => 2 * width + width + CLASSES * width + CLASSES;

// The index at which each array starts in the flat parameters.
const layout = (width) => ({ b1: 2 * width, W2: 3 * width, b2: 6 * width });

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

// Fills f (3 P, class after class) with the outputs at the points (x0, x1).
export function outputs(parameters, width, x0, x1, f) {
  const n = x0.length;
  const { b1, W2, b2 } = layout(width);
  for (let i = 0; i < CLASSES; i++) f.fill(parameters[b2 + i], i * n, (i + 1) * n);
  for (let h = 0; h < width; h++) {
    const w0 = parameters[h], w1 = parameters[width + h], b = parameters[b1 + h];
    const v = W2 + CLASSES * h;
    const v0 = parameters[v], v1 = parameters[v + 1], v2 = parameters[v + 2];
    for (let j = 0; j < n; j++) {
      const z = x0[j] * w0 + x1[j] * w1 + b;
      if (z > 0) {
        f[j] += z * v0;
        f[n + j] += z * v1;
        f[2 * n + j] += z * v2;
      }
    }
  }
}

// Fills `gradient` with ∂F/∂parameters from g = ∂F/∂f.
export function backward(parameters, width, x0, x1, g, gradient) {
  const n = x0.length;
  const { b1, W2, b2 } = layout(width);
  for (let h = 0; h < width; h++) {
    const w0 = parameters[h], w1 = parameters[width + h], b = parameters[b1 + h];
    const v = W2 + CLASSES * h;
    const v0 = parameters[v], v1 = parameters[v + 1], v2 = parameters[v + 2];
    let dw0 = 0, dw1 = 0, db = 0, dv0 = 0, dv1 = 0, dv2 = 0;
    for (let j = 0; j < n; j++) {
      const z = x0[j] * w0 + x1[j] * w1 + b;
      if (z > 0) {
        const g0 = g[j], g1 = g[n + j], g2 = g[2 * n + j];
        dv0 += z * g0;
        dv1 += z * g1;
        dv2 += z * g2;
        const back = g0 * v0 + g1 * v1 + g2 * v2;
        dw0 += back * x0[j];
        dw1 += back * x1[j];
        db += back;
      }
    }
    gradient[h] = dw0;
    gradient[width + h] = dw1;
    gradient[b1 + h] = db;
    gradient[v] = dv0;
    gradient[v + 1] = dv1;
    gradient[v + 2] = dv2;
  }
  sums(g, n, gradient, b2);
}

// Fills rf with the directional derivative of the outputs along `direction`.
export function outputsAlong(parameters, direction, width, x0, x1, rf) {
  const n = x0.length;
  const { b1, W2, b2 } = layout(width);
  for (let i = 0; i < CLASSES; i++) rf.fill(direction[b2 + i], i * n, (i + 1) * n);
  for (let h = 0; h < width; h++) {
    const w0 = parameters[h], w1 = parameters[width + h], b = parameters[b1 + h];
    const r0 = direction[h], r1 = direction[width + h], r = direction[b1 + h];
    const v = W2 + CLASSES * h;
    const v0 = parameters[v], v1 = parameters[v + 1], v2 = parameters[v + 2];
    const u0 = direction[v], u1 = direction[v + 1], u2 = direction[v + 2];
    for (let j = 0; j < n; j++) {
      const z = x0[j] * w0 + x1[j] * w1 + b;
      if (z > 0) {
        const rz = x0[j] * r0 + x1[j] * r1 + r;
        rf[j] += rz * v0 + z * u0;
        rf[n + j] += rz * v1 + z * u1;
        rf[2 * n + j] += rz * v2 + z * u2;
      }
    }
  }
}

// Fills `product` with the derivative of `backward` along `direction`: g moves by rg, the parameters by direction.
export function backwardAlong(parameters, direction, width, x0, x1, g, rg, product) {
  const n = x0.length;
  const { b1, W2, b2 } = layout(width);
  for (let h = 0; h < width; h++) {
    const w0 = parameters[h], w1 = parameters[width + h], b = parameters[b1 + h];
    const r0 = direction[h], r1 = direction[width + h], r = direction[b1 + h];
    const v = W2 + CLASSES * h;
    const v0 = parameters[v], v1 = parameters[v + 1], v2 = parameters[v + 2];
    const u0 = direction[v], u1 = direction[v + 1], u2 = direction[v + 2];
    let dw0 = 0, dw1 = 0, db = 0, dv0 = 0, dv1 = 0, dv2 = 0;
    for (let j = 0; j < n; j++) {
      const z = x0[j] * w0 + x1[j] * w1 + b;
      if (z > 0) {
        const rz = x0[j] * r0 + x1[j] * r1 + r;
        const g0 = g[j], g1 = g[n + j], g2 = g[2 * n + j];
        const s0 = rg[j], s1 = rg[n + j], s2 = rg[2 * n + j];
        dv0 += rz * g0 + z * s0;
        dv1 += rz * g1 + z * s1;
        dv2 += rz * g2 + z * s2;
        const back = s0 * v0 + s1 * v1 + s2 * v2 + g0 * u0 + g1 * u1 + g2 * u2;
        dw0 += back * x0[j];
        dw1 += back * x1[j];
        db += back;
      }
    }
    product[h] = dw0;
    product[width + h] = dw1;
    product[b1 + h] = db;
    product[v] = dv0;
    product[v + 1] = dv1;
    product[v + 2] = dv2;
  }
  sums(rg, n, product, b2);
}

function sums(columns, n, out, at) {
  for (let i = 0; i < CLASSES; i++) {
    let total = 0;
    for (let j = 0; j < n; j++) total += columns[i * n + j];
    out[at + i] = total;
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
