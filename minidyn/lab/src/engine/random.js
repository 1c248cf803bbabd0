// numpy.random.RandomState(seed): the Mersenne Twister MT19937 and the legacy polar Gaussian, draw for draw.

import { log } from "./elementary.js";

const N = 624;
const M = 397;

export class RandomState {
  constructor(seed) {
    this.words = new Uint32Array(N);
    this.words[0] = seed;
    for (let i = 1; i < N; i++) {
      const last = this.words[i - 1];
      this.words[i] = Math.imul(1812433253, last ^ (last >>> 30)) + i;
    }
    this.used = N;
    this.spare = null;
  }

  word() {
    if (this.used === N) this.twist();
    let y = this.words[this.used++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  twist() {
    const words = this.words;
    for (let i = 0; i < N; i++) {
      const y = (words[i] & 0x80000000) | (words[(i + 1) % N] & 0x7fffffff);
      words[i] = words[(i + M) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.used = 0;
  }

  // Uniform on [0, 1) with 53 bits.
  double() {
    const high = this.word() >>> 5;
    const low = this.word() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  // Marsaglia's polar method; a pair is drawn at once, and NumPy returns its second member first.
  gauss() {
    if (this.spare !== null) {
      const value = this.spare;
      this.spare = null;
      return value;
    }
    let a, b, square;
    do {
      a = 2 * this.double() - 1;
      b = 2 * this.double() - 1;
      square = a * a + b * b;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt((-2 * log(square)) / square);
    this.spare = factor * a;
    return factor * b;
  }

  randn(count) {
    return Float64Array.from({ length: count }, () => this.gauss());
  }
}
