// The valley under the network: the loss along the sharpest direction, and a cobweb of the map that descent makes there,
// with the run's own last steps as dots.

import { size } from "../engine/network.js";
import { element, setAttribute, setText } from "./dom.js";
import { number, whole } from "./numbers.js";
import { Plane } from "./plane.js";

const VISIBLE = 1e-3; // bounces below this are called rest
const DRIFT = 0.2; // ... and those that are a smaller share of the swing: the rest of it is a drift of the floor

export class ValleyPanel {
  constructor() {
    this.slice = new Plane(["distance from the floor along the sharpest direction", "F − F(0)"], 0.7);
    this.cobweb = new Plane(["distance before the update", "after it"], 0.7);
    this.numbers = {};
    const cell = (name) => (this.numbers[name] = element("td"));
    const row = (name, kind) => element("tr", {}, [element("th", { scope: "row", text: name }), cell(`map ${kind}`), cell(`run ${kind}`)]);
    const head = ["", "predicted", "measured"].map((text) => element(text ? "th" : "td", { text, scope: text ? "col" : undefined }));
    this.table = element("table", {}, [
      element("thead", {}, [element("tr", {}, head)]),
      element("tbody", {}, [row("period", "period"), row("swing", "swing")]),
    ]);
    this.verdict = element("p");
    this.foreseen = element("p");
    this.when = element("span", { className: "chart-value" });
    this.element = element("div", { className: "valley", role: "group", ariaLabel: "The valley under the network" }, [
      element("div", { className: "chart-head" }, [element("span", { className: "chart-title", text: "The valley under the network" }), this.when]),
      element("div", { className: "valley-body" }, [
        element("figure", {}, [this.slice.canvas, key(["key ink", "F − F(0)"], ["key dashed", "parabola"], ["key class-0", "run"])]),
        element("figure", {}, [this.cobweb.canvas, key(["key ink", "after one update"], ["key line", "map"], ["key class-0", "run"])]),
        element("div", { className: "valley-words" }, [this.table, this.verdict, this.foreseen]),
      ]),
    ]);
  }

  // valley: as the worker measures it; null before there is one.
  draw(valley, settings, theme) {
    if (!valley) return setText(this.verdict, "The valley is drawn once the run has a few steps behind it.");
    this.drawSlice(valley, theme);
    this.drawCobweb(valley, theme);
    if (valley !== this.valley) this.tell(valley, settings);
    this.valley = valley;
  }

  // The last predicted onset, in words; it is drawn on the chart of the sharpness.
  foresee(prediction) {
    setText(this.foreseen, prediction ? describeOnset(prediction) : "");
  }

  drawSlice({ radius, x, value, sharpness, run }, theme) {
    const parabola = x.map((t) => (sharpness * t * t) / 2);
    const least = Math.min(0, ...value), most = Math.max(parabola.at(-1), ...run.places.map((t) => at(x, value, t)));
    if (!this.slice.begin([-radius, radius], [least, most], theme)) return;
    this.slice.curve(x, parabola, theme.unstable, { width: 1, dash: [5, 4] });
    this.slice.curve(x, value, theme.ink);
    this.slice.dots(run.places, run.places.map((t) => at(x, value, t)), theme.classes[0]);
  }

  drawCobweb({ radius, x, after, stairs, run }, theme) {
    const range = [-radius, radius];
    if (!this.cobweb.begin(range, range, theme)) return;
    this.cobweb.curve(range, range, theme.muted, { width: 1 });
    this.cobweb.curve(x, after, theme.ink);
    const corners = stairs.flatMap((place) => [place, place]);
    this.cobweb.curve(corners.slice(0, -1), corners.slice(1), theme.unstable, { width: 0.8 });
    this.cobweb.dots(run.places.slice(0, -1), run.places.slice(1), theme.classes[0]);
  }

  tell(valley, { width }) {
    const { step, first, run, map } = valley;
    setText(this.when, `floor of steps ${whole(first)}–${whole(first + run.places.length - 1)}, Γ held`);
    for (const [name, orbit] of Object.entries({ map, run })) {
      setText(this.numbers[`${name} period`], describePeriod(orbit));
      setText(this.numbers[`${name} swing`], number(orbit.swing));
    }
    const words = verdict(map, run, size(width));
    setText(this.verdict, words);
    setAttribute(this.slice.canvas, "aria-label", `The loss along the sharpest direction at step ${whole(step)}. ${words}`);
    setAttribute(this.cobweb.canvas, "aria-label", `Cobweb of the map along that direction, within ${number(valley.radius, 2)} of the floor. ${words}`);
  }
}

function describeOnset({ start, onset, over }) {
  const until = "until η λₘₐₓ = 2, in the dotted line over the sharpness";
  if (onset) return `Onset predicted at step ${whole(start)}: step ${whole(Math.round(onset))}. (The weights follow the gradient flow ${until}.)`;
  return over ? `At step ${whole(start)} no onset was predicted for this turn.` : `The onset of this turn is being predicted from step ${whole(start)} on.`;
}

function describePeriod({ swing, bounce, period }) {
  if (Number.isNaN(period)) return "leaves";
  if (bounce < Math.max(VISIBLE, DRIFT * swing) || period === 1) return "rests";
  return period ? String(period) : "none (chaos)";
}

// One sentence on what one direction predicts, and one on what the run does.
function verdict(map, run, weights) {
  const [predicted, measured] = [map, run].map(describePeriod);
  if (predicted === "leaves") return "The map leaves the valley: along this direction alone nothing holds the bounce.";
  if (predicted === "rests" && measured === "rests") return "Along its sharpest direction the valley is stable: map and run come to rest.";
  if (predicted === "rests") return "The map comes to rest, yet the run still bounces.";
  if (measured === "rests") return "The map bounces, yet the run does not, or not yet.";
  return `One direction of ${whole(weights)} predicts a swing ${number(map.swing / run.swing, 2)} times the run's.`;
}

// The curve's height at t, linear between its points.
function at(x, values, t) {
  const place = ((t - x[0]) / (x.at(-1) - x[0])) * (x.length - 1);
  const k = Math.max(0, Math.min(Math.floor(place), x.length - 2));
  return values[k] + (place - k) * (values[k + 1] - values[k]);
}

const key = (...entries) => element("figcaption", {}, entries.map(([className, text]) => element("span", { className, text })));
