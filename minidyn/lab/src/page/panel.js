// The picture and the numbers of a run: the decision regions, the class weights, and the state of the training.

import { emphasised, weights } from "../engine/oscillation.js";
import { CLASSES, trainingCount, validationCount } from "../engine/task.js";
import { shows } from "../state.js";
import { element, setAttribute, setText } from "./dom.js";
import { DecisionMap } from "./map.js";
import { number, percent, whole } from "./numbers.js";

// Names of the numbers; the second word is left out if there is no room.
const ROWS = [["step"], ["emphasised"], ["loss F"], ["training", " accuracy"], ["validation", " accuracy"], ["sharpness", " λₘₐₓ"], ["threshold", " 2/η"]];

export class Panel {
  constructor(which) {
    this.map = new DecisionMap((point) => this.inspect(point));
    this.caption = element("figcaption", { className: `key ${which ? "muted" : ""}` });
    this.marker = element("span", { className: "marker" });
    this.probe = element("span", { className: "probe", hidden: true });
    this.bars = Array.from({ length: CLASSES }, (_, i) => element("span", { className: `gamma class-${i}` }));
    this.gamma = element("div", { className: "gammas", role: "img" }, this.bars);
    this.values = ROWS.map(() => element("dd"));
    this.readouts = element("dl", {}, ROWS.flatMap(([name, more = ""], i) => [
      element("dt", { text: name }, [element("span", { text: more })]),
      this.values[i],
    ]));
    this.picture = element("div", { className: "picture" }, [this.map.canvas, this.marker, this.probe]);
    this.element = element("figure", { className: "panel" }, [this.caption, this.picture, this.gamma, this.readouts]);
  }

  open(settings, caption) {
    this.settings = settings;
    this.map.open(settings);
    setText(this.caption, caption);
    this.caption.hidden = !caption;
  }

  inspect(point) {
    this.probe.hidden = !point;
    if (!point) return;
    const { x, y, probabilities } = point;
    const best = probabilities.indexOf(Math.max(...probabilities));
    setText(this.probe, `(${number(x, 2)}, ${number(y, 2)}): class ${best}, ${percent(probabilities[best])}`);
  }

  // Shows the parts that `state` shows; returns whether there are any.
  arrange(state) {
    this.picture.hidden = !shows(state, "map");
    this.gamma.hidden = !shows(state, "bar");
    this.readouts.hidden = !shows(state, "readouts");
    return !(this.picture.hidden && this.gamma.hidden && this.readouts.hidden);
  }

  // row: what was measured at the step that the reader inspects.
  update(row) {
    const gamma = weights(this.settings, row.step);
    const resting = this.settings.amplitude === 1 || (this.settings.rest_from && row.step >= this.settings.rest_from);
    const turn = emphasised(this.settings, row.step);
    const limit = 2 / this.settings.learning_rate;
    const texts = [
      whole(row.step), resting ? "all alike" : `class ${turn}`, number(row.F, 4), percent(row.correct / trainingCount(this.settings)),
      percent(row.validationCorrect / validationCount(this.settings)), number(row.sharpness), number(limit),
    ];
    texts.forEach((text, i) => setText(this.values[i], text));
    gamma.forEach((value, i) => {
      this.bars[i].style.flexGrow = value;
      setText(this.bars[i], value > 0.6 ? `Γ${"₀₁₂"[i]} ${value.toFixed(2)}` : "");
    });
    setAttribute(this.gamma, "aria-label", `Class weights ${Array.from(gamma, (v) => v.toFixed(2)).join(", ")}`);
    this.marker.classList.toggle("unstable", Boolean(row.unstable));
    setText(this.marker, Number.isNaN(row.F) ? "▲ diverged" : row.unstable ? "▲ unstable" : "● stable");
    setAttribute(this.map.canvas, "aria-label",
      `Decision regions of the three classes at step ${whole(row.step)}; ${row.correct} of ${trainingCount(this.settings)} samples correct`);
  }
}
