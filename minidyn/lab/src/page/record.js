// The rows of a run so far, in bounded memory: the last steps one by one, and the whole run thinned.

import { COLUMN, WIDTH } from "../rows.js";

const RECENT_ROWS = 12000; // the last steps
const WHOLE_ROWS = 12000; // most rows of the whole run
const THINNING = 3; // odd, so that thinned rows still show both branches of a period-2 orbit

export class Record {
  constructor() {
    this.recent = new Float64Array(RECENT_ROWS * WIDTH);
    this.whole = new Float64Array(WHOLE_ROWS * WIDTH);
    this.clear();
  }

  clear() {
    this.stride = 1;
    this.count = 0; // rows in `whole`
    this.seen = 0; // rows so far; `recent` holds the last of them, cyclically
    this.sharpness = NaN;
  }

  get last() {
    return this.seen - 1;
  }

  add(rows) {
    for (let at = 0; at < rows.length; at += WIDTH) {
      const row = rows.subarray(at, at + WIDTH);
      this.recent.set(row, (this.seen % RECENT_ROWS) * WIDTH);
      if (row[COLUMN.step] % this.stride === 0) this.append(row);
      if (!Number.isNaN(row[COLUMN.sharpness])) this.sharpness = row[COLUMN.sharpness];
      this.seen++;
    }
  }

  append(row) {
    if (this.count === WHOLE_ROWS) this.thin();
    if (row[COLUMN.step] % this.stride) return;
    this.whole.set(row, this.count++ * WIDTH);
  }

  thin() {
    this.stride *= THINNING;
    let count = 0;
    for (let i = 0; i < this.count; i++) {
      if (this.whole[i * WIDTH] % this.stride === 0) this.whole.copyWithin(count++ * WIDTH, i * WIDTH, (i + 1) * WIDTH);
    }
    this.count = count;
  }

  // Calls visit(values, at) for each row whose step is `from` or later; its columns are values[at + COLUMN.name].
  forEachRow(from, visit) {
    if (from > this.seen - RECENT_ROWS) {
      for (let step = Math.max(0, Math.ceil(from)); step < this.seen; step++) visit(this.recent, (step % RECENT_ROWS) * WIDTH);
    } else {
      for (let i = Math.max(0, Math.ceil(from / this.stride)); i < this.count; i++) visit(this.whole, i * WIDTH);
    }
  }

  // The row of `step`, or the nearest one that is left; its sharpness is the last that was measured before it.
  row(step) {
    const row = this.at(Math.max(0, Math.min(Math.round(step), this.last)));
    const names = Object.entries(COLUMN).map(([name, i]) => [name, row[i]]);
    return { ...Object.fromEntries(names), sharpness: this.sharpnessAt(row[0]) };
  }

  at(step) {
    if (step > this.last - RECENT_ROWS) return this.recent.subarray((step % RECENT_ROWS) * WIDTH, (step % RECENT_ROWS) * WIDTH + WIDTH);
    const i = Math.min(Math.floor(step / this.stride), this.count - 1);
    return this.whole.subarray(i * WIDTH, (i + 1) * WIDTH);
  }

  sharpnessAt(step) {
    for (let i = Math.min(Math.floor(step / this.stride), this.count - 1); i >= 0; i--) {
      const value = this.whole[i * WIDTH + COLUMN.sharpness];
      if (!Number.isNaN(value)) return value;
    }
    return this.sharpness;
  }

  // All rows that are left, in order of their steps.
  rows() {
    const first = Math.max(0, this.seen - RECENT_ROWS);
    const early = this.whole.subarray(0, Math.min(Math.ceil(first / this.stride), this.count) * WIDTH);
    const rows = new Float64Array(early.length + (this.seen - first) * WIDTH);
    rows.set(early);
    for (let step = first, at = early.length; step < this.seen; step++, at += WIDTH) rows.set(this.at(step), at);
    return rows;
  }

  copy() {
    const { recent, whole, ...counts } = this;
    const copy = Object.assign(new Record(), counts);
    copy.recent.set(recent);
    copy.whole.set(whole);
    return copy;
  }
}

// The rows of a run that came from a file: read like a Record, but nothing is added.
export class StoredRecord {
  constructor(rows) {
    this.values = rows;
    this.seen = rows.length / WIDTH;
  }

  get last() {
    return this.values[(this.seen - 1) * WIDTH];
  }

  rows() {
    return this.values;
  }

  forEachRow(from, visit) {
    for (let i = this.countBefore(from); i < this.seen; i++) visit(this.values, i * WIDTH);
  }

  // The row of `step`, or the last one before it; its sharpness is the last that was measured.
  row(step) {
    const i = Math.max(0, this.countBefore(Math.round(step) + 1) - 1);
    const names = Object.entries(COLUMN).map(([name, k]) => [name, this.values[i * WIDTH + k]]);
    return { ...Object.fromEntries(names), sharpness: this.sharpnessAt(i) };
  }

  sharpnessAt(i) {
    while (i >= 0 && Number.isNaN(this.values[i * WIDTH + COLUMN.sharpness])) i--;
    return i < 0 ? NaN : this.values[i * WIDTH + COLUMN.sharpness];
  }

  countBefore(step) {
    let low = 0, high = this.seen;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.values[middle * WIDTH] < step) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
