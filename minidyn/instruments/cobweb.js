// Descent in the softening valley F'(w) = λ w (1 - w): the stairs of one update, and where ηλ stands in the whole diagram.

import { corners, digits, element, plot, slider } from "./svg.js";

const SETTLE = 4000; // updates before the period is read
const LONGEST = 16;
const CLOSE = 1e-4; // two values of an orbit are one: close to a doubling descent settles slowly
const RANGE = [1.5, 3];
const HEIGHTS = [-0.45, 1.05];

export function update(w, product) {
  return w - product * (w * (1 - w));
}

export function orbit(product, w, updates) {
  const path = [w];
  for (let k = 0; k < updates; k++) path.push((w = update(w, product)));
  return path;
}

// The values that descent repeats in the end, in the order in which it takes them; none if they are more than 16.
export function cycle(product, w) {
  const last = orbit(product, w, SETTLE).slice(-4 * LONGEST);
  const start = last.length - LONGEST;
  for (let period = 1; period <= LONGEST; period++) {
    const repeats = last.slice(start).every((value, k) => Math.abs(value - last[start + k - period]) < CLOSE);
    if (repeats) return last.slice(-period);
  }
  return [];
}

export function sentence(product, w) {
  const values = cycle(product, w);
  const where = values.map((value) => digits(value)).join(", ");
  if (!values.length) return "Descent never repeats itself: no period up to 16.";
  if (values.length > 1) return `Descent repeats ${values.length} values: ${where}.`;
  const multiplier = digits(1 - product);
  return `Descent rests on the floor. An update multiplies a small distance by ${multiplier}.`;
}

// The diagram as one path per colour: 100 values of each ηλ after it has settled, each pixel once.
function cloud({ x, y, box }) {
  const paths = { rest: "", bounce: "" };
  for (let column = Math.ceil(box.left); column <= box.right; column++) {
    const product = RANGE[0] + ((column - box.left) / (box.right - box.left)) * (RANGE[1] - RANGE[0]);
    const rows = orbit(product, 0.1, 900).slice(-100).map((w) => Math.round(y(w) * 2) / 2);
    for (const row of new Set(rows)) paths[product > 2 ? "bounce" : "rest"] += `M${column},${row}h.9`;
  }
  return paths;
}

export function start(host, { product, w, updates }) {
  const stairs = plot({
    xLabel: "w now", yLabel: "w next", xRange: HEIGHTS, yRange: HEIGHTS, xTicks: [0, 0.5, 1], yTicks: [0, 0.5, 1],
    alt: "The curve of one update, the diagonal, and the stairs of descent between them.",
  });
  const diagram = plot({
    xLabel: "ηλ", yLabel: "w", xRange: RANGE, yRange: HEIGHTS, xTicks: [1.5, 2, 2.5, 3], yTicks: [0, 0.5, 1],
    alt: "Where descent ends up for each ηλ: one value up to 2, then two, four, and bands. A line marks the chosen ηλ.",
  });
  const dots = cloud(diagram);
  diagram.layer("cloud").setAttribute("d", dots.rest);
  diagram.layer("cloud unstable").setAttribute("d", dots.bounce);
  stairs.layer("thin").setAttribute("d", stairs.path([[HEIGHTS[0], HEIGHTS[0]], [HEIGHTS[1], HEIGHTS[1]]]));
  const curve = stairs.layer("curve");
  const web = stairs.layer("web");
  const marker = diagram.layer("marker");
  const visited = diagram.layer("visited");
  const reading = element("p", { class: "reading", "aria-live": "polite" });

  function draw() {
    const path = orbit(product, w, updates);
    const grid = Array.from({ length: 121 }, (_, k) => HEIGHTS[0] + (k / 120) * (HEIGHTS[1] - HEIGHTS[0]));
    const inside = grid.map((a) => [a, update(a, product)]).filter(([, b]) => b >= HEIGHTS[0] && b <= HEIGHTS[1]);
    curve.setAttribute("d", stairs.path(inside));
    web.setAttribute("d", stairs.path(corners(path)));
    web.classList.toggle("unstable", product > 2);
    const column = diagram.x(product);
    marker.setAttribute("d", `M${column},${diagram.box.top}V${diagram.box.bottom}`);
    const late = orbit(product, w, SETTLE).slice(-64);
    visited.setAttribute("d", late.map((b) => `M${column},${diagram.y(b)}h0`).join(""));
    reading.textContent = sentence(product, w);
  }

  const products = slider({
    label: "ηλ", min: RANGE[0], max: RANGE[1] - 0.002, step: 0.002, value: product, show: (a) => digits(a, 3),
    move: (a) => ((product = a), draw()),
  });
  const starts = slider({
    label: "first w", min: -0.3, max: 0.95, step: 0.01, value: w, show: (a) => digits(a),
    move: (a) => ((w = a), draw()),
  });
  const counts = slider({
    label: "updates", min: 1, max: 100, step: 1, value: updates, show: String, move: (a) => ((updates = a), draw()),
  });

  // A point of the diagram is a choice of ηλ too.
  diagram.onPoint((at) => {
    product = Math.min(at, RANGE[1] - 0.002);
    products.set(product);
    draw();
  });

  host.append(element("div", { class: "pair" }, stairs.svg, diagram.svg), reading);
  host.append(products.node, starts.node, counts.node);
  draw();
}
