// The reader's guess: asked for before a run starts, and compared with the run when it gets there.

import { caption, identity, runs, target } from "../state.js";
import { element, setAttribute, setText } from "./dom.js";
import * as guesses from "./guesses.js";
import { whole } from "./numbers.js";
import { QUANTITIES, shareOf, valueAt, verdict } from "./quantities.js";
import { save } from "./runs.js";

const POSITIONS = 200; // of a slider
const SIDES = ["left run", "right run"];

export class Guess {
  // actions: commit(), again(), changed(). place: "page.html#1", by which the guess is stored; null: it is not.
  constructor(actions, place) {
    this.actions = actions;
    this.place = place;
    this.target = null;
    this.heading = element("p", { className: "guess-heading", id: "guess-heading" });
    this.fields = element("div", { className: "guess-fields" });
    this.commit = element("button", { type: "submit", className: "primary", text: "Commit and run" });
    this.again = element("button", { type: "button", className: "text", text: "Guess again", onclick: actions.again });
    this.export = element("button", { type: "button", className: "text", text: "Export all guesses", onclick: () => save("minidyn-guesses.json", guesses.exported()) });
    const buttons = element("div", { className: "guess-buttons" }, [this.commit, this.again, this.export]);
    this.element = element("div", { className: "guess", role: "group", "aria-labelledby": "guess-heading" }, [
      this.heading, element("form", { onsubmit: (event) => this.submit(event) }, [this.fields, buttons]),
    ]);
  }

  // A run of `state` is opened: with the guess that was made for it, if there is one.
  open(state) {
    const former = JSON.stringify([this.target, this.settings]);
    this.target = target(state.guess);
    this.settings = identity(state);
    this.missed = false;
    if (this.target && JSON.stringify([this.target, this.settings]) !== former) this.begin(state);
    this.update();
  }

  begin(state) {
    const present = runs(state);
    this.quantity = QUANTITIES[this.target.quantity];
    this.range = this.quantity.range(present[0], state.step, this.target.step);
    this.names = present.length > 1 && !this.quantity.isStep ? SIDES : [];
    this.values = Array(this.names.length || 1).fill(null);
    this.committed = this.truths = null;
    this.recall(state.guess);
    this.build(this.names.map((name, i) => `${name}: ${caption(state, i)}`));
  }

  // What is stored for this very run.
  recall(guess) {
    const entry = this.place && guesses.load(this.place);
    if (entry?.guess !== guess || entry.settings !== this.settings || entry.values.length !== this.values.length) return;
    const { values, truths, committed } = entry;
    Object.assign(this, { values, truths: truths?.length === values.length ? truths : null, committed });
  }

  get asks() {
    return this.target !== null;
  }

  // Whether the run must not start yet.
  get waits() {
    return this.asks && !this.committed && !this.missed;
  }

  // The step at which the run pauses to be compared.
  get stop() {
    return this.asks && !this.truths && !this.missed ? this.target.step : null;
  }

  build(labels) {
    const { name, isStep } = this.quantity;
    this.sliders = this.values.map((_, i) => this.slider(i, labels[i]));
    this.fields.replaceChildren(...this.sliders.map(({ element: field }) => field));
    this.question = isStep
      ? `At which step, up to ${whole(this.target.step)}, does the ${name} begin?`
      : `What is the ${name}${this.names.length ? " of each run" : ""} at step ${whole(this.target.step)}?`;
  }

  slider(i, label) {
    const value = element("span", { className: "field-value", "aria-hidden": "true" });
    const input = element("input", { type: "range", min: 0, max: POSITIONS, step: 1 });
    const choose = () => this.choose(i, valueAt(this.quantity, this.range, input.value / POSITIONS));
    for (const event of ["input", "click"]) input.addEventListener(event, choose);
    const name = element("span", { className: "field-name" }, [
      label ? element("span", { className: i ? "key muted" : "key", text: label }) : element("span", { text: this.quantity.name }),
      value,
    ]);
    return { input, value, element: element("label", { className: "slider" }, [name, input]) };
  }

  choose(i, value) {
    if (!this.waits) return;
    this.values[i] = value;
    this.update();
    this.actions.changed();
  }

  // The reader points at a chart: the first run without a guess, else the nearest one.
  point(part, step, value) {
    if (!this.waits || !this.quantity.parts.includes(part)) return;
    const chosen = this.quantity.isStep ? step : value;
    const share = Math.round(shareOf(this.quantity, this.range, chosen) * POSITIONS) / POSITIONS;
    const distance = this.values.map((other) => (other === null ? -1 : Math.abs(shareOf(this.quantity, this.range, other) - share)));
    this.choose(distance.indexOf(Math.min(...distance)), valueAt(this.quantity, this.range, share));
  }

  submit(event) {
    event.preventDefault();
    if (!this.waits || this.values.includes(null)) return;
    this.committed = new Date().toISOString();
    this.keep();
    this.update();
    this.actions.commit();
  }

  keep() {
    const { values, truths, committed, settings } = this;
    const guess = `${this.target.quantity}@${this.target.step}`;
    if (this.place) guesses.keep(this.place, { guess, settings, values, truths, committed });
  }

  forget() {
    if (this.place) guesses.forget(this.place);
    this.settings = null;
  }

  // The run goes on; returns whether it has just shown how good the guess was. firstBurst: its step, null if none yet.
  observe({ step, records, settings }, { firstBurst, diverged }) {
    if (this.stop === null) return false;
    const burst = this.quantity.isStep && firstBurst !== null;
    if (step < this.stop && !burst && !diverged) return false;
    this.missed = !this.committed;
    if (this.committed) this.reveal(this.quantity.isStep ? [firstBurst] : records.map((record, i) => this.quantity.read(record.row(this.stop), settings[i])));
    this.update();
    return !this.missed;
  }

  reveal(truths) {
    this.truths = truths.map((truth) => (Number.isFinite(truth) ? truth : null));
    this.keep();
  }

  get sentence() {
    return verdict(this.target, this.values, this.truths, this.names);
  }

  // Puts the focus where the reader goes on.
  focus() {
    const next = this.values.indexOf(null);
    (next < 0 ? this.commit : this.sliders[next].input).focus();
  }

  update() {
    this.element.hidden = !this.asks;
    if (!this.asks) return;
    const waits = this.waits;
    this.fields.hidden = this.commit.hidden = !waits;
    this.again.hidden = waits;
    this.export.hidden = !this.committed || !this.place;
    this.commit.disabled = this.values.includes(null);
    this.sliders.forEach((slider, i) => this.show(slider, this.values[i]));
    setText(this.heading, this.text());
  }

  text() {
    if (this.waits) return `Your guess first: ${this.question} Set ${this.names.length ? "both sliders" : "the slider"}, or point at the chart.`;
    if (this.missed) return `The run went past without a guess. The question was: ${this.question}`;
    if (this.truths) return this.sentence;
    const guessed = this.values.map((value, i) => `${this.quantity.format(value)}${this.names.length ? ` (${this.names[i]})` : ""}`);
    return `${this.question} You guessed ${guessed.join(" and ")}.`;
  }

  show({ input, value: shown }, value) {
    const share = value === null ? 0.5 : shareOf(this.quantity, this.range, value);
    const text = value === null ? "not chosen yet" : this.quantity.format(value);
    input.value = Math.round(share * POSITIONS);
    input.style.setProperty("--share", `${100 * share}%`);
    setAttribute(input, "aria-valuetext", text);
    setText(shown, text);
  }

  // What charts draw: guesses and truths, the steps and values that must be in view; null if there is nothing.
  get marks() {
    if (!this.asks || this.missed) return null;
    const { parts, isStep } = this.quantity;
    const { values, truths, range, waits } = this;
    const guessed = values.filter((value) => value !== null);
    const to = isStep ? Math.max(...(waits ? range : guessed), truths?.[0] ?? 0) : this.target.step;
    return { parts, isStep, step: this.target.step, values, truths, to, inView: isStep ? [] : waits ? range : guessed };
  }
}
