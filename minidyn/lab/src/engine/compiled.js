// The pattern of activation.js in WebAssembly, with the same bits; the plain one where a page or a browser allows none.

import { ActivationPattern, ENTRIES } from "./activation.js";
import { activationWasm } from "./activation-wasm.js";
import { CLASSES } from "./task.js";

const BLOCK = 16; // points in a circle

let compiled; // false where there is no WebAssembly

export function activationPattern(width, points) {
  compiled ??= compile();
  if (compiled) {
    try {
      return new CompiledActivationPattern(width, points);
    } catch {
      // There is no memory for one more.
    }
  }
  return new ActivationPattern(width, points);
}

function compile() {
  try {
    return new WebAssembly.Module(Uint8Array.from(atob(activationWasm), (character) => character.charCodeAt(0)));
  } catch {
    return false;
  }
}

export class CompiledActivationPattern {
  constructor(width, { x0, x1 }) {
    const points = x0.length;
    const wasm = new WebAssembly.Instance(compiled).exports;
    wasm.arrange(points, width);
    const view = (at, length) => new Float64Array(wasm.memory.buffer, at.value, length);
    const circles = enclosingCircles(x0, x1);
    view(wasm.x0, points).set(x0);
    view(wasm.x1, points).set(x1);
    view(wasm.circles, circles.length).set(circles);
    this.wasm = wasm;
    this.weights = view(wasm.weights, 3 * width);
    this.rows = view(wasm.rows, ENTRIES * (width + 1));
    this.values = view(wasm.values, CLASSES * points);
  }

  update(parameters) {
    this.weights.set(parameters.subarray(0, this.weights.length));
    this.wasm.update();
  }

  sumOverUnits(factors, f) {
    this.rows.set(factors);
    this.wasm.sumOverUnits();
    f.set(this.values);
  }

  sumOverPoints(g, sums) {
    this.values.set(g);
    this.wasm.sumOverPoints();
    sums.set(this.rows);
  }
}

// For each two blocks of points c0, c0', c1, c1', r, r': circles around them, a little too large, so that rounding cannot
// hide a change of sides.
function enclosingCircles(x0, x1) {
  const pairs = Math.ceil(x0.length / BLOCK / 2);
  const circles = new Float64Array(6 * pairs);
  for (let k = 0; BLOCK * k < x0.length; k++) {
    const a = x0.subarray(BLOCK * k, BLOCK * (k + 1)), b = x1.subarray(BLOCK * k, BLOCK * (k + 1));
    const c0 = (Math.min(...a) + Math.max(...a)) / 2, c1 = (Math.min(...b) + Math.max(...b)) / 2;
    const squares = a.map((value, i) => (value - c0) * (value - c0) + (b[i] - c1) * (b[i] - c1));
    const at = 6 * (k >> 1) + (k & 1);
    circles[at] = c0;
    circles[at + 2] = c1;
    circles[at + 4] = Math.sqrt(Math.max(...squares)) * (1 + 1e-9) + 1e-12;
  }
  return circles;
}
