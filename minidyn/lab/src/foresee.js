// Predicts onsets in a thread of its own, so that the run goes on meanwhile. The last request waits; those between it
// and the one at work are dropped.

import { Onset } from "./onset.js";

let waiting = null;
let working = false;

// report({opening, start, path, onset, over}) as the prediction comes about.
export function foresee(request, report) {
  waiting = request;
  if (!working) next(report);
}

function next(report) {
  working = Boolean(waiting);
  if (!working) return;
  const { opening, settings, step, parameters } = waiting;
  waiting = null;
  const onset = new Onset(settings, step, parameters);
  const go = () => {
    if (waiting && waiting.opening !== opening) return next(report); // another run has been opened
    if (!onset.over) onset.advance();
    report({ opening, start: step, path: onset.path, onset: onset.onset, over: onset.over });
    if (onset.over) next(report);
    else setTimeout(go);
  };
  go();
}
