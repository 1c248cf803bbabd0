// The lab on a page: it connects state, session and view. Everything lives in one shadow root.

import { BY_NAME, PRESETS, SETTINGS, caption, defaults, shows } from "../state.js";
import { Chart, KINDS, span } from "./chart.js";
import { Settings, Toolbar } from "./controls.js";
import { element, setText } from "./dom.js";
import { number, percent, whole } from "./numbers.js";
import { Panel } from "./panel.js";
import { POINTS } from "../engine/task.js";
import { Session } from "./session.js";
import { currentTheme, watchTheme } from "./theme.js";
import style from "./style.css";

const STOPPED = { burst: "A burst begins. ", until: "The run is over. ", diverged: "The run has diverged. " };
const FRAME = 25; // milliseconds, at least, between two frames
const LABEL_EVERY = 120; // milliseconds between two updates of the numbers
const ANNOUNCE_EVERY = 5000; // ... of the text for screen readers while a run goes on
const REPORT_EVERY = 500; // ... of the state that listeners receive while a run goes on

export class Lab {
  // state: what differs from the defaults. link(state): the address that restores it, where there is one.
  constructor(host, state = {}, link = null) {
    this.host = host;
    this.state = { ...defaults(), ...state };
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.state.playing = false;
    this.link = link;
    this.listeners = { state: [], rows: [] };
    this.cursor = null;
    this.drawn = 0;
    this.session = new Session({
      advanced: (answer) => this.advanced(answer),
      stopped: (reason) => this.stopped(reason),
    });
    this.build();
    this.watch();
    this.refresh();
  }

  build() {
    const root = this.host.shadowRoot ?? this.host.attachShadow({ mode: "open" });
    this.toolbar = new Toolbar({
      play: () => (this.session.mode === "paused" ? this.play() : this.pause()),
      single: () => this.single(),
      reset: () => this.reset(),
      burst: () => this.toBurst(),
      preset: (name) => name && this.set(presetState(this.state, name)),
      set: (patch) => this.set(patch),
      link: this.link && (() => this.touch()),
    });
    this.settings = new Settings((patch) => this.set(patch));
    this.charts = KINDS.map((kind) => new Chart(kind, (step) => this.inspect(step), (patch) => this.set(patch)));
    this.panels = [];
    this.pictures = element("div", { className: "pictures" });
    this.plots = element("div", { className: "plots" }, this.charts.map((chart) => chart.element));
    this.stage = element("div", { className: "stage" }, [this.pictures, this.plots]);
    this.live = element("div", { className: "visually-hidden", role: "status", "aria-live": "polite" });
    this.root = element("div", { className: "lab", role: "group", ariaLabel: "Training lab" }, [
      this.toolbar.element, this.stage, this.settings.element, this.toolbar.foot, this.live,
    ]);
    root.replaceChildren(element("style", { text: style }), this.root);
    this.recolour();
  }

  // Only a visible lab runs; the engine starts when the lab is first visible.
  watch() {
    this.visible = false;
    this.observer = new IntersectionObserver((entries) => {
      this.visible = entries.at(-1).isIntersecting;
      this.wake();
    });
    this.observer.observe(this.host);
    this.sizes = new ResizeObserver(() => this.redraw());
    this.sizes.observe(this.root);
    this.onVisibility = () => this.wake();
    document.addEventListener("visibilitychange", this.onVisibility);
    this.unwatchTheme = watchTheme(() => {
      this.recolour();
      this.redraw();
    });
  }

  wake() {
    this.session.active = this.visible && !document.hidden;
    if (this.session.active && !this.opened) this.open();
    if (this.session.active) this.redraw();
  }

  destroy() {
    this.session.close();
    this.observer.disconnect();
    this.sizes.disconnect();
    this.unwatchTheme();
    document.removeEventListener("visibilitychange", this.onVisibility);
    cancelAnimationFrame(this.frame);
  }

  // Change settings by name. Those that define a run start it over; `step` runs to that step.
  set(patch) {
    const changed = Object.keys(patch).filter((name) => BY_NAME[name] && patch[name] !== this.state[name]);
    if (!changed.length) return;
    const restarts = changed.some((name) => BY_NAME[name].restarts);
    const seeks = changed.includes("step");
    const playing = "playing" in patch ? patch.playing : this.opened ? this.session.playing : this.state.playing;
    this.state = { ...this.state, ...patch, playing };
    if (restarts && !seeks) this.state.step = 0;
    if (restarts || seeks) this.open();
    else this.session.update(this.state);
    this.refresh();
    this.touch();
  }

  open() {
    this.opened = this.session.active;
    if (!this.opened) return; // it is opened when it becomes visible
    this.announced = this.labelled = 0;
    this.maps = [];
    this.cursor = null;
    this.session.open(this.state);
    this.emit("rows", { opened: this.session.settings });
    while (this.panels.length < this.session.settings.length) this.panels.push(new Panel(this.panels.length));
    this.panels.length = this.session.settings.length;
    this.panels.forEach((panel, i) => panel.open(this.session.settings[i], caption(this.state, i)));
    this.pictures.replaceChildren(...this.panels.map((panel) => panel.element));
    this.arrange();
    this.requestFrame();
  }

  // A reader who plays on beyond the end removes it.
  play() {
    const over = this.state.until && this.session.step >= this.state.until;
    this.go("playing", over ? { until: 0 } : {});
  }

  pause() {
    this.go("paused");
  }

  toBurst() {
    this.go("to burst", { until: 0 });
  }

  single() {
    this.go("paused");
    this.session.ask(1);
  }

  reset() {
    this.state = { ...this.state, step: 0, playing: this.session.playing };
    this.open();
    this.refresh();
    this.touch();
  }

  go(mode, patch = {}) {
    this.session.mode = mode;
    this.state = this.session.state = { ...this.state, ...patch, playing: this.session.playing };
    this.refresh();
    this.touch();
  }

  stopped(reason) {
    this.state = { ...this.state, playing: false };
    this.refresh();
    this.report();
    this.announce(STOPPED[reason]);
  }

  advanced({ runs, step }) {
    this.state = { ...this.state, step };
    runs.forEach(({ map }, i) => (this.maps[i] = map ?? this.maps[i]));
    this.emit("rows", { rows: runs.map(({ rows }) => rows) });
    this.dirty = true;
    this.requestFrame();
    if (this.session.mode === "paused" || performance.now() - (this.reported ?? 0) > REPORT_EVERY) this.report();
  }

  requestFrame() {
    this.frame ??= requestAnimationFrame((now) => this.tick(now));
  }

  tick(now) {
    this.frame = undefined;
    if (!this.session.active) return;
    if (now - this.drawn < FRAME) return this.requestFrame();
    this.drawn = now;
    this.session.tick(now);
    if (this.dirty) this.draw(now);
    if (this.session.mode !== "paused" || this.dirty) this.requestFrame();
  }

  redraw() {
    this.dirty = true;
    this.requestFrame();
  }

  draw(now) {
    const { session } = this;
    if (!session.records[0]?.seen) return;
    this.dirty = false;
    session.mapWanted = shows(this.state, "map");
    const view = this.view();
    const late = now - (this.labelled ?? 0) >= LABEL_EVERY || session.mode === "paused" || this.cursor !== null;
    if (late) this.labelled = now;
    const shown = this.charts.filter((chart) => !chart.element.hidden);
    for (const chart of shown) {
      chart.draw({ ...view, axis: chart === shown.at(-1) });
      if (late) chart.label(view);
    }
    this.panels.forEach((panel, i) => {
      if (late) panel.update(session.records[i].row(this.cursor ?? session.step));
      if (shows(this.state, "map")) panel.map.draw(this.maps[i], this.theme);
    });
    if (late) this.refreshStatus();
    if (now - (this.announced ?? 0) > ANNOUNCE_EVERY || !this.announced) {
      this.announced = now;
      this.announce();
    }
  }

  view() {
    const { session, state, theme, cursor } = this;
    const longest = Math.max(...session.settings.map(({ period }) => period));
    const { from, to, ticks } = span(state.window, session.step, longest);
    return { records: session.records, settings: session.settings, step: session.step, from, to, ticks, cursor, theme, difference: state.difference };
  }

  inspect(step) {
    if (step === this.cursor) return;
    this.cursor = step;
    this.redraw();
  }

  refresh() {
    this.settings.update(this.state);
    this.refreshStatus();
    this.arrange();
    this.redraw();
  }

  // Shows the parts that `hide` and `only` leave, pictures beside plots if there are both.
  arrange() {
    for (const chart of this.charts) chart.element.hidden = !shows(this.state, chart.kind.part);
    const plots = this.charts.some((chart) => !chart.element.hidden);
    const pictures = this.panels.map((panel) => panel.arrange(this.state)).some(Boolean);
    this.plots.hidden = !plots;
    this.pictures.hidden = !pictures;
    const pair = this.panels.length > 1;
    this.stage.className = `stage ${pair ? "pair" : ""} ${plots && pictures && !pair ? "" : "single"}`;
  }

  refreshStatus() {
    const { mode, step, target } = this.session;
    const goal = { seeking: ` → ${whole(target ?? 0)}`, "to burst": " → burst" }[mode];
    this.toolbar.update(this.state, mode, goal ? whole(step) + goal : `step ${whole(step)}`);
  }

  announce(prefix = "") {
    const { step, records } = this.session;
    const sentences = records.map((record) => {
      const row = record.row(step);
      return `Loss ${number(row.F)}, training accuracy ${percent(row.correct / POINTS)}, ${row.unstable ? "unstable" : "stable"}.`;
    });
    setText(this.live, `${prefix}Step ${whole(step)}. ${sentences.join(" ")}`);
  }

  recolour() {
    const { dark, classes, ...colours } = (this.theme = currentTheme());
    classes.forEach((colour, i) => (colours[`class-${i}`] = colour));
    for (const [name, colour] of Object.entries(colours)) this.root.style.setProperty(`--${name}`, colour);
    this.root.classList.toggle("dark", dark);
  }

  // The link to exactly this run; on the way to a step, to that step.
  get address() {
    const { mode, target } = this.session;
    return this.link?.(mode === "seeking" ? { ...this.state, step: target } : this.state);
  }

  // on("state", f): f(state) after a change, and every REPORT_EVERY milliseconds while a run goes on.
  // on("rows", f): f({opened: settings}) when a run starts over, f({rows}) with what was measured since.
  on(event, listener) {
    this.listeners[event].push(listener);
  }

  emit(event, value) {
    for (const listener of this.listeners[event]) listener(value);
  }

  // From the first change by the reader on, the address bar follows (see mount.js).
  touch() {
    this.touched = true;
    this.report();
  }

  report() {
    this.reported = performance.now();
    if (this.link) this.toolbar.exact.href = this.address;
    this.emit("state", this.state);
  }
}

function presetState(state, name) {
  const unchanged = Object.fromEntries(SETTINGS.filter(({ restarts }) => !restarts).map(({ name: key }) => [key, state[key]]));
  return { ...defaults(), ...unchanged, ...PRESETS[name].values, until: PRESETS[name].values.until ?? BY_NAME.until.default, step: 0 };
}
