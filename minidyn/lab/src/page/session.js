// Drives the engine's thread: decides how many steps to ask for, and when. Independent of what is drawn.

import workerSource from "worker-source";
import { runs } from "../state.js";
import { Record } from "./record.js";

const BUDGET = 16; // milliseconds of work between two answers
const LONGEST_GAP = 100; // milliseconds; after a slow frame the run must not leap ahead

export class Session {
  // handlers: advanced(answer), stopped(reason: "until", "burst" or "diverged").
  constructor(handlers) {
    this.handlers = handlers;
    this.opening = 0;
    this.records = [];
    this.mode = "paused"; // or "playing", "seeking", "to burst"
    this.active = false;
    this.waiting = false;
    this.step = 0;
    this.mapWanted = true; // the view sets it again when it draws
  }

  // Start over with `state`, and run to its step at full speed.
  open(state) {
    this.worker ??= this.start();
    this.state = state;
    this.settings = runs(state);
    this.opening++;
    this.step = 0;
    this.resumed = state.playing ? "playing" : "paused";
    this.mode = state.step > 0 ? "seeking" : this.resumed;
    this.target = state.step;
    while (this.records.length < this.settings.length) this.records.push(new Record());
    this.records.length = this.settings.length;
    for (const record of this.records) record.clear();
    this.waiting = true;
    this.worker.postMessage({ opening: this.opening, open: this.settings });
  }

  // Settings that do not define the run.
  update(state) {
    this.state = state;
    const wanted = state.playing ? "playing" : "paused";
    if (this.mode === "seeking") this.resumed = wanted;
    else if (!(this.mode === "to burst" && state.playing)) this.mode = wanted;
  }

  get playing() {
    return this.mode === "seeking" ? this.resumed === "playing" : this.mode !== "paused";
  }

  start() {
    const url = URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
    const worker = new Worker(url);
    URL.revokeObjectURL(url);
    worker.onmessage = ({ data }) => this.receive(data);
    return worker;
  }

  close() {
    this.worker?.terminate();
    this.active = false;
  }

  receive(answer) {
    if (answer.opening !== this.opening) return;
    this.waiting = false;
    this.step = answer.step;
    answer.runs.forEach(({ rows }, i) => this.records[i].add(rows));
    const reason = this.mode === "paused" ? null : this.ending(answer);
    if (reason) this.mode = "paused";
    else if (this.mode === "seeking" && this.step >= this.target) this.mode = this.resumed;
    this.handlers.advanced(answer);
    if (reason) this.handlers.stopped(reason);
    if (this.hurried) this.ask(Infinity);
  }

  // The reason why the run stops here, or null.
  ending({ diverged, burst }) {
    if (diverged) return "diverged";
    if (burst) return "burst";
    return this.mode !== "seeking" && this.state.until && this.step >= this.state.until ? "until" : null;
  }

  // At full speed the next request goes out with the last answer; otherwise frames pace it.
  get hurried() {
    return this.mode === "seeking" || this.mode === "to burst" || (this.mode === "playing" && this.state.speed === "max");
  }

  // A frame of the page, at `now` milliseconds.
  tick(now) {
    const gap = Math.min(now - (this.lastTick ?? now), LONGEST_GAP);
    this.lastTick = now;
    if (this.hurried) this.ask(Infinity);
    else if (this.mode === "playing") {
      this.due = Math.min((this.due ?? 0) + (gap * Number(this.state.speed)) / 1000, Number(this.state.speed));
      if (this.due >= 1 && this.ask(Math.floor(this.due))) this.due -= Math.floor(this.due);
    }
  }

  // The step that a request must not pass.
  get last() {
    if (this.mode === "seeking") return this.target;
    return this.mode === "playing" && this.state.until ? this.state.until : Infinity;
  }

  ask(steps) {
    if (this.waiting || !this.active || !this.worker) return false;
    const wanted = Math.max(0, Math.min(steps, this.last - this.step));
    this.waiting = true;
    this.worker.postMessage({ steps: wanted, budget: BUDGET, map: this.mapWanted, toBurst: this.mode === "to burst" });
    this.mapWanted = false;
    return true;
  }
}
