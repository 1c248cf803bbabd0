// What is left of a run's weights, in bounded memory: those of the last steps, and every so often some of earlier ones,
// from which any step is computed again to the bit.

import { LOOK_EVERY } from "./engine/cap.js";

const MOST_FRAMES = 512;
const FIRST_STRIDE = 2 * LOOK_EVERY; // steps between two frames; it doubles whenever MOST_FRAMES are there

export class Past {
  // length: the number of last steps whose weights stay.
  constructor(length) {
    this.length = length;
    this.recent = []; // cyclically
    this.noted = 0;
    this.frames = [];
    this.stride = FIRST_STRIDE;
  }

  // The run has come to its present step.
  note({ step, parameters }) {
    this.step = step;
    this.noted++;
    (this.recent[step % this.length] ??= new Float64Array(parameters.length)).set(parameters);
    if (step % this.stride) return;
    if (this.frames.length === MOST_FRAMES) this.thin();
    if (step % this.stride === 0) this.frames.push({ step, parameters: parameters.slice() });
  }

  thin() {
    this.stride *= 2;
    this.frames = this.frames.filter(({ step }) => step % this.stride === 0);
  }

  // The weights of the last steps, oldest first; null before there are enough of them. They are written over later.
  get path() {
    if (this.noted < this.length) return null;
    const first = (this.step + 1) % this.length;
    return [...this.recent.slice(first), ...this.recent.slice(0, first)];
  }

  // `run`, another one with the same settings, at `step`; returns its past, which holds the path that leads there.
  replay(run, step) {
    const begin = Math.max(0, step - this.length + 1);
    run.restore(...Object.values(this.frames.findLast((frame) => frame.step <= begin)));
    const past = new Past(this.length);
    past.note(run);
    while (run.step < step) {
      run.advance();
      past.note(run);
    }
    return past;
  }
}
