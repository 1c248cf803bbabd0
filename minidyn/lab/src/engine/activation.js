// Which hidden units are on at which points, and sums over them, in plain JavaScript; compiled.js does the same faster.
//
// A unit is on where z = x0 w0 + x1 w1 + b > 0, that is, on one side of a line. The points stand in an order in which
// neighbours are close together, so a line divides them into a few intervals. There the unit's output is linear in
// (x0, x1, 1). So a sum over the points at which a unit is on is a difference of cumulative sums for each interval, and
// a sum over the units that are on at a point is a cumulative sum of what comes and goes at the ends of the intervals.
// Both touch some ten ends per unit instead of 300 points.

import { CLASSES } from "./task.js";

export const ENTRIES = 3 * CLASSES; // for each output, the factors of x0, x1 and 1

export class ActivationPattern {
  constructor(width, { x0, x1 }) {
    const points = x0.length;
    Object.assign(this, { width, x0, x1 });
    this.table = new Float64Array(ENTRIES * (points + 1));
    // Where unit h comes on, goes off, comes on ...: ends[first[h]] up to ends[last[h]], as places in the table.
    this.ends = new Uint32Array((width + 1) * (points + 2));
    this.first = Uint32Array.from({ length: width + 1 }, (_, h) => h * (points + 2));
    this.last = this.first.slice();
    // The last "unit", which stands for b2, is on everywhere.
    this.ends[this.first[width] + 1] = ENTRIES * points;
    this.last[width] += 2;
  }

  // Determines the pattern of a network with these parameters.
  update(parameters) {
    const { width, x0, x1, ends, first, last } = this;
    const points = x0.length;
    for (let h = 0; h < width; h++) {
      const w0 = parameters[h], w1 = parameters[width + h], b = parameters[2 * width + h];
      let end = first[h], on = false;
      for (let j = 0; j < points; j++) {
        if (x0[j] * w0 + x1[j] * w1 + b > 0 !== on) ends[end++] = ENTRIES * j, (on = !on);
      }
      if (on) ends[end++] = ENTRIES * points;
      last[h] = end;
    }
  }

  // Fills f (class after class) with Σ over the units that are on of factors · (x0, x1, 1); factors: nine for each unit.
  sumOverUnits(factors, f) {
    this.noteEnds(factors);
    const { x0, x1, table } = this;
    const points = x0.length;
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0, s8 = 0;
    for (let j = 0, at = 0; j < points; j++, at += ENTRIES) {
      s0 += table[at], s1 += table[at + 1], s2 += table[at + 2];
      s3 += table[at + 3], s4 += table[at + 4], s5 += table[at + 5];
      s6 += table[at + 6], s7 += table[at + 7], s8 += table[at + 8];
      f[j] = x0[j] * s0 + x1[j] * s1 + s2;
      f[points + j] = x0[j] * s3 + x1[j] * s4 + s5;
      f[2 * points + j] = x0[j] * s6 + x1[j] * s7 + s8;
    }
  }

  // Fills the table with what changes at each point: the factors of units that come on there less those that go off.
  noteEnds(factors) {
    const { width, table, ends, first, last } = this;
    table.fill(0);
    for (let h = 0, row = 0; h <= width; h++, row += ENTRIES) {
      const a0 = factors[row], a1 = factors[row + 1], a2 = factors[row + 2];
      const a3 = factors[row + 3], a4 = factors[row + 4], a5 = factors[row + 5];
      const a6 = factors[row + 6], a7 = factors[row + 7], a8 = factors[row + 8];
      for (let k = first[h]; k < last[h]; k += 2) {
        const on = ends[k], off = ends[k + 1];
        table[on] += a0, table[on + 1] += a1, table[on + 2] += a2;
        table[on + 3] += a3, table[on + 4] += a4, table[on + 5] += a5;
        table[on + 6] += a6, table[on + 7] += a7, table[on + 8] += a8;
        table[off] -= a0, table[off + 1] -= a1, table[off + 2] -= a2;
        table[off + 3] -= a3, table[off + 4] -= a4, table[off + 5] -= a5;
        table[off + 6] -= a6, table[off + 7] -= a7, table[off + 8] -= a8;
      }
    }
  }

  // Fills sums (nine for each unit) with Σ over the points at which the unit is on of g (x0, x1, 1), for each class.
  sumOverPoints(g, sums) {
    this.accumulate(g);
    const { width, table, ends, first, last } = this;
    for (let h = 0, row = 0; h <= width; h++, row += ENTRIES) {
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0, s8 = 0;
      for (let k = first[h]; k < last[h]; k += 2) {
        const on = ends[k], off = ends[k + 1];
        s0 += table[off] - table[on], s1 += table[off + 1] - table[on + 1], s2 += table[off + 2] - table[on + 2];
        s3 += table[off + 3] - table[on + 3], s4 += table[off + 4] - table[on + 4], s5 += table[off + 5] - table[on + 5];
        s6 += table[off + 6] - table[on + 6], s7 += table[off + 7] - table[on + 7], s8 += table[off + 8] - table[on + 8];
      }
      sums[row] = s0, sums[row + 1] = s1, sums[row + 2] = s2;
      sums[row + 3] = s3, sums[row + 4] = s4, sums[row + 5] = s5;
      sums[row + 6] = s6, sums[row + 7] = s7, sums[row + 8] = s8;
    }
  }

  // Fills the table with the cumulative sums of g (x0, x1, 1): row j sums over the points before j.
  accumulate(g) {
    const { x0, x1, table } = this;
    const points = x0.length;
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0, s8 = 0;
    for (let j = 0, at = 0; ; j++, at += ENTRIES) {
      table[at] = s0, table[at + 1] = s1, table[at + 2] = s2;
      table[at + 3] = s3, table[at + 4] = s4, table[at + 5] = s5;
      table[at + 6] = s6, table[at + 7] = s7, table[at + 8] = s8;
      if (j === points) break;
      const g0 = g[j], g1 = g[points + j], g2 = g[2 * points + j];
      s0 += g0 * x0[j], s1 += g0 * x1[j], s2 += g0;
      s3 += g1 * x0[j], s4 += g1 * x1[j], s5 += g1;
      s6 += g2 * x0[j], s7 += g2 * x1[j], s8 += g2;
    }
  }
}
