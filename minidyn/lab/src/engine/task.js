// The samples that a run learns: the spirals, one arm per class, or the reader's own.

import { cos, sin } from "./elementary.js";
import { RandomState } from "./random.js";

export const CLASSES = 3;
const POINTS_PER_CLASS = 100;
const POINTS = CLASSES * POINTS_PER_CLASS;
const REVOLUTIONS = 4; // in half turns: the angle runs over 4π

// numpy.linspace(start, stop, count), bit for bit.
export function linspace(start, stop, count) {
  const stride = (stop - start) / (count - 1);
  const values = Float64Array.from({ length: count }, (_, i) => i * stride + start);
  values[count - 1] = stop;
  return values;
}

// {x0, x1, labels}: the two coordinates and the class of each point, arm after arm.
export function spiral({ noise, seed }) {
  const random = new RandomState(seed);
  const task = { x0: new Float64Array(POINTS), x1: new Float64Array(POINTS), labels: new Uint8Array(POINTS) };
  const radius = linspace(0, 1, POINTS_PER_CLASS);
  for (let arm = 0; arm < CLASSES; arm++) {
    const start = (2 * Math.PI * arm) / CLASSES;
    const angle = linspace(start, start + REVOLUTIONS * Math.PI, POINTS_PER_CLASS);
    for (let i = 0; i < POINTS_PER_CLASS; i++) {
      const turned = angle[i] + noise * random.gauss();
      const at = arm * POINTS_PER_CLASS + i;
      task.x0[at] = radius[i] * cos(turned);
      task.x1[at] = radius[i] * sin(turned);
      task.labels[at] = arm;
    }
  }
  return task;
}

// The samples of a run, and those that it is validated on: data, in its settings, are the reader's own.
export const trainingSamples = ({ data, noise, data_seed }) => data?.training ?? spiral({ noise, seed: data_seed });
export const validationSamples = ({ data, noise, data_seed }) => data?.validation ?? spiral({ noise, seed: data_seed + 1 });

export const trainingCount = ({ data }) => data?.training.labels.length ?? POINTS;
export const validationCount = ({ data }) => data?.validation.labels.length ?? POINTS;

// Arrays of numbers, as JSON has them, as samples.
export const typed = ({ x0, x1, labels }) => ({ x0: Float64Array.from(x0), x1: Float64Array.from(x1), labels: Uint8Array.from(labels) });
