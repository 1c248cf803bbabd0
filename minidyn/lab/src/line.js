// The loss on a line in parameter space, and its slope there, as in minidyn/lines.py.
//
// Between two switches of hidden units the outputs are quadratics in the offset. A table holds those of all pieces, so
// that any offset costs a binary search per sample.

import { CLASSES } from "./engine/task.js";

const TERMS = 3 * CLASSES; // constant, linear and square coefficient of each output

export class Line {
  // problem: {width, task, loss, gamma}. The offsets are multiples of `direction`, counted from `parameters`.
  constructor(problem, parameters, direction) {
    const points = problem.task.labels.length;
    this.problem = problem;
    this.switches = new Float64Array(points * problem.width);
    this.table = new Float64Array(points * (problem.width + 1) * TERMS);
    this.f = new Float64Array(CLASSES * points);
    this.rf = new Float64Array(CLASSES * points);
    this.g = new Float64Array(CLASSES * points);
    this.classLoss = new Float64Array(CLASSES);
    const units = new Units(problem.width, parameters, direction);
    for (let j = 0; j < points; j++) this.tabulate(j, units);
  }

  // The quadratics of sample j, from the one before all switches to the one after them.
  tabulate(j, units) {
    const { problem: { width, task }, switches, table } = this;
    units.at(task.x0[j], task.x1[j]);
    const start = j * (width + 1) * TERMS;
    table.set(units.bias, start);
    units.addWherePassed(table, start);
    units.order.forEach((h, k) => {
      const piece = start + k * TERMS;
      switches[j * width + k] = units.switches[h];
      table.copyWithin(piece + TERMS, piece, piece + TERMS);
      units.add(h, Math.sign(units.slope[h]), table, piece + TERMS);
    });
  }

  // Fills f with the outputs at offset t and rf with their slopes.
  outputs(t) {
    const { problem: { width, task }, switches, table, f, rf } = this;
    const points = task.labels.length;
    for (let j = 0; j < points; j++) {
      const at = (j * (width + 1) + passed(switches, j * width, width, t)) * TERMS;
      for (let i = 0; i < CLASSES; i++) {
        const linear = table[at + CLASSES + i], square = table[at + 2 * CLASSES + i];
        f[i * points + j] = table[at + i] + t * (linear + t * square);
        rf[i * points + j] = linear + 2 * t * square;
      }
    }
  }

  // The loss at offset t, and its slope there.
  at(t) {
    const { problem: { loss, gamma }, f, rf, classLoss, g } = this;
    this.outputs(t);
    loss.measure(f, gamma, classLoss, g);
    let value = 0, force = 0;
    for (let i = 0; i < CLASSES; i++) value += gamma[i] * classLoss[i];
    for (let k = 0; k < g.length; k++) force += g[k] * rf[k];
    return { value, force };
  }
}

// The hidden units at one sample: unit h has the input z + t slope, and is on where that is positive.
class Units {
  constructor(width, parameters, direction) {
    Object.assign(this, { width, parameters, direction });
    const b2 = 6 * width;
    this.bias = [...parameters.slice(b2, b2 + CLASSES), ...direction.slice(b2, b2 + CLASSES), 0, 0, 0];
    this.z = new Float64Array(width);
    this.slope = new Float64Array(width);
    this.switches = new Float64Array(width);
    this.order = Array.from({ length: width }, (_, h) => h);
  }

  at(x0, x1) {
    const { width, parameters: p, direction: d, z, slope, switches, order } = this;
    for (let h = 0; h < width; h++) {
      z[h] = x0 * p[h] + x1 * p[width + h] + p[2 * width + h];
      slope[h] = x0 * d[h] + x1 * d[width + h] + d[2 * width + h];
      switches[h] = slope[h] === 0 ? Infinity : -z[h] / slope[h];
    }
    order.sort((a, b) => switches[a] - switches[b] || a - b);
  }

  // Adds the units that are on at t = -∞.
  addWherePassed(table, at) {
    const { z, slope } = this;
    for (let h = 0; h < this.width; h++) if (slope[h] < 0 || (slope[h] === 0 && z[h] > 0)) this.add(h, 1, table, at);
  }

  add(h, sign, table, at) {
    const { width, parameters, direction, z, slope } = this;
    for (let i = 0; i < CLASSES; i++) {
      const weight = parameters[3 * width + CLASSES * h + i], tilt = direction[3 * width + CLASSES * h + i];
      table[at + i] += sign * z[h] * weight;
      table[at + CLASSES + i] += sign * (slope[h] * weight + z[h] * tilt);
      table[at + 2 * CLASSES + i] += sign * slope[h] * tilt;
    }
  }
}

// The number of sorted switches, `count` of them from `start` on, that lie below t.
function passed(switches, start, count, t) {
  let low = 0, high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (switches[start + middle] < t) low = middle + 1;
    else high = middle;
  }
  return low;
}
