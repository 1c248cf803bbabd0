// The buttons and sliders, built from the table of settings.

import { BY_NAME, PRESETS, SETTINGS, show, shows } from "../state.js";
import { element, setAttribute, setText } from "./dom.js";

const ICONS = {
  play: "M7 4.5v15l12.5-7.5z",
  pause: "M6 4.5h4.2v15H6zM13.8 4.5H18v15h-4.2z",
  single: "M5 4.5v15l9-7.5zM16 4.5h3v15h-3z",
  reset: "M12 5V1.5L7 6l5 4.5V7.2a5.3 5.3 0 1 1-5.3 5.3H4.4A7.6 7.6 0 1 0 12 5z",
  burst: "M2 12h4l2-6 3.2 13L14.5 4l2.6 8H22v1.8h-6.2l-1.1-3.3-3.4 14L7.8 11.3 7.3 13.8H2z",
};

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

const LINK_TEXT = "link to this exact run";

export class Toolbar {
  // actions: play, single, reset, burst, preset(name), set(patch); link() where there is one to copy.
  constructor(actions) {
    this.play = button("play", "Play", actions.play, "primary");
    this.single = button("single", "One step", actions.single);
    this.reset = button("reset", "Start over", actions.reset);
    this.burst = button("burst", "Next burst", actions.burst, "wide");
    this.burst.append(element("span", { text: "Next burst" }));
    this.speed = new Choice(BY_NAME.speed, actions.set);
    this.window = new Choice(BY_NAME.window, actions.set);
    this.preset = element("select", { onchange: () => actions.preset(this.preset.value) }, [
      element("option", { value: "", text: "your own" }),
      ...Object.entries(PRESETS).map(([name, { label }]) => element("option", { value: name, text: label })),
    ]);
    this.status = element("span", { className: "lab-status" });
    this.buttons = element("div", { className: "buttons", role: "group", ariaLabel: "Run" }, [this.play, this.single, this.reset, this.burst]);
    this.element = element("div", { className: "bar" }, [
      this.buttons,
      this.status,
      this.speed.element,
      this.window.element,
    ]);
    this.presets = element("label", { className: "field" }, [element("span", { text: "preset" }), this.preset]);
    this.linked = Boolean(actions.link);
    this.exact = element("a", { text: LINK_TEXT, href: "#", onclick: (event) => this.copy(event, actions.link) });
    this.foot = element("div", { className: "foot" }, [this.presets, this.exact]);
    this.parts = {
      play: this.play, single: this.single, reset: this.reset, burst: this.burst,
      speed: this.speed.element, window: this.window.element, preset: this.presets, link: this.exact,
    };
  }

  // The link goes to the address bar and to the clipboard; nothing starts over.
  copy(event, link) {
    event.preventDefault();
    link();
    navigator.clipboard?.writeText(this.exact.href).catch(() => {});
    setText(this.exact, "link copied");
    setTimeout(() => setText(this.exact, LINK_TEXT), 1500);
  }

  update(state, mode, status) {
    for (const [part, node] of Object.entries(this.parts)) node.hidden = !shows(state, part);
    this.exact.hidden ||= !this.linked;
    const running = mode !== "paused";
    setAttribute(this.play, "aria-label", running ? "Pause" : "Play");
    setAttribute(this.play, "title", running ? "Pause" : "Play");
    setAttribute(this.play.querySelector("path"), "d", ICONS[running ? "pause" : "play"]);
    setText(this.status, status);
    this.speed.update(state);
    this.window.update(state);
    const match = Object.entries(PRESETS).find(([, { values }]) =>
      SETTINGS.filter(({ restarts }) => restarts).every(({ name, default: usual }) => state[name] === (values[name] ?? usual)));
    this.preset.value = match ? match[0] : "";
    this.element.hidden = [...this.element.children].every((child) => child.hidden);
    this.foot.hidden = this.presets.hidden && this.exact.hidden;
  }
}

const OF_THE_SPIRALS = ["noise", "data_seed"];

// The settings that define a run: a change of them starts it over.
export class Settings {
  constructor(set) {
    this.fields = SETTINGS.filter(({ restarts, label }) => restarts && label).map((setting) => {
      const Field = setting.stops ? Slider : setting.choices ? Choice : Seed;
      return new Field(setting, set);
    });
    this.element = element("div", { className: "settings", role: "group", ariaLabel: "Settings" },
      this.fields.map((field) => field.element));
  }

  // ownData: the samples are the reader's, not those of the spirals.
  update(state, ownData = false) {
    for (const field of this.fields) {
      field.element.hidden = !shows(state, field.setting.key) || (ownData && OF_THE_SPIRALS.includes(field.setting.name));
      field.update(state);
    }
    this.element.hidden = [...this.element.children].every((child) => child.hidden);
  }
}

class Slider {
  constructor(setting, set) {
    this.setting = setting;
    this.value = element("span", { className: "field-value", "aria-hidden": "true" });
    this.input = element("input", {
      type: "range", min: 0, max: setting.stops.length - 1, step: 1,
      oninput: () => set({ [setting.name]: setting.stops[this.input.value] }),
    });
    const name = element("span", { className: "field-name" }, [element("span", { text: setting.label }), this.value]);
    this.element = element("label", { className: "slider" }, [name, this.input]);
  }

  update(state) {
    const value = state[this.setting.name];
    const text = show(this.setting, value);
    const { stops } = this.setting;
    const nearest = stops.reduce((best, stop, i) => (Math.abs(stop - value) < Math.abs(stops[best] - value) ? i : best), 0);
    if (Number(this.input.value) !== nearest) this.input.value = nearest;
    setAttribute(this.input, "aria-valuetext", text);
    this.input.style.setProperty("--share", `${(100 * nearest) / (stops.length - 1)}%`);
    setText(this.value, text);
  }
}

export class Choice {
  constructor(setting, set) {
    this.setting = setting;
    this.input = element("select", { onchange: () => set({ [setting.name]: this.input.value }) },
      Object.entries(setting.choices).map(([value, text]) => element("option", { value, text })));
    this.element = element("label", { className: "field" }, [element("span", { text: setting.label }), this.input]);
  }

  update(state) {
    this.input.value = state[this.setting.name];
  }
}

class Seed {
  constructor(setting, set) {
    this.setting = setting;
    this.input = element("input", {
      type: "number", min: setting.least, max: setting.most, step: 1,
      onchange: () => {
        const value = Math.round(Number(this.input.value));
        if (value >= setting.least && value <= setting.most) set({ [setting.name]: value });
      },
    });
    this.element = element("label", { className: "field" }, [element("span", { text: setting.label }), this.input]);
  }

  update(state) {
    const text = String(state[this.setting.name]);
    if (this.input !== this.input.getRootNode().activeElement && this.input.value !== text) this.input.value = text;
  }
}

function button(name, label, act, className = "") {
  return element("button", { type: "button", className, ariaLabel: label, title: label, onclick: act }, [icon(name)]);
}
