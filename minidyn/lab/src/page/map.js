// The decision regions, coloured by the network's probabilities, with the training samples on top.

import { CLASSES, trainingSamples } from "../engine/task.js";
import { GRID, halfWidth } from "../rows.js";
import { element, fitCanvas } from "./dom.js";
import { rgb } from "./theme.js";

const FINER = 3; // pixels between two points of the grid
const PIXELS = FINER * (GRID - 1) + 1; // outputs are piecewise linear: interpolating them loses almost nothing
const TINT = { light: 0.62, dark: 0.58 }; // share of the class's colour in the colour of its region
const DOT = 3.1;

export class DecisionMap {
  constructor(onHover) {
    this.canvas = element("canvas", { className: "map-canvas", role: "img", ariaLabel: "Decision regions" });
    this.regions = new OffscreenCanvas(PIXELS, PIXELS);
    this.dots = new OffscreenCanvas(1, 1); // drawn once for a size and a theme: 300 discs a frame take most of its time
    this.pixels = new Uint32Array(PIXELS * PIXELS);
    this.image = new ImageData(new Uint8ClampedArray(this.pixels.buffer), PIXELS, PIXELS);
    this.leads = [new Float64Array(GRID * GRID), new Float64Array(GRID * GRID)];
    this.canvas.addEventListener("pointermove", (event) => onHover(this.point(event)));
    this.canvas.addEventListener("pointerleave", () => onHover(null));
  }

  open(settings) {
    this.samples = trainingSamples(settings);
    this.halfWidth = halfWidth(settings);
    this.squared = settings.loss !== "cross_entropy";
    this.outputs = this.dotted = null;
  }

  draw(outputs, theme) {
    const side = this.canvas.clientWidth;
    if (!side || !outputs) return;
    fitCanvas(this.canvas, side, side);
    const context = this.canvas.getContext("2d"), { width } = this.canvas;
    if (outputs !== this.outputs || theme !== this.theme) {
      Object.assign(this, { outputs, theme });
      this.paint(theme);
      this.regions.getContext("2d").putImageData(this.image, 0, 0);
    }
    if (width !== this.dots.width || theme !== this.dotted) this.drawDots(width, theme);
    context.drawImage(this.regions, 0, 0, width, width);
    context.drawImage(this.dots, 0, 0);
  }

  // Softmax of the outputs, interpolated between the points of the grid, mixed into one colour per pixel.
  paint(theme) {
    const paper = rgb(theme.paper);
    const share = theme.dark ? TINT.dark : TINT.light;
    const [a, b, c] = theme.classes.map((hex) => rgb(hex).map((v, i) => share * v + (1 - share) * paper[i]));
    const { pixels, leads: [lead1, lead2] } = this;
    this.lead(this.outputs);
    for (let y = 0, at = 0; y < PIXELS; y++) {
      const row = Math.min(Math.floor(y / FINER), GRID - 2) * GRID, v = y / FINER - row / GRID;
      for (let x = 0; x < PIXELS; x++) {
        const column = Math.min(Math.floor(x / FINER), GRID - 2), u = x / FINER - column;
        const e1 = Math.exp(between(lead1, row + column, u, v)), e2 = Math.exp(between(lead2, row + column, u, v));
        const p0 = 1 / (1 + e1 + e2), p1 = e1 * p0, p2 = e2 * p0;
        const red = p0 * a[0] + p1 * b[0] + p2 * c[0];
        const green = p0 * a[1] + p1 * b[1] + p2 * c[1];
        const blue = p0 * a[2] + p1 * b[2] + p2 * c[2];
        pixels[at++] = (255 << 24) | (blue << 16) | (green << 8) | red;
      }
    }
  }

  // The differences of the outputs of classes 1 and 2 from that of class 0, within the range of exp.
  lead(outputs) {
    const sharpen = this.squared ? SQUARED_SHARPNESS : 1;
    const plane = GRID * GRID;
    for (let k = 0; k < plane; k++) {
      for (let i = 1; i < CLASSES; i++) {
        const lead = sharpen * (outputs[i * plane + k] - outputs[k]);
        this.leads[i - 1][k] = Math.max(-LARGEST_LEAD, Math.min(lead, LARGEST_LEAD));
      }
    }
  }

  drawDots(side, theme) {
    this.dotted = theme;
    this.dots.width = this.dots.height = side; // which clears it
    const context = this.dots.getContext("2d");
    const { samples: { x0, x1, labels }, halfWidth } = this;
    const toPixel = (x) => ((x + halfWidth) / (2 * halfWidth)) * side;
    const radius = DOT * (side / this.canvas.clientWidth) * Math.min(1, this.canvas.clientWidth / 300);
    context.lineWidth = radius / 3;
    context.strokeStyle = theme.paper;
    for (let j = 0; j < labels.length; j++) {
      context.beginPath();
      context.arc(toPixel(x0[j]), toPixel(-x1[j]), radius, 0, 7);
      context.fillStyle = theme.classes[labels[j]];
      context.fill();
      context.stroke();
    }
  }

  // The point under the pointer: {x, y, probabilities}.
  point(event) {
    if (!this.outputs) return null;
    const box = this.canvas.getBoundingClientRect();
    const u = (event.clientX - box.left) / box.width, v = (event.clientY - box.top) / box.height;
    if (u < 0 || u > 1 || v < 0 || v > 1) return null;
    const k = Math.round(v * (GRID - 1)) * GRID + Math.round(u * (GRID - 1));
    const odds = [1, Math.exp(this.leads[0][k]), Math.exp(this.leads[1][k])];
    const sum = odds[0] + odds[1] + odds[2];
    return { x: this.halfWidth * (2 * u - 1), y: this.halfWidth * (1 - 2 * v), probabilities: odds.map((value) => value / sum) };
  }
}

// Squared error fits outputs to 0 and 1; this steepness shows them as the near-certainties they stand for.
const SQUARED_SHARPNESS = 6;
const LARGEST_LEAD = 80;

// Bilinear interpolation in the cell whose top left corner is values[k].
function between(values, k, u, v) {
  const top = values[k] + u * (values[k + 1] - values[k]);
  const bottom = values[k + GRID] + u * (values[k + GRID + 1] - values[k + GRID]);
  return top + v * (bottom - top);
}
