// A chart over the steps: points are written as pixels (tens of thousands per frame), with axes under them.

import { weights } from "../engine/oscillation.js";
import { CLASSES, trainingCount, validationCount } from "../engine/task.js";
import { COLUMN } from "../rows.js";
import { BY_NAME } from "../state.js";
import { Choice } from "./controls.js";
import { element, fitCanvas, setAttribute, setText } from "./dom.js";
import { drawMarks } from "./marks.js";
import { number, percent, tickLabel, whole } from "./numbers.js";
import * as scales from "./scales.js";
import { DASHES } from "./pins.js";
import { pixel } from "./theme.js";

const HEIGHT = 86;
const TALL = 124; // where two charts share the first screen with the map
const SHORT_WINDOW = 1100; // steps, up to which changes of F are drawn on a linear scale: a fork is a fork
const AXIS_HEIGHT = 18;
const GUTTER = 46; // room for the labels on the left, in CSS pixels
const MARGIN = 5;
const FONT = "11px system-ui, sans-serif";
const HIGHEST = 1e4; // larger values, of a diverging run, would compress everything else
const TOO_DENSE = 3; // pixels per period, below which single periods cannot be drawn

// Each kind of chart: its part's name, its title, the columns it shows, its scale and its readout.
export const KINDS = [
  {
    part: "gamma",
    title: "Class weights Γ",
    scale: ({ settings: [{ amplitude }] }) => scales.linear(0, amplitude > 1 ? ceiling(CLASSES * amplitude / (amplitude + CLASSES - 1)) : 2),
    columns: [],
    legend: () => Array.from({ length: CLASSES }, (_, i) => [`class-${i}`, String(i)]),
    read: (row, view) => Array.from(weights(view.settings[0], row.step), (v) => number(v, 2)).join(" · "),
  },
  {
    part: "F",
    title: "Loss F",
    scale: (view, [least, most]) => scales.log(least, most),
    columns: [{ column: COLUMN.F, ink: "ink" }],
    read: (row) => number(row.F),
  },
  {
    part: "dF",
    title: "Change of F",
    choice: BY_NAME.difference,
    scale: ({ from, to }, [least, most]) =>
      to - from <= SHORT_WINDOW ? around(least, most) : scales.symlog(1e-3, Math.max(-least, most)),
    columns: ({ difference, settings }) => [
      { column: difference === "frozen" ? COLUMN.frozenChange : COLUMN.change, ink: "ink", odd: settings.length > 1 ? null : "second" },
    ],
    legend: ({ settings }) => (settings.length > 1 ? [] : [["ink", "even"], ["second", "odd"]]),
    read: (row, view) => number(view.difference === "frozen" ? row.frozenChange : row.change, 2),
  },
  {
    part: "accuracy",
    title: ({ settings }) => (settings.length > 1 ? "Validation accuracy" : "Accuracy"),
    scale: () => scales.linear(0, 1),
    columns: ({ settings }) => {
      const validation = { column: COLUMN.validationCorrect, ink: settings.length > 1 ? "ink" : "second", per: validationCount(settings[0]) };
      return settings.length > 1 ? [validation] : [validation, { column: COLUMN.correct, ink: "ink", per: trainingCount(settings[0]) }];
    },
    legend: ({ settings }) => (settings.length > 1 ? [] : [["ink", "training"], ["second", "validation"]]),
    read: (row, { settings }) => {
      const validation = percent(row.validationCorrect / validationCount(settings[0]));
      return settings.length > 1 ? validation : `${percent(row.correct / trainingCount(settings[0]))} · ${validation}`;
    },
  },
  {
    part: "sharpness",
    title: "Sharpness λₘₐₓ",
    scale: ({ settings: [{ learning_rate }] }, [least, most]) => scales.log(Math.min(least, 1 / learning_rate), Math.max(most, 4 / learning_rate)),
    columns: [{ column: COLUMN.sharpness, ink: "ink", large: true }],
    threshold: ({ settings: [{ learning_rate }] }) => 2 / learning_rate,
    ghosts: ({ ghosts }) => ghosts,
    read: (row) => number(row.sharpness),
  },
];

export class Chart {
  // actions: inspect(step or null): the reader points at a step. point(part, step, value): the reader presses there.
  // set(patch): the reader chooses what is shown.
  constructor(kind, { inspect, point, set }) {
    this.kind = kind;
    this.inspect = inspect;
    this.point = point;
    this.title = element("span", { className: "chart-title" });
    this.legend = element("span", { className: "chart-legend" });
    this.value = element("span", { className: "chart-value" });
    this.choice = kind.choice && new Choice(kind.choice, set);
    this.canvas = element("canvas");
    this.plot = element("div", { className: "chart-plot", role: "slider", ariaLabel: "Inspect a step", tabindex: 0, "aria-valuemin": 0, "aria-valuenow": 0 }, [this.canvas]);
    this.element = element("div", { className: "chart" }, [
      element("div", { className: "chart-head" }, [this.title, ...(this.choice ? [this.choice.element] : []), this.legend, this.value]),
      this.plot,
    ]);
    this.listen();
  }

  listen() {
    this.plot.addEventListener("pointermove", (event) => this.inspect(this.stepAt(event.clientX)));
    this.plot.addEventListener("click", (event) => this.press(event));
    this.plot.addEventListener("pointerleave", () => this.inspect(null));
    this.plot.addEventListener("blur", () => this.inspect(null));
    this.plot.addEventListener("keydown", (event) => this.key(event));
  }

  // A step that is over.
  stepAt(x) {
    return this.view ? Math.max(0, Math.min(this.placeAt(x), this.view.step)) : null;
  }

  placeAt(x) {
    const box = this.plot.getBoundingClientRect();
    const share = (x - box.left - GUTTER) / (box.width - GUTTER - MARGIN);
    return Math.round(this.view.from + share * (this.view.to - this.view.from));
  }

  press({ clientX, clientY }) {
    if (!this.view) return;
    const down = (clientY - this.plot.getBoundingClientRect().top) / this.height;
    this.point(this.kind.part, this.placeAt(clientX), this.scale.value?.(1 - Math.max(0, Math.min(down, 1))));
  }

  key(event) {
    if (!this.view) return;
    const { from, to, step, cursor } = this.view;
    const stride = Math.max(1, Math.round((to - from) / 100));
    const moves = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
    const ends = { Home: Math.max(0, from), End: step };
    if (event.key === "Escape") return this.inspect(null);
    if (!(event.key in moves) && !(event.key in ends)) return;
    event.preventDefault();
    const moved = event.shiftKey ? Math.sign(moves[event.key]) : stride * moves[event.key];
    this.inspect(Math.round(Math.max(0, Math.min(ends[event.key] ?? (cursor ?? step) + moved, step))));
  }

  // view: records, settings, pins ({record, slot, pace}), ghosts (predicted onsets), marks (guesses), from, to, step,
  // cursor, difference, lockstep, theme, axis (whether it carries the steps' labels).
  draw(view) {
    this.view = view;
    const width = this.canvas.parentElement.clientWidth;
    if (!width) return;
    this.height = view.tall ? TALL : HEIGHT;
    const height = this.height + (view.axis ? AXIS_HEIGHT : 0);
    this.canvas.style.height = `${height}px`;
    const ratio = fitCanvas(this.canvas, width, height);
    const context = this.canvas.getContext("2d");
    const area = { left: Math.round(GUTTER * ratio), width: Math.round((width - GUTTER - MARGIN) * ratio), height: Math.round(this.height * ratio), ratio };
    const columns = typeof this.kind.columns === "function" ? this.kind.columns(view) : this.kind.columns;
    const scale = (this.scale = this.kind.scale(view, this.range(view, columns)));
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (columns.length) this.points(context, area, view, columns, scale);
    context.globalCompositeOperation = "destination-over";
    if (this.kind.part === "gamma") this.curves(context, area, view, scale);
    this.axes(context, area, view, scale, columns);
    context.globalCompositeOperation = "source-over";
    for (const ghost of this.kind.ghosts?.(view) ?? []) this.ghost(context, area, view, scale, ghost);
    if (this.kind.threshold) this.mark(context, area, 1 - scale.unit(this.kind.threshold(view)), view);
    this.cursor(context, area, view);
    if (view.marks?.parts.includes(this.kind.part)) this.guesses(context, area, view, scale);
  }

  guesses(context, area, { from, to, marks, theme }, scale) {
    const x = (step) => area.left + ((step - from) / (to - from)) * area.width;
    drawMarks(context, area, { x, y: (value) => (1 - scale.unit(value)) * area.height }, marks, theme);
  }

  range(view, columns) {
    const { parts = [], inView = [] } = view.marks ?? {};
    let [least, most] = parts.includes(this.kind.part) && inView.length ? [Math.min(...inView), Math.max(...inView)] : [Infinity, -Infinity];
    const pinned = view.pins.map(({ record, pace }) => [record, pace]);
    for (const [record, pace] of [...view.records.map((record) => [record, 1]), ...pinned]) {
      record.forEachRow(view.from * pace, (values, at) => {
        for (const { column } of columns) {
          const value = values[at + column];
          if (value < least && value !== 0) least = value;
          if (value > most && value < HIGHEST) most = value;
        }
      });
    }
    return least <= most ? [least, most] : [0.1, 1];
  }

  points(context, { left, width, height, ratio }, view, columns, scale) {
    if (this.pixels?.length !== width * height) {
      this.pixels = new Uint32Array(width * height);
      this.image = new ImageData(new Uint8ClampedArray(this.pixels.buffer), width, height);
    }
    const { pixels } = this;
    const perStep = width / (view.to - view.from);
    const accent = pixel(view.theme.unstable);
    pixels.fill(0);
    for (const pin of view.pins) this.pinned(pin, { width, height, ratio }, view, columns, scale);
    for (let i = view.records.length - 1; i >= 0; i--) {
      for (const { column, ink, odd, per = 1, large } of columns) {
        const calm = pixel(i ? view.theme.muted : view.theme[ink]);
        const calmOdd = odd && !i ? pixel(view.theme[odd]) : calm;
        const marksUnstable = i === 0 && ink === "ink" && !odd;
        const side = Math.round((large ? 2 : 1) * ratio) + 1;
        view.records[i].forEachRow(view.from, (values, at) => {
          const value = values[at + column];
          const y = Math.round((1 - scale.unit(value / per)) * (height - side));
          if (!(y >= 0 && y <= height - side)) return;
          const x = Math.min(Math.round((values[at] - view.from) * perStep), width - side);
          const colour = marksUnstable && values[at + COLUMN.unstable] ? accent : values[at] % 2 ? calmOdd : calm;
          for (let k = 0, row = y * width + x; k < side; k++, row += width) {
            for (let i = row; i < row + side; i++) pixels[i] = colour;
          }
        });
      }
    }
    context.putImageData(this.image, left, 0);
  }

  // A pinned run, under the others: dots that leave gaps, like dashes.
  pinned({ record, slot, pace }, { width, height, ratio }, view, columns, scale) {
    const { pixels } = this;
    const perStep = width / (view.to - view.from);
    const side = Math.round(2 * ratio);
    const colour = pixel(view.theme.pins[slot]);
    const { column, per = 1 } = columns.find(({ ink }) => ink === "ink");
    record.forEachRow(view.from * pace, (values, at) => {
      const x = Math.round((values[at] / pace - view.from) * perStep);
      const y = Math.round((1 - scale.unit(values[at + column] / per)) * (height - side));
      if (!(x >= 0 && x <= width - side && y >= 0 && y <= height - side) || !isDrawn(x / ratio, DASHES[slot])) return;
      for (let k = 0, row = y * width + x; k < side; k++, row += width) pixels.fill(colour, row, row + side);
    });
  }

  // A predicted onset: the sharpness on the gradient flow, and the step at which it crosses the threshold.
  ghost(context, { left, width, height, ratio }, view, scale, { path, onset }) {
    const x = (step) => left + ((step - view.from) / (view.to - view.from)) * width;
    context.save();
    context.beginPath();
    context.rect(left, 0, width, height);
    context.clip();
    context.lineWidth = 1.5 * ratio;
    context.strokeStyle = view.theme.muted;
    context.setLineDash([2 * ratio, 3 * ratio]);
    context.beginPath();
    for (const { step, sharpness } of path) context.lineTo(x(step), (1 - scale.unit(sharpness)) * height);
    context.stroke();
    if (onset) {
      line(context, view.theme.muted, x(onset), 0, x(onset), height);
      context.fillStyle = view.theme.muted;
      context.textAlign = "right";
      context.textBaseline = "bottom";
      context.fillText("predicted onset", x(onset) - 3 * ratio, height - 2 * ratio);
    }
    context.restore();
  }

  // Γ is known in advance: the future is drawn faintly.
  curves(context, { left, width, height, ratio }, view, scale) {
    const settings = view.settings[0];
    const perStep = width / (view.to - view.from);
    const now = left + (view.step - view.from) * perStep;
    const gamma = new Float64Array(CLASSES);
    const paths = Array.from({ length: CLASSES }, () => new Path2D());
    const dense = settings.period * perStep < TOO_DENSE * ratio;
    for (let x = 0; x <= width; x += dense ? width : 1) {
      weights(settings, Math.max(0, view.from + x / perStep), gamma);
      paths.forEach((path, i) => path.lineTo(left + x, (1 - scale.unit(gamma[i])) * (height - 2) + 1));
    }
    context.lineWidth = 1.6 * ratio;
    context.lineJoin = "round";
    for (const [start, end, alpha] of [[left, now, 1], [now, left + width, 0.35]]) {
      context.save();
      context.globalAlpha = alpha;
      context.beginPath();
      context.rect(start, 0, end - start, height);
      context.clip();
      paths.forEach((path, i) => {
        context.strokeStyle = view.theme.classes[i];
        if (!dense) context.stroke(path);
      });
      if (dense) this.band(context, view, scale, { left, width, height });
      context.restore();
    }
  }

  // If single periods cannot be distinguished: the range of every weight.
  band(context, view, scale, { left, width, height }) {
    const { amplitude } = view.settings[0];
    const bounds = [CLASSES / (amplitude + CLASSES - 1), (CLASSES * amplitude) / (amplitude + CLASSES - 1)];
    const [low, high] = bounds.map((v) => (1 - scale.unit(v)) * height);
    context.globalAlpha *= 0.4;
    context.fillStyle = view.theme.muted;
    context.fillRect(left, high, width, low - high);
  }

  axes(context, area, view, scale, columns) {
    const { left, width, height, ratio } = area;
    const { theme } = view;
    const side = columns.length ? ratio + 1 : 2;
    const y = (value) => (1 - scale.unit(value)) * (height - side) + side / 2;
    context.font = FONT.replace("11", String(Math.round(11 * ratio)));
    context.lineWidth = ratio;
    context.textBaseline = "middle";
    context.textAlign = "right";
    const limit = this.kind.threshold?.(view);
    if (limit) this.threshold(context, area, y(limit), view);
    for (const tick of scale.ticks) {
      context.fillStyle = theme.muted;
      context.fillText(tickLabel(tick), left - 6 * ratio, Math.max(6 * ratio, Math.min(y(tick), height - 5 * ratio)));
      line(context, theme.grid, left, y(tick), left + width, y(tick));
    }
    const xs = view.ticks.map((tick) => left + ((tick - view.from) / (view.to - view.from)) * width);
    for (const x of xs) line(context, theme.grid, x, 0, x, height);
    if (view.axis) this.steps(context, area, view, xs);
  }

  steps(context, { left, width, height, ratio }, { ticks, theme, lockstep, settings: [{ learning_rate }] }, xs) {
    const timeOf = (step) => (lockstep === "time" ? `ηt = ${tickLabel(learning_rate * step)}` : whole(step));
    context.textBaseline = "top";
    context.textAlign = "left";
    context.fillStyle = theme.muted;
    let free = 0;
    xs.forEach((x, i) => {
      const text = timeOf(ticks[i]), wide = context.measureText(text).width;
      const start = Math.min(x - wide / 2, left + width - wide);
      if (start < free) return;
      context.fillText(text, start, height + 5 * ratio);
      free = start + wide + 8 * ratio;
    });
  }

  threshold(context, { left, width, ratio }, y, { theme }) {
    context.setLineDash([5 * ratio, 4 * ratio]);
    line(context, theme.unstable, left, y, left + width, y);
    context.setLineDash([]);
  }

  // The threshold's name, over the points.
  mark(context, { left, height, ratio }, down, { theme }) {
    const wide = context.measureText("2/η").width;
    const y = down * height - 8 * ratio;
    context.fillStyle = theme.paper;
    context.fillRect(left + 2 * ratio, y - 6 * ratio, wide + 4 * ratio, 12 * ratio);
    context.fillStyle = theme.unstable;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillText("2/η", left + 4 * ratio, y);
  }

  cursor(context, { left, width, height, ratio }, view) {
    const step = view.cursor ?? view.step;
    const x = left + ((step - view.from) / (view.to - view.from)) * width;
    context.globalAlpha = view.cursor === null ? 0.45 : 1;
    context.lineWidth = ratio;
    line(context, view.theme.ink, x, 0, x, height);
    context.globalAlpha = 1;
  }

  // The text around the picture; called less often than draw.
  label(view) {
    const { kind } = this;
    const title = typeof kind.title === "function" ? kind.title(view) : kind.title;
    const row = view.records[0].row(view.cursor ?? view.step);
    const readings = view.records.map((record) => kind.read(record.row(view.cursor ?? view.step), view));
    const pinned = view.pins.map(({ record, pace }) => kind.read(record.row((view.cursor ?? view.step) * pace), view));
    const value = kind.part === "gamma" ? readings[0] : [...readings, ...pinned].join(" | ");
    setText(this.title, title);
    setText(this.value, value);
    this.choice?.update(view);
    this.legend.hidden = !kind.legend?.(view).length;
    if (!this.legend.hidden && !this.legend.childElementCount) {
      this.legend.append(...kind.legend(view).map(([ink, text]) => element("span", { className: `key ${ink}`, text })));
    }
    setAttribute(this.plot, "aria-label", `${title}: inspect a step`);
    setAttribute(this.plot, "aria-valuemax", view.step);
    setAttribute(this.plot, "aria-valuenow", row.step);
    setAttribute(this.plot, "aria-valuetext", `step ${whole(row.step)}: ${value}`);
  }
}

// Whether a dash is drawn at x.
function isDrawn(x, dash) {
  let rest = x % dash.reduce((sum, length) => sum + length);
  return dash.findIndex((length) => (rest -= length) < 0) % 2 === 0;
}

function line(context, colour, x0, y0, x1, y1) {
  context.strokeStyle = colour;
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

// A linear scale with some room around what it shows.
function around(least, most) {
  const room = 0.06 * (most - least || Math.abs(most) || 1);
  return scales.linear(least - room, most + room);
}

const ceiling = (value) => Math.ceil(value * 1.02 * 2) / 2;

// The steps that the charts show: {from, to, ticks}. ahead: a step that is shown before the run gets there.
export function span(window, step, period, ahead = 0) {
  const { from, to } = window === "run" ? wholeRun(Math.max(step, ahead), period) : lastSteps(Number(window), step, ahead);
  return { from, to, ticks: scales.round(from, to, 5) };
}

function lastSteps(wide, step, ahead) {
  const to = Math.max(step + 0.03 * wide, wide);
  return { from: to - wide, to: Math.max(to, ahead + (ahead > step ? 0.03 * wide : 0)) };
}

function wholeRun(step, period) {
  let to = Math.max(2 * period, 200);
  while (to < step) to *= 2;
  return { from: 0, to };
}
