// The largest eigenvalue of a symmetric operator by Lanczos, fully reorthogonalised, started from the last eigenvector.

import { RandomState } from "./random.js";

const MAX_BASIS = 80;
const CHECK_EVERY = 4;

// Share of a random vector in the start vector: without it, a warm start could miss that another eigenvalue has become
// the largest.
const RANDOM_SHARE = 0.1;

export class LargestEigenvalue {
  constructor(size) {
    this.size = size;
    this.maxBasis = Math.min(MAX_BASIS, size);
    this.basis = [];
    this.diagonal = new Float64Array(this.maxBasis);
    this.offDiagonal = new Float64Array(this.maxBasis + 1);
    this.last = new Float64Array(size);
    this.random = unit(new RandomState(0).randn(size));
  }

  // `apply(direction, product)` fills product. Stops when the residual is at most tolerance * |eigenvalue|.
  compute(apply, tolerance = 1e-5) {
    const { basis, diagonal, offDiagonal, maxBasis } = this;
    this.start();
    for (let m = 1; ; m++) {
      const w = this.vector(m);
      apply(basis[m - 1], w);
      diagonal[m - 1] = dot(w, basis[m - 1]);
      for (let pass = 0; pass < 2; pass++) for (let i = 0; i < m; i++) add(w, -dot(w, basis[i]), basis[i]);
      const length = Math.sqrt(dot(w, w));
      offDiagonal[m] = length;
      const ended = m === maxBasis || length < 1e-14;
      if (ended || m % CHECK_EVERY === 0) {
        const value = largestRoot(diagonal, offDiagonal, m);
        const weights = tridiagonalVector(diagonal, offDiagonal, m, value);
        const residual = length * Math.abs(weights[m - 1]);
        if (ended || residual <= tolerance * Math.abs(value)) {
          this.remember(weights);
          return { value, residual, products: m };
        }
      }
      scale(w, 1 / length);
    }
  }

  start() {
    const first = this.vector(0);
    first.set(this.last);
    add(first, RANDOM_SHARE, this.random);
    unit(first);
  }

  vector(m) {
    this.basis[m] ??= new Float64Array(this.size);
    return this.basis[m];
  }

  remember(weights) {
    this.last.fill(0);
    weights.forEach((weight, i) => add(this.last, weight, this.basis[i]));
    unit(this.last);
  }
}

// The largest root of the tridiagonal's characteristic polynomial, by bisection on Sturm counts.
function largestRoot(diagonal, offDiagonal, m) {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < m; i++) {
    const radius = (i ? offDiagonal[i] : 0) + (i + 1 < m ? offDiagonal[i + 1] : 0);
    low = Math.min(low, diagonal[i] - radius);
    high = Math.max(high, diagonal[i] + radius);
  }
  for (;;) {
    const middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return high;
    if (countBelow(diagonal, offDiagonal, m, middle) === m) high = middle;
    else low = middle;
  }
}

function countBelow(diagonal, offDiagonal, m, shift) {
  let count = 0, pivot = 1;
  for (let i = 0; i < m; i++) {
    const off = i ? offDiagonal[i] : 0;
    pivot = diagonal[i] - shift - (off * off) / pivot;
    if (pivot === 0) pivot = -1e-300;
    if (pivot < 0) count++;
  }
  return count;
}

// The unit eigenvector of the tridiagonal at its largest root: two steps of inverse iteration.
function tridiagonalVector(diagonal, offDiagonal, m, value) {
  const pivots = new Float64Array(m);
  const shift = value + Math.max(Math.abs(value), 1e-300) * 1e-15;
  for (let i = 0; i < m; i++) {
    pivots[i] = diagonal[i] - shift - (i ? (offDiagonal[i] * offDiagonal[i]) / pivots[i - 1] : 0);
    if (pivots[i] === 0) pivots[i] = -1e-300;
  }
  const vector = new Float64Array(m).fill(1);
  for (let pass = 0; pass < 2; pass++) {
    for (let i = 1; i < m; i++) vector[i] -= (offDiagonal[i] / pivots[i - 1]) * vector[i - 1];
    for (let i = m - 1; i >= 0; i--) {
      vector[i] = (vector[i] - (i + 1 < m ? offDiagonal[i + 1] * vector[i + 1] : 0)) / pivots[i];
    }
    unit(vector);
  }
  return vector;
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function add(a, factor, b) {
  for (let i = 0; i < a.length; i++) a[i] += factor * b[i];
}

function scale(a, factor) {
  for (let i = 0; i < a.length; i++) a[i] *= factor;
}

function unit(a) {
  scale(a, 1 / Math.sqrt(dot(a, a)));
  return a;
}
