// Maps from values to [0, 1] up the axis, and most of them back, with their ticks.

const NEAREST = 0.17; // smallest distance of two labels, as a fraction of the axis

export function linear(least, most) {
  return { unit: (v) => (v - least) / (most - least), value: (u) => least + u * (most - least), ticks: round(least, most, 3) };
}

// From the round number below `least` to the one above `most`.
export function log(least, most) {
  const low = Math.log10(roundDown(least)), high = Math.max(Math.log10(roundUp(most)), low + 0.3);
  const decades = [];
  for (let k = Math.ceil(low - 1e-9); k <= high + 1e-9; k++) decades.push(10 ** k);
  const between = [10 ** Math.floor(low), ...decades].flatMap((d) => [2 * d, 5 * d]);
  const unit = (v) => (Math.log10(v) - low) / (high - low);
  const value = (u) => 10 ** (low + u * (high - low));
  return { unit, value, ticks: spaced([...decades, ...between], unit) };
}

// Symmetric: linear near zero, logarithmic over the last two decades and whatever lies above `small`.
export function symlog(small, most) {
  const top = roundUp(Math.max(most, 1e-12));
  const threshold = Math.min(top / 100, small);
  const squeeze = (v) => Math.sign(v) * Math.log10(1 + Math.abs(v) / threshold);
  const reach = 2 * squeeze(top);
  const inner = top / (top > 200 * threshold ? 100 : 10);
  return { unit: (v) => 0.5 + squeeze(v) / reach, ticks: [-top, -inner, 0, inner, top] };
}

// About `count` round numbers between `least` and `most`.
export function round(least, most, count) {
  const stride = roundUp((most - least) / count);
  const values = [];
  for (let v = Math.ceil(least / stride - 1e-9) * stride; v <= most + stride * 1e-9; v += stride) values.push(v || 0);
  return values;
}

function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((m) => m * power >= value * (1 - 1e-9)) ?? 10);
}

function roundDown(value) {
  const power = 10 ** Math.floor(Math.log10(value) + 1e-9);
  return power * [5, 2, 1].find((m) => m * power <= value * (1 + 1e-9));
}

// The values that lie on the axis, without those too near to one before them.
function spaced(values, unit) {
  const shown = [];
  for (const v of values) {
    const at = unit(v);
    if (at > -1e-6 && at < 1 + 1e-6 && shown.every((other) => Math.abs(unit(other) - at) > NEAREST)) shown.push(v);
  }
  return shown;
}
