// An addition of two numbers of the reader's choice by a trained cell (minidyn.forgetting.adder), digit by digit.

import { digits, element, field, plot, slider } from "./svg.js";

const SHARPNESS = 4; // of the soft clause
const MOST_DIGITS = 40; // decimal digits of a number that the reader types
const Z = [-0.5, 4.6];

// A cell is {w: [3], theta, p: [[2], [2]], q: [[2], [2]], hard}; p[1] and q[1] hold where the clause says yes.
export function forward({ w, theta, p, q, hard }, a, b, carry) {
  const z = w[0] * a + w[1] * b + w[2] * carry;
  const gate = gateOf(z - theta, hard);
  const [digit, carryOut] = [0, 1].map((k) => gate * (p[1][k] * z + q[1][k]) + (1 - gate) * (p[0][k] * z + q[0][k]));
  return { a, b, carryIn: carry, z, gate, yes: z > theta, digit, read: nearest(digit), carryOut };
}

function gateOf(excess, hard) {
  return hard ? Number(excess > 0) : 0.5 * (1 + Math.tanh(0.5 * SHARPNESS * excess));
}

// The nearest whole number; of two, the even one, as in NumPy.
function nearest(value) {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + Math.abs(low % 2) : Math.round(value);
}

// Every step of the addition of two BigInts, the least significant digit first, one more than the longer number has.
export function trace(cell, a, b) {
  const longer = (a > b ? a : b).toString(2);
  const count = longer === "0" ? 1 : longer.length + 1;
  const steps = [];
  for (let k = 0n, carry = 0; k < count; k++) {
    const step = forward(cell, Number((a >> k) & 1n), Number((b >> k) & 1n), carry);
    steps.push({ ...step, right: Number(((a + b) >> k) & 1n) });
    carry = step.carryOut;
  }
  return steps;
}

// The sum that the digits spell, or null if one of them is neither 0 nor 1.
export function answer(steps) {
  if (steps.some(({ read }) => read !== 0 && read !== 1)) return null;
  return steps.reduceRight((sum, { read }) => 2n * sum + BigInt(read), 0n);
}

// What a reader typed, as a BigInt; null if it is no whole number from 0 to 40 digits.
export function parse(text) {
  const plain = text.replace(/[\s,_]/g, "");
  return /^\d+$/.test(plain) && plain.length <= MOST_DIGITS ? BigInt(plain) : null;
}

const spoken = (number) => number.toString().replace(/\B(?=(\d{3})+$)/g, ",");

export function sentence(steps, k) {
  const { a, b, carryIn, z, gate, yes, digit, read, right, carryOut } = steps[k];
  const verdict = read === right ? "right" : `wrong: ${right} is right`;
  return (
    `Digit ${k}: the bits are ${a} and ${b}, the carry is ${digits(carryIn)}, so z = ${digits(z)}. ` +
    `The clause says ${yes ? "yes" : "no"} (gate ${digits(gate)}). The digit ${digits(digit)} is read as ${read}, ` +
    `which is ${verdict}; the carry out is ${digits(carryOut)}.`
  );
}

export function verdict(steps, a, b) {
  const sum = answer(steps);
  const asked = `${spoken(a)} + ${spoken(b)}`;
  if (sum === null) return `The cell's digits for ${asked} are no number.`;
  return sum === a + b ? `The cell says ${asked} = ${spoken(sum)}. That is right.` : `The cell says ${asked} = ${spoken(sum)}. Right is ${spoken(a + b)}.`;
}

function table(steps, k) {
  const places = steps.map((_, i) => steps.length - 1 - i);
  const row = (name, text) =>
    element("tr", {}, element("th", { scope: "row" }, name), ...places.map((i) => {
      const [content, wrong] = text(steps[i], i);
      const classes = [i === k && "now", wrong && "unstable"].filter(Boolean).join(" ");
      return element("td", classes ? { class: classes } : {}, content);
    }));
  return [
    row("carry", ({ carryIn }, i) => [i > k ? "" : digits(carryIn), false]),
    row("a", ({ a }) => [a, false]),
    row("b", ({ b }) => [b, false]),
    row("sum", ({ read, right }, i) => (i > k ? ["", false] : [String(read).replace("-", "−"), read !== right])),
  ];
}

export function start(host, { stages, stage, a: first, b: second }) {
  let [a, b] = [BigInt(first), BigInt(second)];
  let place = 0;
  const names = Object.keys(stages);
  const picture = plot({
    xLabel: "z", xRange: Z, yRange: [-1, 2.2], xTicks: [0, 1, 2, 3, 4], yTicks: [-1, 0, 1, 2],
    alt: "Digit and carry out as functions of z, the threshold as a dashed line, and dots for the digit at hand.",
  });
  const lines = [picture.layer("digit"), picture.layer("carry")];
  const threshold = picture.layer("thin dashed");
  const dots = [picture.layer("digit dot", "circle"), picture.layer("carry dot", "circle")];
  const columns = element("table");
  const frame = element("div", { class: "columns", tabindex: 0, "data-lm-suppress-shortcuts": "", role: "group", "aria-label": "the sum in columns" }, columns);
  const step = element("p", { class: "reading", "aria-live": "polite" });
  const result = element("p", { class: "reading result", "aria-live": "polite" });

  function draw() {
    const cell = stages[names[stage]];
    const steps = trace(cell, a, b);
    place = Math.min(place, steps.length - 1);
    columns.replaceChildren(...table(steps, place));
    const now = columns.querySelector(".now");
    frame.scrollLeft = now.offsetLeft - frame.clientWidth / 2; // a long sum is wider than its frame
    const grid = Array.from({ length: 241 }, (_, k) => Z[0] + (k / 240) * (Z[1] - Z[0]));
    const curves = grid.map((z) => {
      const gate = gateOf(z - cell.theta, cell.hard);
      return [0, 1].map((k) => gate * (cell.p[1][k] * z + cell.q[1][k]) + (1 - gate) * (cell.p[0][k] * z + cell.q[0][k]));
    });
    lines.forEach((line, k) => line.setAttribute("d", picture.path(grid.map((z, i) => [z, curves[i][k]]))));
    const at = picture.x(cell.theta);
    threshold.setAttribute("d", `M${at},${picture.box.top}V${picture.box.bottom}`);
    const { z, digit, carryOut } = steps[place];
    [digit, carryOut].forEach((value, k) => {
      dots[k].setAttribute("cx", picture.x(z));
      dots[k].setAttribute("cy", picture.y(value));
      dots[k].setAttribute("r", 5);
    });
    step.textContent = sentence(steps, place);
    result.textContent = verdict(steps, a, b);
    return steps.length;
  }

  const number = (label, value, keep) => {
    const input = field({ inputmode: "numeric", value: spoken(value), "aria-label": label, autocomplete: "off" });
    input.addEventListener("input", () => {
      const typed = parse(input.value);
      input.setAttribute("aria-invalid", typed === null);
      if (typed === null) result.textContent = `${label} must be a whole number of at most ${MOST_DIGITS} digits.`;
      else (keep(typed), reach());
    });
    return element("label", {}, `${label} `, input);
  };
  const places = slider({ label: "digit", min: 0, max: 0, step: 1, value: 0, show: String, move: (k) => ((place = k), draw()) });
  const reach = () => ((places.node.querySelector("input").max = draw() - 1), places.set(place));
  const training = slider({
    label: "trained on", min: 0, max: names.length - 1, step: 1, value: stage,
    show: (k) => `${Number(names[k]).toLocaleString("en")} sums`, move: (k) => ((stage = k), draw()),
  });
  const key = element("p", { class: "key" }, element("span", { class: "digit" }, "digit"), " ", element("span", { class: "carry" }, "carry out"));

  host.append(element("div", { class: "numbers" }, number("a", a, (value) => (a = value)), number("b", b, (value) => (b = value))));
  host.append(result, element("div", { class: "pair" }, frame, element("div", {}, picture.svg, key)));
  host.append(step, places.node, training.node);
  reach();
}
