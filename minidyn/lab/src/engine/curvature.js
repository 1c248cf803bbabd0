// The largest eigenvalues of a symmetric operator by Lanczos, fully reorthogonalised.

import { RandomState } from "./random.js";

const MAX_BASIS = 80;
const CHECK_EVERY = 4;
const LEAST_BASIS = 24; // before several eigenvalues are looked for

// Share of a random vector in the start vector: without it, a warm start could miss that another eigenvalue has become
// the largest.
const RANDOM_SHARE = 0.1;

class Lanczos {
  constructor(size) {
    this.size = size;
    this.maxBasis = Math.min(MAX_BASIS, size);
    this.basis = [];
    this.diagonal = new Float64Array(this.maxBasis);
    this.offDiagonal = new Float64Array(this.maxBasis + 1);
    this.random = unit(new RandomState(0).randn(size));
  }

  // Lets the basis grow from its first vector until `result(m)` is not null, which is asked for now and then, or until
  // it is complete: then `result(m, true)`. `apply(direction, product)` fills product.
  grow(apply, result) {
    const { basis, diagonal, offDiagonal, maxBasis } = this;
    for (let m = 1; ; m++) {
      const w = this.vector(m);
      apply(basis[m - 1], w);
      diagonal[m - 1] = dot(w, basis[m - 1]);
      for (let pass = 0; pass < 2; pass++) for (let i = 0; i < m; i++) add(w, -dot(w, basis[i]), basis[i]);
      const length = Math.sqrt(dot(w, w));
      offDiagonal[m] = length;
      const ended = m === maxBasis || length < 1e-14;
      const found = ended || m % CHECK_EVERY === 0 ? result(m, ended) : null;
      if (found) return found;
      scale(w, 1 / length);
    }
  }

  vector(m) {
    this.basis[m] ??= new Float64Array(this.size);
    return this.basis[m];
  }

  // The eigenpair of this rank, 0 for the largest eigenvalue, in a basis of m vectors.
  pair(m, rank) {
    const { diagonal, offDiagonal } = this;
    const value = root(diagonal, offDiagonal, m, rank);
    const weights = tridiagonalVector(diagonal, offDiagonal, m, value);
    return { value, weights, residual: offDiagonal[m] * Math.abs(weights[m - 1]) };
  }

  // Fills `vector` with a unit combination of the basis.
  combine(weights, vector) {
    vector.fill(0);
    weights.forEach((weight, i) => add(vector, weight, this.basis[i]));
    return unit(vector);
  }
}

// The largest eigenvalue, started from the last eigenvector.
export class LargestEigenvalue extends Lanczos {
  constructor(size) {
    super(size);
    this.last = new Float64Array(size);
  }

  // Stops when the residual is at most tolerance * |eigenvalue|.
  compute(apply, tolerance = 1e-5) {
    const first = this.vector(0);
    first.set(this.last);
    add(first, RANDOM_SHARE, this.random);
    unit(first);
    return this.grow(apply, (m, ended) => {
      const { value, weights, residual } = this.pair(m, 0);
      if (!ended && residual > tolerance * Math.abs(value)) return null;
      this.combine(weights, this.last);
      return { value, residual, products: m };
    });
  }
}

// The largest eigenvalues above a threshold, with their eigenvectors. They depend on the operator alone, not on those
// that were computed before.
export class LeadingEigenpairs extends Lanczos {
  // At most `count` of them, each with a residual of at most tolerance times the largest eigenvalue.
  compute(apply, { threshold, count, tolerance }) {
    this.vector(0).set(this.random);
    return this.grow(apply, (m, ended) => {
      const pairs = [];
      for (let rank = 0; rank < Math.min(count, m); rank++) {
        const pair = this.pair(m, rank);
        if (rank && !(pair.value > threshold)) break;
        pairs.push(pair);
      }
      // Eigenvalues that the basis has not met yet would be missed in a small one.
      const converged = m >= LEAST_BASIS && pairs.every(({ residual }) => residual <= tolerance * Math.abs(pairs[0].value));
      if (!ended && !converged) return null;
      return pairs
        .filter(({ value }) => value > threshold)
        .map(({ value, weights }) => ({ value, vector: this.combine(weights, new Float64Array(this.size)) }));
    });
  }
}

// A root of the tridiagonal's characteristic polynomial, of rank 0 if it is the largest, by bisection on Sturm counts.
function root(diagonal, offDiagonal, m, rank) {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < m; i++) {
    const radius = (i ? offDiagonal[i] : 0) + (i + 1 < m ? offDiagonal[i + 1] : 0);
    low = Math.min(low, diagonal[i] - radius);
    high = Math.max(high, diagonal[i] + radius);
  }
  for (;;) {
    const middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return high;
    if (countBelow(diagonal, offDiagonal, m, middle) >= m - rank) high = middle;
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

// The unit eigenvector of the tridiagonal at a root: two steps of inverse iteration.
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
