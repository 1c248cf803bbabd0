// The engine's thread. The page opens runs and asks for steps; each answer carries what was measured, one row per step.
// It also pins runs, which then follow in lockstep, and asks for earlier steps.

import { BurstWatch } from "./burst.js";
import { CURVATURE_EVERY, Run } from "./engine/run.js";
import { Network } from "./engine/network.js";
import { CLASSES } from "./engine/task.js";
import { foresee } from "./foresee.js";
import { isMidTurn } from "./onset.js";
import { Past } from "./past.js";
import { GRID, halfWidth } from "./rows.js";
import { Valley, windowLength } from "./valley.js";

let opening = 0;
let trainees = [];
const followers = new Map(); // pinned runs, by their number

class Trainee {
  constructor(settings) {
    this.run = new Run(settings);
    this.threshold = 2 / settings.learning_rate;
    this.past = new Past(windowLength(settings));
    this.sharpness = [0, 0]; // the last two: in a period-2 orbit they lie on different branches
    this.bursts = new BurstWatch();
    this.firstBurst = null; // the step at which the first burst that could be seen began
    this.rows = [];
    this.record();
  }

  // The same run at the same step, which goes its own way from here.
  copy() {
    const { run, sharpness } = this;
    const copy = new Trainee(run.settings);
    copy.run.follow(run);
    return Object.assign(copy, { sharpness, rows: [], past: new Past(windowLength(run.settings)) });
  }

  get unstable() {
    return Math.max(...this.sharpness) > this.threshold;
  }

  advance() {
    const { run } = this;
    if (run.diverged) return this.rows.push(++run.step, NaN, NaN, NaN, NaN, NaN, NaN, 1, NaN, NaN, NaN);
    run.advance();
    this.record();
    this.bursts.add(run.step, run.frozenChange, this.unstable);
    if (this.bursts.visible) this.firstBurst ??= this.bursts.onset;
  }

  record() {
    const { run } = this;
    if (!run.diverged) this.past.note(run);
    if (isMidTurn(run.settings, run.step)) this.midTurn = { step: run.step, parameters: run.parameters.slice() };
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

  takeRows() {
    const rows = Float64Array.from(this.rows);
    this.rows = [];
    return rows;
  }

  map(parameters = this.run.parameters) {
    const f = new Float64Array(CLASSES * GRID * GRID);
    this.pictured ??= new Network(this.run.settings.width, grid(halfWidth(this.run.settings)));
    this.pictured.outputs(parameters, f);
    return f;
  }

  // The valley under the end of a path; null as long as the run is too short.
  valley({ path, step, length } = this.past) {
    this.slices ??= new Valley(this.run.settings);
    return path && this.slices.measure(path, step - length + 1);
  }

  // What the run was at an earlier step.
  at(step) {
    this.earlier ??= new Run(this.run.settings);
    const past = this.past.replay(this.earlier, Math.min(step, this.past.step));
    const { F, parameters } = this.earlier;
    return { F, parameters: parameters.slice(), map: this.map(parameters), past };
  }

  takeMidTurn() {
    const { midTurn } = this;
    this.midTurn = null;
    return midTurn;
  }
}

// A square of points, row after row from the top left.
function grid(side) {
  const points = { x0: new Float64Array(GRID * GRID), x1: new Float64Array(GRID * GRID) };
  for (let i = 0; i < GRID * GRID; i++) {
    points.x0[i] = side * (2 * (i % GRID) / (GRID - 1) - 1);
    points.x1[i] = side * (1 - 2 * Math.floor(i / GRID) / (GRID - 1));
  }
  return points;
}

// Up to `steps` updates of every run within `budget` milliseconds; with `toBurst`, stops when a burst of the first run
// can be seen, and returns it.
function advance({ steps, budget, toBurst, lockstep }) {
  const end = performance.now() + budget;
  for (let i = 0; i < steps && performance.now() < end; ) {
    if (catchUp(lockstep)) continue;
    i++;
    const { bursts } = trainees[0];
    const before = bursts.visible;
    for (const trainee of trainees) trainee.advance();
    if (trainees.every(({ run }) => run.diverged)) return null;
    if (toBurst && bursts.visible && !before) return bursts.describe();
  }
  return null;
}

// One step of the pinned runs that lag behind; returns whether there are any. In lockstep by "step" all runs are at the
// same step, by "time" at the same η · step.
function catchUp(lockstep) {
  if (!followers.size) return false;
  const { step, settings } = trainees[0].run;
  const behind = [...followers.values()].filter(({ run }) => {
    const pace = lockstep === "time" ? settings.learning_rate / run.settings.learning_rate : 1;
    return run.step < Math.floor(step * pace);
  });
  for (const follower of behind) follower.advance();
  return behind.length > 0;
}

function answer(burst, { map, valley }) {
  const runs = trainees.map((trainee) => ({ rows: trainee.takeRows(), map: map ? trainee.map() : null, midTurn: trainee.takeMidTurn() }));
  const pinned = [...followers].map(([pin, follower]) => ({ pin, rows: follower.takeRows() }));
  const diverged = trainees.every(({ run }) => run.diverged);
  const buffers = [...runs.flatMap(({ rows, map: f }) => (f ? [rows.buffer, f.buffer] : [rows.buffer])), ...pinned.map(({ rows }) => rows.buffer)];
  self.postMessage({ opening, step: trainees[0].run.step, burst, firstBurst: trainees[0].firstBurst, diverged, runs, pinned, valley: valley && !diverged ? trainees[0].valley() : null }, buffers);
}

function answerEarlier({ at, valley }) {
  const [first, ...others] = trainees.map((trainee) => trainee.at(at));
  const below = valley ? trainees[0].valley(first.past) : null;
  self.postMessage({ opening, at, valley: below, runs: [first, ...others].map(({ F, parameters, map }) => ({ F, parameters, map })) });
}

self.onmessage = ({ data }) => {
  if (data.open) {
    opening = data.opening;
    trainees = data.open.map((settings) => new Trainee(settings));
    answer(null, { map: true });
  } else if (data.pin) {
    followers.set(data.pin, trainees[data.run].copy());
    self.postMessage({ opening, pin: data.pin, run: data.run });
  } else if (data.unpin) {
    followers.delete(data.unpin);
  } else if (data.foresee) {
    foresee(data.foresee, (foreseen) => self.postMessage({ foreseen }));
  } else if ("at" in data) {
    answerEarlier(data);
  } else {
    answer(advance(data), data);
  }
};
