// A burst along one direction: the stairs of one update at any step, and the places of run and map through the burst.
// Between two windows the curve of an update is interpolated.

import { corners, digits, element, plot, slider } from "./svg.js";

const SETTLE = 300; // updates before the map's orbit is looked at
const VISITS = 64;
const LONGEST = 16;
const CLOSE = 0.005; // two places of an orbit are one

// The two windows around a step and the share of the second one.
function between(steps, step) {
  const last = steps.length - 1;
  const right = Math.min(Math.max(steps.findIndex((s) => s >= step), 1), last);
  const share = (step - steps[right - 1]) / (steps[right] - steps[right - 1]);
  return [right - 1, Math.min(Math.max(share, 0), 1)];
}

export function nearest(steps, step) {
  const [left, share] = between(steps, step);
  return share < 0.5 ? left : left + 1;
}

// Where one update takes each offset of the grid, at any step.
export function curveAt({ steps, after }, step) {
  const [left, share] = between(steps, step);
  return after[left].map((value, k) => value + share * (after[left + 1][k] - value));
}

// Where one update takes x: a cubic through the neighbours on the grid; not a number beyond its ends.
export function update(curve, reach, x) {
  const place = ((x + reach) / (2 * reach)) * (curve.length - 1);
  if (!(place >= 0 && place <= curve.length - 1)) return NaN;
  const k = Math.min(Math.floor(place), curve.length - 2), t = place - k;
  const [b, c] = [curve[k], curve[k + 1]];
  const a = k ? curve[k - 1] : 2 * b - c;
  const d = k + 2 < curve.length ? curve[k + 2] : 2 * c - b;
  return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

// The last places of the map.
export function orbit(curve, reach, x) {
  const path = [];
  for (let k = 0; k < SETTLE; k++) {
    x = update(curve, reach, x);
    if (k >= SETTLE - VISITS) path.push(x);
  }
  return path;
}

export function swing(places) {
  const mean = places.reduce((sum, x) => sum + x, 0) / places.length;
  return Math.sqrt(places.reduce((sum, x) => sum + (x - mean) ** 2, 0) / places.length);
}

export function behaviour(places) {
  if (!places.every(Number.isFinite)) return "leaves the slice";
  const late = places.slice(LONGEST);
  for (let period = 1; period <= LONGEST; period++) {
    if (late.every((x, k) => Math.abs(x - places[k + LONGEST - period]) < CLOSE)) {
      return period === 1 ? "rests" : `repeats ${period} places`;
    }
  }
  return "repeats nothing";
}

export function start(host, data) {
  const { steps, reach, run } = data;
  const [first, last] = [steps[0], steps.at(-1)];
  let { step } = data;
  const places = [-reach, reach];
  const ticks = [-0.5, 0, 0.5];
  const stairs = plot({
    xLabel: "x before the update", yLabel: "after", xRange: places, yRange: places, xTicks: ticks, yTicks: ticks, height: 320,
    alt: "The curve of one update along the slice, the diagonal, the map's stairs between them, and the run's updates as dots.",
  });
  const thousands = [9000, 9500, 10000].filter((tick) => tick >= first && tick <= last);
  const burst = (name, alt) => plot({
    xLabel: "step", yLabel: `x of the ${name}`, xRange: [first, last], yRange: places, height: 160, alt,
    xTicks: thousands.length ? thousands : [first, last], yTicks: ticks,
  });
  const ofRun = burst("run", "The run's places in each window of the burst. A line marks the chosen step.");
  const ofMap = burst("map", "The map's last places at each step of the burst. A line marks the chosen step.");

  const seen = steps.flatMap((at, k) => run[k].map((x) => `M${ofRun.x(at).toFixed(1)},${ofRun.y(x).toFixed(1)}h0`));
  ofRun.layer("cloud dots digit").setAttribute("d", seen.join(""));
  const marks = [];
  for (let column = Math.ceil(ofMap.box.left); column <= ofMap.box.right; column++) {
    const at = first + ((column - ofMap.box.left) / (ofMap.box.right - ofMap.box.left)) * (last - first);
    const rows = orbit(curveAt(data, at), reach, run[nearest(steps, at)][0]).filter(Number.isFinite);
    for (const row of new Set(rows.map((x) => Math.round(ofMap.y(x) * 2) / 2))) marks.push(`M${column},${row}h.9`);
  }
  ofMap.layer("cloud unstable").setAttribute("d", marks.join(""));
  stairs.layer("thin").setAttribute("d", stairs.path([[-reach, -reach], [reach, reach]]));
  const layers = { curve: stairs.layer("curve"), web: stairs.layer("web unstable"), dots: stairs.layer("visited dots digit") };
  const markers = [ofRun, ofMap].map((diagram) => diagram.layer("marker"));
  const reading = element("p", { class: "reading", "aria-live": "polite" });

  function draw() {
    const curve = curveAt(data, step), window = run[nearest(steps, step)];
    const grid = curve.map((y, k) => [-reach + (2 * reach * k) / (curve.length - 1), y]);
    layers.curve.setAttribute("d", stairs.path(grid.filter(([, y]) => Math.abs(y) <= reach)));
    const map = orbit(curve, reach, window[0]), inside = map.filter(Number.isFinite);
    layers.web.setAttribute("d", inside.length > 1 ? stairs.path(corners(inside)) : "");
    const pairs = window.slice(1).map((b, k) => `M${stairs.x(window[k]).toFixed(1)},${stairs.y(b).toFixed(1)}h0`);
    layers.dots.setAttribute("d", pairs.join(""));
    for (const [k, diagram] of [ofRun, ofMap].entries()) {
      markers[k].setAttribute("d", `M${diagram.x(step)},${diagram.box.top}V${diagram.box.bottom}`);
    }
    const size = (values) => `swing ${digits(swing(values), 3)}`;
    reading.textContent = `Step ${step.toLocaleString("en")}: the map ${behaviour(map)}, ${size(map)}. The run: ${size(window)}.`;
  }

  const chosen = slider({
    label: "step", min: first, max: last, step: 5, value: step, show: (at) => at.toLocaleString("en"),
    move: (at) => ((step = at), draw()),
  });
  for (const diagram of [ofRun, ofMap]) {
    diagram.onPoint((at) => {
      step = Math.round(at / 5) * 5;
      chosen.set(step);
      draw();
    });
  }

  host.append(element("div", { class: "pair" }, stairs.svg, element("div", {}, ofRun.svg, ofMap.svg)), reading, chosen.node);
  draw();
}
