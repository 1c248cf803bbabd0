// Updates per second of the lab's engine in Node.js, by CPU time: the fastest of many rounds. Prints a line per width.

import { CURVATURE_EVERY, Run } from "../minidyn/lab/src/engine/run.js";

const SETTINGS = {
  amplitude: 70, period: 5000, rest_from: 65000, learning_rate: 1, noise: 0.2, seed: 0, data_seed: 0, loss: "cross_entropy",
};
const WARM_UP = 3000;
const ROUNDS = 30;
const UPDATES = 2 * CURVATURE_EVERY;

const cpuSeconds = () => (process.cpuUsage().user + process.cpuUsage().system) / 1e6;

function rate(update) {
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const before = cpuSeconds();
    for (let i = 0; i < UPDATES; i++) update();
    least = Math.min(least, cpuSeconds() - before);
  }
  return UPDATES / least;
}

for (const width of [30, 100, 128]) {
  const run = new Run({ ...SETTINGS, width });
  const bare = () => run.advance();
  const measured = () => {
    run.advance();
    if (run.step % CURVATURE_EVERY === 0) run.curvature();
    return run.correct + run.validationCorrect;
  };
  for (let i = 0; i < WARM_UP; i++) measured();
  const rates = [rate(bare), rate(measured)].map((value) => Math.round(value).toLocaleString("en").padStart(7));
  console.log(`H = ${String(width).padEnd(3)} ${rates[0]} updates/s, ${rates[1]} with accuracies and sharpness`);
}
