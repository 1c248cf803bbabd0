// What happened in a burst, in a sentence.

import { whole } from "./numbers.js";

// burst: see BurstWatch.describe.
export function burstSentence({ start, doubled, end, over, period }) {
  if (doubled === null) return `F reversed from step ${whole(start)} to step ${whole(end)}, without settling into a period.`;
  const from = `Period 2 ${over ? "from" : "since"} step ${whole(doubled)}`;
  if (over) return `${from} to step ${whole(end)}; then each update lowered F again, with Γ held.`;
  if (period === 2) return `${from}: with Γ held, every other update raises F.`;
  return period > 2 ? `${from}; the period is ${period} by now.` : `${from}; no period by now.`;
}
