// exp, log, sin and cos from sums, products and quotients, which every browser rounds alike. Those of Math may differ in
// the last bit from one browser to another, and after some thousand updates that bit would be another run.

// ln 2 and π/2 in parts. The first ones have so few digits that their products with small integers are exact.
const LN2 = [0.6931471804855391, 7.440617110012397e-11];
const HALF_PI = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21];

const LEAST_EXPONENT = -1022;
const POWERS_OF_TWO = new Float64Array(1 - LEAST_EXPONENT).fill(1);
for (let i = -LEAST_EXPONENT; i > 0; i--) POWERS_OF_TWO[i - 1] = POWERS_OF_TWO[i] / 2;
const LEAST = LEAST_EXPONENT * LN2[0];

// The exponential of x <= 0; 0 where it would be a subnormal number.
export function exp(x) {
  if (!(x >= LEAST)) return x < LEAST ? 0 : NaN;
  const k = Math.floor(x * Math.LOG2E + 0.5);
  const r = x - k * LN2[0] - k * LN2[1];
  return POWERS_OF_TWO[k - LEAST_EXPONENT] * expSeries(r);
}

// For |r| <= ln(2) / 2: sums of pairs of terms, which do not wait for each other.
function expSeries(r) {
  const r2 = r * r, r4 = r2 * r2;
  const low = 1 / 2 + r * (1 / 6) + r2 * (1 / 24 + r * (1 / 120));
  const middle = 1 / 720 + r * (1 / 5040) + r2 * (1 / 40320 + r * (1 / 362880));
  const high = 1 / 3628800 + r * (1 / 39916800) + r2 * (1 / 479001600 + r * (1 / 6227020800));
  return 1 + (r + r2 * (low + r4 * (middle + r4 * high)));
}

const bits = new DataView(new ArrayBuffer(8));

// The natural logarithm of a positive, normal x.
export function log(x) {
  if (!(x > 0 && x < Infinity)) return x > 0 ? x : x === 0 ? -Infinity : NaN;
  bits.setFloat64(0, x);
  let k = (bits.getUint16(0) >> 4) - 1023;
  bits.setUint16(0, (bits.getUint16(0) & 15) | (1023 << 4));
  let m = bits.getFloat64(0);
  if (m > Math.SQRT2) [m, k] = [m / 2, k + 1];
  const s = (m - 1) / (m + 1), z = s * s;
  let series = 0; // log m = 2 (s + s³ / 3 + s⁵ / 5 + ...)
  for (let n = 23; n > 1; n -= 2) series = z * (1 / n + series);
  // 2 s = f - s f with f = m - 1, which has no rounding error.
  const f = m - 1;
  return k * LN2[0] + (f - (s * (f - 2 * series) - k * LN2[1]));
}

export const sin = (x) => sine(x, 0);
export const cos = (x) => sine(x, 1);

// sin(x + turns π/2).
function sine(x, turns) {
  const k = Math.floor(x / (Math.PI / 2) + 0.5);
  const r = x - k * HALF_PI[0] - k * HALF_PI[1] - k * HALF_PI[2];
  const quadrant = (k + turns) & 3;
  const value = quadrant & 1 ? series(r * r, 1, 16) : r * series(r * r, 2, 17);
  return quadrant & 2 ? -value : value;
}

// 1 - z / (n (n + 1)) + z² / (n (n + 1) (n + 2) (n + 3)) - ..., with factors up to `last`.
function series(z, n, last) {
  let sum = 1;
  for (let i = last; i > n; i -= 2) sum = 1 - (z / (i * (i - 1))) * sum;
  return sum;
}
