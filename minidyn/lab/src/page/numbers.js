// Numbers as text for the reader.

const MINUS = "\u2212";

export const whole = (value) => value.toLocaleString("en");

export function number(value, digits = 3) {
  if (value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return "∞";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(digits - 1) : String(Number(value.toPrecision(digits)));
  return text.replaceAll("-", MINUS);
}

export const percent = (value) => (Number.isNaN(value) ? "–" : `${(100 * value).toFixed(1)}%`);

// An axis label: short, with an unbroken minus.
export const tickLabel = (value) => {
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e4) ? value.toExponential(0).replace("e+", "e") : String(Number(value.toPrecision(6)));
  return text.replace("-", MINUS).replace("e-", `e${MINUS}`);
};
