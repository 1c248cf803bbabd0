// The lab on a page: it connects state, session and view. Everything lives in one shadow root.

import { BY_NAME, PRESETS, SETTINGS, caption, consistent, defaults, isFirst, shows } from "../state.js";
import { Chart, KINDS, span } from "./chart.js";
import { Settings, Toolbar } from "./controls.js";
import { element, setText } from "./dom.js";
import { Guess } from "./guess.js";
import { More } from "./more.js";
import { number, percent, whole } from "./numbers.js";
import { Panel } from "./panel.js";
import { trainingCount } from "../engine/task.js";
import { Pins, paceOf } from "./pins.js";
import { StoredRecord } from "./record.js";
import * as runfile from "./runfile.js";
import { Runs, save } from "./runs.js";
import { Scrubber } from "./scrub.js";
import { Session } from "./session.js";
import { currentTheme, watchTheme } from "./theme.js";
import { ValleyPanel } from "./valley.js";
import { burstSentence } from "./words.js";
import style from "./style.css";

const STOPPED = { until: "The run is over.", diverged: "The run has diverged." };
const INVITATION = "Next burst runs on until descent overshoots.";
const NO_FILES = "Files hold runs on the spirals only. Python has the record of this run: lab.history.";
const BURST_WINDOW = "1000"; // steps that the charts show after a burst
const NARROW = 560; // CSS pixels, up to which the pictures stand above the charts; see style.css
const FRAME = 25; // milliseconds, at least, between two frames
const LABEL_EVERY = 120; // milliseconds between two updates of the numbers
const ANNOUNCE_EVERY = 5000; // ... of the text for screen readers while a run goes on
const VALLEY_EVERY = 200; // ... of the valley
const VALLEY_SHARE = 0.1; // of the engine's time, at most, for the valley
const REPORT_EVERY = 500; // ... of the state that listeners receive while a run goes on

export class Lab {
  // state: what differs from the defaults. link(state): the address that restores it, where there is one. place: the
  // name under which the reader's guess is stored, if it is. data: the reader's own samples, {training, validation}.
  constructor(host, state = {}, { link = null, place = null, data = null } = {}) {
    this.host = host;
    this.state = consistent({ ...defaults(), ...state });
    this.start = this.state.step;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.state.playing = false;
    this.link = link;
    this.listeners = { state: [], rows: [] };
    this.cursor = this.past = null; // the step that the reader inspects; the one that the reader has gone back to
    this.ghosts = new Map(); // predicted onsets, by the step from which they were predicted
    this.drawn = 0;
    this.pins = new Pins();
    this.session = new Session({
      advanced: (answer) => this.advanced(answer),
      stopped: (reason, burst) => this.stopped(reason, burst),
      returned: (answer) => this.returned(answer),
      pinned: (number, run) => this.addPin(number, run),
      foreseen: (prediction) => this.foreseen(prediction),
    }, data);
    this.data = data;
    this.guess = new Guess({ commit: () => this.commit(), again: () => this.guessAgain(), changed: () => this.redraw() }, place);
    this.build();
    this.guess.open(this.state);
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
    const chartActions = {
      inspect: (step) => this.inspect(step),
      point: (part, step, value) => this.guess.point(part, step, value),
      set: (patch) => this.set(patch),
    };
    this.charts = KINDS.map((kind) => new Chart(kind, chartActions));
    this.panels = [];
    this.pictures = element("div", { className: "pictures" });
    this.scrubber = new Scrubber((step) => this.goBack(step));
    this.plots = element("div", { className: "plots" }, [...this.charts.map((chart) => chart.element), this.scrubber.element]);
    this.valley = new ValleyPanel();
    this.runs = new Runs({
      pin: (i) => this.session.pin(this.pins.number(), i),
      unpin: (number) => this.unpin(number),
      rerun: (number) => this.set({ ...own(this.pins.get(number).settings), against: "", step: 0 }),
      download: (number) => this.download(number),
      upload: (file) => this.upload(file),
      set: (patch) => this.set(patch),
    });
    this.stage = element("div", { className: "stage" }, [this.pictures, this.plots]);
    this.says = element("p", { className: "says", hidden: true });
    this.more = new More();
    this.more.element.addEventListener("toggle", () => this.refresh());
    this.live = element("div", { className: "visually-hidden", role: "status", "aria-live": "polite" });
    this.root = element("div", { className: "lab", role: "group", ariaLabel: "Training lab" }, [
      this.toolbar.element, this.guess.element, this.says, this.stage, this.more.element, this.live,
    ]);
    this.place();
    root.replaceChildren(element("style", { text: style }), this.root);
    this.recolour();
  }

  // Only a visible lab runs. The others are opened too and drawn once, or they would change their height under the
  // eyes of a reader who comes to them.
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
    if (!this.opened) this.open();
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
    const restarts = changed.some((name) => BY_NAME[name].restarts || name === "guess");
    const seeks = changed.includes("step");
    const playing = "playing" in patch ? patch.playing : this.opened ? this.session.playing : this.state.playing;
    if ("seed" in patch) patch = { weights: "seed", ...patch }; // or the seed would have no effect
    this.state = consistent({ ...this.state, ...patch, playing });
    if (restarts && !seeks) this.state.step = 0;
    if (restarts || seeks) this.open();
    else this.session.update(this.allowed);
    this.refresh();
    this.touch();
  }

  open() {
    this.opened = true;
    this.pictured = false;
    this.announced = this.labelled = 0;
    this.maps = [];
    this.cursor = this.past = this.slice = this.slicedAt = this.earlier = null;
    this.ghosts.clear();
    this.guess.open(this.state);
    this.session.open(this.allowed);
    this.session.stop = this.guess.stop;
    this.emit("rows", { opened: this.session.settings.map(own) });
    while (this.panels.length < this.session.settings.length) this.panels.push(new Panel(this.panels.length));
    this.panels.length = this.session.settings.length;
    this.panels.forEach((panel, i) => panel.open(this.session.settings[i], caption(this.state, i)));
    this.pictures.replaceChildren(...this.panels.map((panel) => panel.element));
    this.say(this.state.first && shows(this.state, "burst") ? INVITATION : "");
    this.place();
    this.arrange();
    this.requestFrame();
  }

  // The state, without playing as long as a guess is asked for.
  get allowed() {
    return this.guess.waits ? { ...this.state, playing: false } : this.state;
  }

  // The reader has made a guess: a run to a burst goes on at full speed, any other one at its own.
  commit() {
    if (this.guess.target.quantity === "burst") this.go("to burst");
    else this.go("playing");
    this.announce("Your guess is kept, and the run has started. ");
    (this.toolbar.play.checkVisibility() ? this.toolbar.play : this.guess.again).focus();
  }

  // Back to where the lab began.
  guessAgain() {
    this.guess.forget();
    this.state = { ...this.state, step: this.start < this.guess.target.step ? this.start : 0, playing: false };
    this.open();
    this.refresh();
    this.touch();
    this.guess.focus();
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

  // From an earlier step, to the one after it.
  single() {
    if (this.guess.waits) return this.askFirst();
    if (this.past !== null) return this.goBack(this.past + 1);
    this.go("paused");
    this.session.ask(1);
  }

  reset() {
    const window = this.windowBefore ?? this.state.window;
    this.windowBefore = null;
    this.state = { ...this.state, window, step: 0, playing: this.session.playing };
    this.open();
    this.refresh();
    this.touch();
  }

  askFirst() {
    this.announce(`${this.guess.text()} Then the run starts. `);
    this.guess.focus();
  }

  go(mode, patch = {}) {
    if (mode !== "paused" && this.guess.waits) return this.askFirst();
    if (mode !== "paused") this.goBack(null);
    this.session.mode = mode;
    this.state = this.session.state = { ...this.state, ...patch, playing: this.session.playing };
    this.refresh();
    this.touch();
  }

  // Shows the run as it was at an earlier step; null, or a step that is not over, shows the present.
  goBack(step) {
    if (step !== null && step >= this.session.step) step = null;
    if (step === null && this.past === null) return;
    if (step !== null && this.session.mode !== "paused") this.pause();
    this.past = this.cursor = step;
    if (step === null) this.earlier = null;
    this.session.returnTo(step, this.showsValley);
    this.redraw();
    this.touch();
  }

  returned(answer) {
    this.earlier = answer;
    this.redraw();
  }

  foreseen(prediction) {
    this.ghosts.set(prediction.start, prediction);
    this.redraw();
  }

  get showsValley() {
    return shows(this.state, "valley") && !this.state.against;
  }

  addPin(number, run) {
    this.pins.add(number, run);
    this.refresh();
  }

  unpin(number) {
    this.pins.remove(number);
    this.session.unpin(number);
    this.refresh();
  }

  // A pinned run, or one of those at hand: 0 and -1.
  download(number) {
    if (this.data) return this.runs.say(NO_FILES);
    const { settings, record } = number > 0 ? this.pins.get(number)
      : { settings: this.session.settings[-number], record: this.session.records[-number] };
    save(`minidyn-run-seed-${settings.seed}-step-${record.last}.json`, runfile.write(settings, record));
  }

  async upload(file) {
    try {
      if (this.data) throw new Error(NO_FILES);
      if (this.pins.full) throw new Error("unpin a run first: no more can be pinned");
      const { settings, rows } = runfile.read(await file.text());
      this.pins.add(this.pins.number(), { settings, record: new StoredRecord(rows), file: file.name });
      this.runs.say("");
    } catch (error) {
      this.runs.say(`${file.name}: ${error.message}`);
    }
    this.refresh();
  }

  stopped(reason, burst) {
    this.state = { ...this.state, playing: false };
    if (burst) this.zoom();
    const sentence = burst ? burstSentence(burst) : (STOPPED[reason] ?? "");
    this.say(sentence);
    this.refresh();
    this.report();
    this.announce([sentence, this.guess.truths ? this.guess.sentence : "", ""].filter(Boolean).join(" ") + " ");
  }

  // To the last steps, which a burst fills; starting over returns to what was shown before.
  zoom() {
    if (this.state.window === BURST_WINDOW) return;
    this.windowBefore ??= this.state.window;
    this.state = this.session.state = { ...this.state, window: BURST_WINDOW };
  }

  // A sentence beside the picture.
  say(sentence) {
    setText(this.says, sentence);
    this.says.hidden = !sentence;
  }

  advanced(answer) {
    const { runs, step, valley } = answer;
    this.state = { ...this.state, step };
    if (this.guess.observe(this.session, answer)) this.revealed();
    this.session.stop = this.guess.stop;
    this.slice = valley ?? this.slice;
    if (this.session.mode === "paused") this.sliceHere(step);
    runs.forEach(({ map }, i) => (this.maps[i] = map ?? this.maps[i]));
    this.emit("rows", { rows: runs.map(({ rows }) => rows) });
    this.dirty = true;
    this.requestFrame();
    if (this.session.mode === "paused" || performance.now() - (this.reported ?? 0) > REPORT_EVERY) this.report();
  }

  // The run has come to what was guessed.
  revealed() {
    if (this.session.mode === "playing") this.pause();
    this.announce(`${this.guess.sentence} `);
  }

  // A run that has paused shows the valley of its last step.
  sliceHere(step) {
    if (!this.showsValley || this.slicedAt === step) return;
    this.slicedAt = step;
    this.session.valleyWanted = true;
    this.session.ask(0);
  }

  requestFrame() {
    this.frame ??= requestAnimationFrame((now) => this.tick(now));
  }

  tick(now) {
    this.frame = undefined;
    const { active } = this.session;
    if (!active && this.pictured) return;
    if (now - this.drawn < FRAME) return this.requestFrame();
    this.drawn = now;
    if (active) this.session.tick(now);
    if (this.dirty) this.draw(now);
    if (active && (this.session.mode !== "paused" || this.dirty)) this.requestFrame();
  }

  redraw() {
    this.dirty = true;
    this.requestFrame();
  }

  draw(now) {
    const { session } = this;
    if (!session.records[0]?.seen) return;
    this.dirty = false;
    this.pictured = true;
    session.mapWanted = shows(this.state, "map");
    this.drawValley(now);
    const view = this.view();
    const late = now - (this.labelled ?? 0) >= LABEL_EVERY || session.mode === "paused" || this.cursor !== null;
    if (late) this.labelled = now;
    const shown = this.charts.filter((chart) => !chart.element.hidden);
    const first = shown.filter((chart) => isFirst(this.state, chart.kind.part));
    for (const chart of shown) {
      chart.draw({ ...view, axis: chart === last(shown) || chart === last(first) });
      if (late) chart.label(view);
    }
    this.panels.forEach((panel, i) => {
      if (late) panel.update(session.records[i].row(this.cursor ?? session.step));
      if (shows(this.state, "map")) panel.map.draw(this.earlier?.runs[i].map ?? this.maps[i], this.theme);
    });
    if (late) this.refreshStatus();
    const goesOn = session.mode !== "paused"; // what is said of a run that has stopped stays
    if (!this.announced || (goesOn && now - this.announced > ANNOUNCE_EVERY)) this.announce();
  }

  // The valley is asked for with the next answer, now and then; a run that pauses shows its last one.
  drawValley(now) {
    if (!this.showsValley || !this.valley.element.clientWidth) return;
    const pause = Math.max(VALLEY_EVERY, (this.slice?.cost ?? 0) / VALLEY_SHARE);
    if (this.session.mode !== "seeking" && now - (this.valleyAsked ?? -Infinity) > pause) {
      this.valleyAsked = now;
      this.session.valleyWanted = true;
    }
    this.valley.draw(this.earlier?.valley ?? this.slice, this.session.settings[0], this.theme);
    this.valley.foresee([...this.ghosts.values()].findLast(({ start }) => start <= (this.past ?? this.session.step)));
  }

  view() {
    const { session, state, theme, cursor } = this;
    const longest = Math.max(...session.settings.map(({ period }) => period));
    const { marks } = this.guess;
    const { from, to, ticks } = span(state.window, session.step, longest, marks?.to);
    const pins = this.pins.list.map(({ record, slot, settings }) => ({ record, slot, pace: paceOf(state.lockstep, session.settings[0], settings) }));
    return {
      records: session.records, settings: session.settings, pins, ghosts: [...this.ghosts.values()], marks,
      step: session.step, from, to, ticks, cursor, theme, difference: state.difference, lockstep: state.lockstep,
      tall: Boolean(state.first) && this.root.clientWidth > NARROW,
    };
  }

  inspect(step) {
    step ??= this.past;
    if (step === this.cursor) return;
    this.cursor = step;
    this.redraw();
  }

  refresh() {
    this.settings.update(this.state, Boolean(this.data));
    this.refreshStatus();
    this.arrange();
    this.redraw();
  }

  // Moves the parts to the first screen or behind "More".
  place() {
    const { more, toolbar, plots, charts, panels } = this;
    const places = [
      ...["play", "single", "reset", "burst"].map((part) => [part, toolbar.parts[part], toolbar.buttons, more.bar]),
      ...["speed", "window"].map((part) => [part, toolbar.parts[part], toolbar.element, more.bar]),
      ...panels.flatMap(({ gamma, readouts, element: panel }) => [["bar", gamma, panel, more.pictures], ["readouts", readouts, panel, more.pictures]]),
      ...charts.map(({ kind, element: chart }) => [kind.part, chart, plots, more.plots]),
      ["scrub", this.scrubber.element, plots, more.plots],
    ];
    more.pictures.replaceChildren();
    more.arrange(this.state, places, [this.settings.element, this.valley.element, this.runs.element, toolbar.foot], this.root);
    this.placed = this.state.first;
  }

  // Shows the parts that `hide` and `only` leave, pictures beside plots if there are both.
  arrange() {
    if (this.placed !== this.state.first) this.place();
    for (const chart of this.charts) chart.element.hidden = !shows(this.state, chart.kind.part);
    this.scrubber.element.hidden = !shows(this.state, "scrub");
    this.valley.element.hidden = !this.showsValley;
    this.runs.element.hidden = !shows(this.state, "runs");
    this.session.foresees = this.showsValley && shows(this.state, "sharpness") && (!this.state.first || this.more.element.open);
    const plots = [...this.plots.children].some((part) => !part.hidden);
    const pictures = this.panels.map((panel) => panel.arrange(this.state)).some(Boolean);
    this.plots.hidden = !plots;
    this.pictures.hidden = !pictures;
    const pair = this.panels.length > 1;
    this.root.classList.toggle("compact", Boolean(this.state.first));
    this.stage.className = `stage ${pair ? "pair" : ""} ${plots && pictures && !pair ? "" : "single"}`;
  }

  refreshStatus() {
    const { mode, step, target } = this.session;
    const goal = { seeking: ` → ${whole(target ?? 0)}`, "to burst": " → burst" }[mode];
    this.toolbar.update(this.state, mode, goal ? whole(step) + goal : `step ${whole(this.past ?? step)}`);
    this.scrubber.update(this.past, step);
    if (this.session.records[0]?.seen) this.runs.update(this.state, this.pins, this.session.settings);
  }

  announce(prefix = "") {
    this.announced = performance.now();
    const { session, session: { step, records } } = this;
    const sentences = records.map((record, i) => {
      const row = record.row(step);
      return `Loss ${number(row.F)}, training accuracy ${percent(row.correct / trainingCount(session.settings[i]))}, ${row.unstable ? "unstable" : "stable"}.`;
    });
    setText(this.live, `${prefix}Step ${whole(step)}. ${sentences.join(" ")}`);
  }

  recolour() {
    const { dark, classes, pins, ...colours } = (this.theme = currentTheme());
    classes.forEach((colour, i) => (colours[`class-${i}`] = colour));
    pins.forEach((colour, i) => (colours[`pin-${i}`] = colour));
    for (const [name, colour] of Object.entries(colours)) this.root.style.setProperty(`--${name}`, colour);
    this.root.classList.toggle("dark", dark);
  }

  // The link to exactly this run; on the way to a step, to that step.
  get address() {
    const { mode, target } = this.session;
    const step = mode === "seeking" ? target : (this.past ?? this.state.step);
    return this.link?.({ ...this.state, step });
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

const last = (list) => list.at(-1);

// Settings without the samples.
const own = ({ data, ...settings }) => settings;

function presetState(state, name) {
  const unchanged = Object.fromEntries(SETTINGS.filter(({ restarts }) => !restarts).map(({ name: key }) => [key, state[key]]));
  return { ...defaults(), ...unchanged, ...PRESETS[name].values, until: PRESETS[name].values.until ?? BY_NAME.until.default, step: 0 };
}
