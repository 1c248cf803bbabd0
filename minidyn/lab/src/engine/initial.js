// The weights that a run starts from.

import figure4 from "../../figure4.json" with { type: "json" };
import { init, size } from "./network.js";

// `weights`: "seed", drawn from the seed, or "figure4", those behind figure 4 of the paper, whose biases are zero.
export function initial({ weights, width, seed }) {
  if (weights !== "figure4") return init(width, seed);
  const [first, second] = [figure4.W1, figure4.W2].map(decode);
  const parameters = new Float64Array(size(width));
  parameters.set(first);
  parameters.set(second, 3 * width);
  return parameters;
}

// float64, little endian, as base64.
function decode(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Float64Array(bytes.buffer);
}
