// The engine's thread. The page opens runs and asks for steps; each answer carries what was measured, one row per step.

import { CURVATURE_EVERY, Run } from "./engine/run.js";
import { outputs } from "./engine/network.js";
import { CLASSES } from "./engine/task.js";
import { GRID, HALF_WIDTH } from "./rows.js";

// A burst begins when descent is unstable and F has reversed in this many updates in a row ...
const REVERSALS = 4;
// ... and is over when F has not gone up for this many steps.
const CALM = 200;

let opening = 0;
let trainees = [];

class Trainee {
  constructor(settings) {
    this.run = new Run(settings);
    this.threshold = 2 / settings.learning_rate;
    this.sharpness = [0, 0]; // the last two: in a period-2 orbit they lie on different branches
    this.bouncing = false;
    this.reversals = 0;
    this.calm = Infinity;
    this.sign = 0;
    this.rows = [];
    this.record();
  }

  get unstable() {
    return Math.max(...this.sharpness) > this.threshold;
  }

  advance() {
    const { run } = this;
    if (run.diverged) return this.rows.push(++run.step, NaN, NaN, NaN, NaN, NaN, NaN, 1, NaN, NaN, NaN);
    run.advance();
    this.record();
    this.watch();
  }

  record() {
    const { run } = this;
    let sharpness = NaN;
    if (run.step % CURVATURE_EVERY === 0 && !run.diverged) {
      sharpness = run.curvature();
      this.sharpness = [this.sharpness[1], sharpness];
    }
    this.rows.push(
      run.step, run.F, run.change, run.frozenChange, run.correct, run.validationCorrect,
      sharpness, Number(this.unstable), ...run.classLoss,
    );
  }

  watch() {
    const sign = Math.sign(this.run.frozenChange);
    this.reversals = sign === -this.sign ? this.reversals + 1 : 0;
    this.calm = sign > 0 ? 0 : this.calm + 1;
    this.sign = sign;
    if (!this.bouncing) this.bouncing = this.unstable && this.reversals >= REVERSALS;
    else if (this.calm >= CALM) this.bouncing = false;
  }

  takeRows() {
    const rows = Float64Array.from(this.rows);
    this.rows = [];
    return rows;
  }

  map() {
    const { parameters, settings } = this.run;
    const f = new Float64Array(CLASSES * GRID * GRID);
    outputs(parameters, settings.width, grid.x0, grid.x1, f);
    return f;
  }
}

// A square of points, row after row from the top left.
const grid = { x0: new Float64Array(GRID * GRID), x1: new Float64Array(GRID * GRID) };
for (let i = 0; i < GRID * GRID; i++) {
  grid.x0[i] = HALF_WIDTH * (2 * (i % GRID) / (GRID - 1) - 1);
  grid.x1[i] = HALF_WIDTH * (1 - 2 * Math.floor(i / GRID) / (GRID - 1));
}

// Up to `steps` updates of every run within `budget` milliseconds; with `toBurst`, stops when a burst of the first run
// begins.
function advance({ steps, budget, toBurst }) {
  const end = performance.now() + budget;
  for (let i = 0; i < steps && performance.now() < end; i++) {
    const before = trainees[0].bouncing;
    for (const trainee of trainees) trainee.advance();
    if (trainees.every(({ run }) => run.diverged)) return false;
    if (toBurst && trainees[0].bouncing && !before) return true;
  }
  return false;
}

function answer(burst, map) {
  const runs = trainees.map((trainee) => ({ rows: trainee.takeRows(), map: map ? trainee.map() : null }));
  const buffers = runs.flatMap(({ rows, map: f }) => (f ? [rows.buffer, f.buffer] : [rows.buffer]));
  const diverged = trainees.every(({ run }) => run.diverged);
  self.postMessage({ opening, step: trainees[0].run.step, burst, diverged, runs }, buffers);
}

self.onmessage = ({ data }) => {
  if (data.open) {
    opening = data.opening;
    trainees = data.open.map((settings) => new Trainee(settings));
    answer(false, true);
  } else {
    answer(advance(data), data.map);
  }
};
