// The valley under a run, as md.valley_floor, md.valley_slice and orbits.projection define it: the floor is the mean of
// the last weights; through it, along the sharpest direction, lies a slice; on it descent repeats x -> x - η g(x), with
// η the learning rate in that direction.

import { rateAlong } from "./engine/cap.js";
import { LargestEigenvalue } from "./engine/curvature.js";
import { LOSSES } from "./engine/losses.js";
import { Objective } from "./engine/objective.js";
import { weights } from "./engine/oscillation.js";
import { CLASSES, trainingSamples } from "./engine/task.js";
import { Line } from "./line.js";
import { bounce, period, swing } from "./orbit.js";

// Updates whose mean is the floor: fewer where 64 would be an eighth of a turn.
export const windowLength = ({ period }) => (period > 500 ? 64 : 32);

const UPDATES = 300; // of the map; the last of them are compared with the run
const AT_REST = 1e-9; // swings below this are rounding errors
const WALL = 0.3; // the distance from the floor at which the forces of the two walls are compared
const NODES = 121; // points of a curve
const NARROWEST = 0.05; // least half-width of the curves
const MARGIN = 1.4; // of the curves around the orbits
const TOLERANCE = 1e-10; // of the direction's residual
const ATTEMPTS = 4; // to reach it: each goes on from the direction of the one before

export class Valley {
  constructor(settings) {
    this.settings = settings;
    this.task = trainingSamples(settings);
    this.loss = LOSSES[settings.loss](this.task.labels);
    this.gamma = new Float64Array(CLASSES);
    this.objective = new Objective(settings);
    this.eigenvalue = new LargestEigenvalue(this.objective.gradient.length);
  }

  // path: the weights of the window's steps, the first of them of step `first`. Γ is that of the window's middle.
  measure(path, first) {
    const began = performance.now();
    const step = first + path.length / 2;
    weights(this.settings, step, this.gamma);
    const floor = mean(path);
    const { value: sharpness, direction } = this.sharpest(floor);
    this.rate = rateAlong(this.settings, sharpness);
    const { width } = this.settings;
    const line = new Line({ width, task: this.task, loss: this.loss, gamma: this.gamma }, floor, direction);
    // An eigenvector has no sign of its own: the steeper wall is on the left.
    const side = line.at(-WALL).force + line.at(WALL).force < 0 ? 1 : -1;
    for (let i = 0; i < direction.length; i++) direction[i] *= side;
    const slice = (x) => {
      const { value, force } = line.at(side * x);
      return { value, force: side * force };
    };
    const run = path.map((place) => projection(place, floor, direction));
    const map = this.orbit(slice, run[0], path.length);
    return { step, first, sharpness, floor, direction, ...this.curves(slice, [...run, ...map]),
      run: describe(run), map: describe(map.slice(1)), stairs: map, cost: performance.now() - began };
  }

  // The leading eigenvector of the Hessian.
  sharpest(parameters) {
    const { objective, eigenvalue } = this;
    objective.measure(parameters, this.gamma);
    const product = (direction, out) => objective.hessianProduct(direction, out);
    let top;
    for (let i = 0; i < ATTEMPTS && !(top?.residual <= TOLERANCE * Math.abs(top?.value)); i++) {
      top = eigenvalue.compute(product, TOLERANCE);
    }
    return { ...top, direction: eigenvalue.last.slice() };
  }

  // The last offsets that descent along the slice visits: one more than the window has, to draw `count` steps.
  orbit(slice, start, count) {
    const path = [start];
    for (let k = 0; k < UPDATES; k++) path.push(path[k] - this.rate * slice(path[k]).force);
    return path.slice(-count - 1);
  }

  curves(slice, places) {
    const reach = Math.max(NARROWEST, ...places.map(Math.abs).filter(Number.isFinite));
    const radius = MARGIN * 2 ** (Math.ceil(4 * Math.log2(reach)) / 4); // in steps: the axes hold still
    const x = Float64Array.from({ length: NODES }, (_, k) => radius * ((2 * k) / (NODES - 1) - 1));
    const least = slice(0).value;
    const points = Array.from(x, slice);
    return {
      radius, x,
      value: Float64Array.from(points, ({ value }) => value - least),
      force: Float64Array.from(points, ({ force }) => force),
      after: x.map((t, k) => t - this.rate * points[k].force),
    };
  }
}

// period: 1 at rest, 0 for chaos or a longer one than the window shows, NaN if the orbit has left.
function describe(places) {
  const wide = swing(places);
  return { places, swing: wide, bounce: bounce(places), period: wide < AT_REST ? 1 : Number.isFinite(wide) ? period(places) : NaN };
}

function mean(path) {
  const sum = new Float64Array(path[0].length);
  for (const place of path) place.forEach((value, i) => (sum[i] += value));
  return sum.map((value) => value / path.length);
}

function projection(place, floor, direction) {
  let sum = 0;
  for (let i = 0; i < floor.length; i++) sum += (place[i] - floor[i]) * direction[i];
  return sum;
}
