// Runs side by side: what is pinned, as a legend with buttons, and the files of runs.

import { BY_NAME } from "../state.js";
import { Choice } from "./controls.js";
import { element, setText } from "./dom.js";
import { whole } from "./numbers.js";
import { MOST_PINS } from "./pins.js";

export class Runs {
  // actions: pin(i), download(number; 0 and -1: the runs at hand), upload(file), rerun(number), unpin(number), set(patch).
  constructor(actions) {
    this.actions = actions;
    this.file = element("input", { type: "file", accept: ".json,application/json", className: "visually-hidden", tabindex: -1,
      ariaLabel: "File of a run", onchange: () => this.choose() });
    this.own = element("ul", { className: "runs-list" });
    this.lockstep = new Choice(BY_NAME.lockstep, actions.set);
    this.problem = element("p", { className: "problem", role: "alert" });
    this.element = element("div", { className: "runs", role: "group", ariaLabel: "Runs side by side" }, [
      element("div", { className: "chart-head" }, [element("span", { className: "chart-title", text: "Runs side by side" })]),
      this.own,
      element("div", { className: "runs-foot" }, [textButton("Upload a run", () => this.file.click()), this.file, this.lockstep.element]),
      this.problem,
    ]);
  }

  choose() {
    const [file] = this.file.files;
    this.file.value = ""; // so that the same file can be chosen again
    if (file) this.actions.upload(file);
  }

  // What is wrong with a file, or nothing.
  say(text) {
    setText(this.problem, text);
  }

  // The list changes with the pins, not with each step: a button that has the focus keeps it.
  update(state, pins, runs) {
    this.lockstep.update(state);
    this.lockstep.element.hidden = !pins.list.length;
    const [own, ...others] = pins.captions(runs[0]);
    const shape = JSON.stringify([pins.list.map(({ number }) => number), own, others, runs.length]);
    if (shape !== this.shape) this.rebuild(pins, runs, own, others);
    this.shape = shape;
    pins.list.forEach(({ record }, i) => setText(this.reached[i], `to step ${whole(record.last)}`));
  }

  rebuild(pins, runs, own, others) {
    const focused = this.own.getRootNode().activeElement?.getAttribute("aria-label");
    this.reached = pins.list.map(() => element("span", { className: "reached" }));
    const present = runs.map((_, i) => this.present(i, runs.length, pins.list.length ? own : "", pins.full));
    this.own.replaceChildren(...present, ...pins.list.map((pin, i) => this.pinned(pin, others[i], this.reached[i])));
    const same = [...this.own.querySelectorAll("button")].find((button) => button.getAttribute("aria-label") === focused);
    if (focused) (same ?? this.own.querySelector("button:enabled"))?.focus();
  }

  present(i, count, caption, full) {
    const name = count > 1 ? ["the left run", "the right run"][i] : "this run";
    const text = caption && i === 0 ? `${name}: ${caption}` : name;
    return element("li", {}, [
      element("span", { className: `key ${i ? "muted" : ""}`, text }),
      textButton("Pin", () => this.actions.pin(i), `Pin ${name}`, full && `At most ${MOST_PINS} runs can be pinned`),
      textButton("Download", () => this.actions.download(-i), `Download ${name}`),
    ]);
  }

  pinned({ number, slot, file }, caption, reached) {
    const name = `pin ${number}`;
    return element("li", {}, [
      element("span", { className: `swatch pin-${slot}`, "aria-hidden": "true" }),
      element("span", { text: `${name}: ${caption}${file ? ` (${file})` : ""}` }),
      reached,
      textButton("Run anew", () => this.actions.rerun(number), `Run ${name} anew`),
      textButton("Download", () => this.actions.download(number), `Download ${name}`),
      textButton("Unpin", () => this.actions.unpin(number), `Unpin ${name}`),
    ]);
  }
}

function textButton(text, act, ariaLabel = text, disabled = false) {
  return element("button", { type: "button", className: "text", text, ariaLabel, disabled: Boolean(disabled), title: disabled || undefined, onclick: act });
}

// Hands the reader a file.
export function save(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = element("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
