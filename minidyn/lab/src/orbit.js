// The amplitude and the period of an orbit, as minidyn.orbits measures them.

const ROUNDING = 1e-13; // second differences below this, relative to the orbit, count as zero
const TOLERANCE = 0.05;

// The standard deviation: for an orbit of period 2, half the distance between its two points.
export function swing(values) {
  const mean = average(values);
  return Math.sqrt(average(values.map((value) => (value - mean) ** 2)));
}

// The part of the swing that changes sides at each step; a slow drift along the valley is no bounce. For an orbit of
// period 2 both are the same.
export function bounce(values) {
  const bends = values.slice(2).map((value, k) => (value - 2 * values[k + 1] + values[k]) / 4);
  return Math.sqrt(average(bends.map((bend) => bend ** 2)));
}

// The period 1, 2, 4, ... up to a quarter of the values; 0 if there is none. Second differences remove slow changes.
export function period(values) {
  const longest = values.length >> 2;
  const sizes = Array.from({ length: longest }, (_, i) => median(secondDifferences(values, i + 1, longest)));
  if (sizes[0] <= ROUNDING * Math.max(...values.map(Math.abs))) return 1;
  const shortest = sizes.findIndex((size) => size <= TOLERANCE * sizes[0]);
  return shortest < 0 ? Number(8 * reversals(values) < values.length) : shortest + 1;
}

function secondDifferences(values, q, edge) {
  const middle = values.slice(edge, values.length - edge);
  return middle.map((value, i) => Math.abs(values[i + edge + q] - 2 * value + values[i + edge - q]));
}

function reversals(values) {
  let count = 0;
  for (let k = 2; k < values.length; k++) {
    if ((values[k] - values[k - 1]) * (values[k - 1] - values[k - 2]) < 0) count++;
  }
  return count;
}

function median(values) {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const average = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
