// Drives the engine's thread: decides how many steps to ask for, and when. Independent of what is drawn.

import workerSource from "worker-source";
import { runs } from "../state.js";
import { Record } from "./record.js";
import { turns } from "./turns.js";

const BUDGET = 24; // milliseconds of work between two answers
const LONGEST_GAP = 100; // milliseconds; after a slow frame the run must not leap ahead

export class Session {
  // handlers: advanced(answer), stopped(reason: "until", "stop", "burst" or "diverged", burst), returned(answer of an
  // earlier step), pinned(number, run), foreseen(prediction of an onset).
  // data: the samples of all runs, if they are not the spirals.
  constructor(handlers, data) {
    this.handlers = handlers;
    this.data = data;
    this.opening = 0;
    this.records = [];
    this.mode = "paused"; // or "playing", "seeking", "to burst"
    this.active = false;
    this.waiting = false;
    this.step = 0;
    this.stop = null; // the step at which playing pauses, where a guess is checked
    this.mapWanted = true; // the view sets it again when it draws
    this.valleyWanted = false; // ... and this one, if it shows the valley
    this.foresees = false; // whether onsets are predicted
    this.pins = new Map(); // the records of pinned runs that follow this one
  }

  // Start over with `state`, and run to its step at full speed.
  open(state) {
    this.worker ??= this.start();
    this.state = state;
    this.settings = this.data ? runs(state).map((settings) => ({ ...settings, data: this.data })) : runs(state);
    this.opening++;
    this.earlier = this.asked = null;
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
    worker.onmessage = ({ data }) => this.hear(data);
    worker.onerror = () => turns.pass(this); // it will not answer
    return worker;
  }

  close() {
    this.worker?.terminate();
    this.seer?.terminate();
    this.active = false;
    turns.pass(this);
  }

  hear(message) {
    if (message.foreseen) {
      if (message.foreseen.opening === this.opening) this.handlers.foreseen(message.foreseen);
    } else if (message.opening !== this.opening) {
      if (message.pin) this.unpin(message.pin);
      if ("step" in message) turns.pass(this);
    } else if (message.pin) this.keep(message);
    else if ("at" in message) this.return(message);
    else this.receive(message);
  }

  // Run i goes on beside the runs to come, in lockstep: its record is handed to pinned() as number `pin`.
  pin(pin, i) {
    this.worker.postMessage({ pin, run: i });
  }

  unpin(pin) {
    this.pins.delete(pin);
    this.worker?.postMessage({ unpin: pin });
  }

  // The worker has copied the run, at the step of the last answer.
  keep({ pin, run }) {
    const record = this.records[run].copy();
    this.pins.set(pin, record);
    this.handlers.pinned(pin, { record, settings: this.settings[run] });
  }

  // Ask for the run at an earlier step; null: not any more. While one answer is awaited, only the last request waits.
  returnTo(step, valley) {
    this.earlier = step;
    if (step === null || this.asked !== null) return;
    this.asked = step;
    this.worker.postMessage({ at: step, valley });
  }

  return(answer) {
    this.asked = null;
    if (this.earlier === null) return;
    if (this.earlier !== answer.at) this.returnTo(this.earlier, Boolean(answer.valley));
    this.handlers.returned(answer);
  }

  foresee(midTurn) {
    this.seer ??= this.start();
    this.seer.postMessage({ foresee: { ...midTurn, settings: this.settings[0], opening: this.opening } });
  }

  receive(answer) {
    this.waiting = false;
    turns.pass(this);
    this.step = answer.step;
    answer.runs.forEach(({ rows }, i) => this.records[i].add(rows));
    for (const { pin, rows } of answer.pinned) this.pins.get(pin)?.add(rows);
    if (this.foresees && answer.runs[0].midTurn) this.foresee(answer.runs[0].midTurn);
    const reason = this.mode === "paused" ? null : this.ending(answer);
    if (reason) this.mode = "paused";
    else if (this.mode === "seeking" && this.step >= this.target) this.mode = this.resumed;
    this.handlers.advanced(answer);
    if (reason) this.handlers.stopped(reason, answer.burst);
    this.proceed();
  }

  proceed() {
    if (this.hurried) this.ask(Infinity);
  }

  // The reason why the run stops here, or null.
  ending({ diverged, burst }) {
    if (diverged) return "diverged";
    if (burst) return "burst";
    if (this.mode !== "seeking" && this.stop !== null && this.step >= this.stop) return "stop";
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
    this.proceed();
    if (!this.hurried && this.mode === "playing") {
      this.due = Math.min((this.due ?? 0) + (gap * Number(this.state.speed)) / 1000, Number(this.state.speed));
      if (this.due >= 1 && this.ask(Math.floor(this.due))) this.due -= Math.floor(this.due);
    }
  }

  // The step that a request must not pass.
  get last() {
    if (this.mode === "seeking") return this.target;
    const end = this.mode === "playing" && this.state.until ? this.state.until : Infinity;
    return Math.min(end, this.stop ?? Infinity);
  }

  ask(steps) {
    if (this.waiting || !this.active || !this.worker) return false;
    if (this.hurried && !turns.take(this)) return false;
    const wanted = Math.max(0, Math.min(steps, this.last - this.step));
    this.waiting = true;
    this.worker.postMessage({ steps: wanted, budget: BUDGET, map: this.mapWanted, valley: this.valleyWanted, lockstep: this.state.lockstep, toBurst: this.mode === "to burst" });
    this.mapWanted = this.valleyWanted = false;
    return true;
  }
}
