// Bursts: intervals in which F, with Γ held, keeps reversing because descent overshoots.

import { period } from "./orbit.js";

const REVERSALS = 4; // in a row, and a sharpness beyond 2/η, begin a burst
const DOUBLED = 20; // reversals in a row begin a period-2 orbit, as in orbits.first_period_doubling
const CALM = 200; // steps without a rise of F end a burst
const SETTLED = 30; // steps without a rise, after which a burst is shown even if it was short
const LATEST = 900; // updates after which a burst is shown in any case
export const WINDOW = 64; // updates in which the period is measured
export const FORK = 500; // updates of a period-2 orbit that are shown
export const RECENT = 1000; // updates that a burst is shown in

export class BurstWatch {
  constructor() {
    this.recent = new Float64Array(RECENT); // the last changes of F, cyclically
    this.burst = null; // {start, doubled}: the steps of the first reversal and of the first one in a period-2 orbit
    this.visible = false; // whether the burst has grown to something that can be seen among the last RECENT updates
    this.step = this.reversals = this.sign = 0;
    this.calm = Infinity;
  }

  // change: that of F in the update that led to `step`, with Γ held.
  add(step, change, unstable) {
    this.step = step;
    this.recent[step % RECENT] = change;
    this.count(Math.sign(change));
    if (this.calm >= CALM) Object.assign(this, { burst: null, visible: false });
    else if (!this.burst && (this.reversals >= DOUBLED || (unstable && this.reversals >= REVERSALS))) {
      this.burst = { start: step - this.reversals + 1, doubled: null };
    }
    if (this.burst && this.reversals >= DOUBLED) this.burst.doubled ??= step - this.reversals + 1;
    this.visible ||= this.burst !== null && this.hasGrown(this.burst);
  }

  count(sign) {
    this.reversals = sign * this.sign < 0 ? this.reversals + 1 : 0;
    this.calm = sign > 0 ? 0 : this.calm + 1;
    this.sign = sign;
  }

  // The step from which the present burst has period 2, or else that of its first reversal.
  get onset() {
    return this.burst.doubled ?? this.burst.start;
  }

  hasGrown({ start, doubled }) {
    const age = this.step - (doubled ?? start);
    if (this.calm >= SETTLED || age >= LATEST) return true;
    return age >= FORK && this.range(DOUBLED) >= this.range(RECENT) / 2;
  }

  // {start, doubled, end, period}: end is the last step at which F rose, period that of the last updates.
  describe() {
    const end = this.step - this.calm;
    return { ...this.burst, end, over: this.calm >= SETTLED, period: this.step > WINDOW ? period(this.lastValues()) : 1 };
  }

  range(updates) {
    let least = Infinity, most = -Infinity;
    for (let step = Math.max(1, this.step - updates + 1); step <= this.step; step++) {
      least = Math.min(least, this.recent[step % RECENT]);
      most = Math.max(most, this.recent[step % RECENT]);
    }
    return most - least;
  }

  // F over the last updates, with Γ held in each, up to a constant.
  lastValues() {
    const values = [];
    for (let step = this.step - WINDOW + 1, F = 0; step <= this.step; step++) values.push((F += this.recent[step % RECENT]));
    return values;
  }
}
