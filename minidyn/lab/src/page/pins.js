// The runs that the reader has pinned: at most four, each with a colour and a dash of its own.

import { RUN_SETTINGS, symbol } from "../state.js";

export const MOST_PINS = 4;

// Pixels on and off along the steps, by which the curves differ without their colours.
export const DASHES = [[1, 0], [9, 5], [3, 4], [16, 4, 3, 4]];

export class Pins {
  constructor() {
    this.list = [];
    this.next = 1;
  }

  get full() {
    return this.list.length >= MOST_PINS;
  }

  // A number for the next pin.
  number() {
    return this.next++;
  }

  // record: a Record that goes on beside the run, or a StoredRecord; file: the name of the file it came from.
  add(number, { settings, record, file = null }) {
    const slot = DASHES.findIndex((_, i) => this.list.every((pin) => pin.slot !== i));
    this.list.push({ number, slot, settings, record, file });
  }

  get(number) {
    return this.list.find((pin) => pin.number === number);
  }

  remove(number) {
    this.list = this.list.filter((pin) => pin.number !== number);
  }

  // What tells each pin from the run at hand and from the others, as text: "A = 70, η = 1".
  captions(present) {
    const all = [present, ...this.list.map(({ settings }) => settings)];
    const differing = RUN_SETTINGS.filter(({ name }) => all.some((settings) => settings[name] !== present[name]));
    const tell = (settings) => differing.map((setting) => symbol(setting, settings[setting.name])).join(", ") || "the same settings";
    return all.map(tell);
  }
}

// The step of a pinned run that stands beside `step` of the run at hand: the same step, or the same η · step.
export const paceOf = (lockstep, present, pinned) => (lockstep === "time" ? present.learning_rate / pinned.learning_rate : 1);
