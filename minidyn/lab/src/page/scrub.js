// The way back through the run: a slider over its steps.

import { element, setAttribute, setText } from "./dom.js";
import { whole } from "./numbers.js";

export class Scrubber {
  // go(step): the reader chooses a step; null: the present.
  constructor(go) {
    this.value = element("span", { className: "field-value", "aria-hidden": "true" });
    this.input = element("input", { type: "range", min: 0, max: 0, step: 1, oninput: () => go(this.chosen) });
    this.element = element("label", { className: "slider scrub" }, [
      element("span", { className: "field-name" }, [element("span", { text: "go back to step" }), this.value]),
      this.input,
    ]);
  }

  get chosen() {
    const step = Number(this.input.value);
    return step < Number(this.input.max) ? step : null;
  }

  // step: the one that is shown, null for the present.
  update(step, present) {
    setAttribute(this.input, "max", present);
    const shown = step ?? present;
    if (Number(this.input.value) !== shown) this.input.value = shown;
    this.input.style.setProperty("--share", `${present ? (100 * shown) / present : 100}%`);
    const text = step === null ? "the present" : whole(step);
    setAttribute(this.input, "aria-valuetext", text);
    setText(this.value, text);
  }
}
