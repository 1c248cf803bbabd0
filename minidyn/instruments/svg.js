// What the instruments share: elements, a plot with axes in SVG, and labelled sliders. No library, no request.

const SVG = "http://www.w3.org/2000/svg";

export function element(tag, attributes = {}, ...children) {
  const node = ["svg", "path", "line", "circle", "text", "g", "rect"].includes(tag)
    ? document.createElementNS(SVG, tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// A form field; JupyterLab leaves the keys to what has the last of these attributes.
export const field = (attributes) => element("input", { ...attributes, "data-lm-suppress-shortcuts": "" });

// A slider with its label and value. `show` turns the number into text; `move` is called with the number.
export function slider({ label, min, max, step, value, show, move }) {
  const input = field({ type: "range", min, max, step, value, "aria-label": label });
  const output = element("output");
  const write = () => {
    output.textContent = show(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => (write(), move(Number(input.value))));
  write();
  const set = (number) => ((input.value = number), write());
  return { node: element("div", { class: "control" }, input, element("span", {}, `${label} `, output)), set };
}

// A plot of x in [x0, x1] and y in [y0, y1]; `x` and `y` turn numbers into positions, and `onPoint` calls a function with
// the x, inside the plot, that the reader points at.
export function plot({ xLabel, yLabel = "", xRange, yRange, xTicks, yTicks, width = 340, height = 260, alt }) {
  const box = { left: 40, right: width - 8, top: 20, bottom: height - 34 };
  const x = (value) => box.left + ((value - xRange[0]) / (xRange[1] - xRange[0])) * (box.right - box.left);
  const y = (value) => box.bottom - ((value - yRange[0]) / (yRange[1] - yRange[0])) * (box.bottom - box.top);
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": alt });
  const axes = `M${box.left},${box.top}V${box.bottom}H${box.right}`;
  svg.append(element("path", { class: "axis", d: axes }));
  for (const tick of xTicks) svg.append(text(x(tick), box.bottom + 14, tick, "middle"));
  for (const tick of yTicks) svg.append(text(box.left - 5, y(tick) + 4, tick, "end"));
  svg.append(text((box.left + box.right) / 2, height - 4, xLabel, "middle"), text(2, 12, yLabel, "start"));
  const layer = (className, tag = "path") => svg.appendChild(element(tag, { class: className }));
  const path = (points) => "M" + points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join("L");
  const onPoint = (move) => {
    const point = (event) => {
      const frame = svg.getBoundingClientRect();
      const column = ((event.clientX - frame.left) / frame.width) * width;
      const share = Math.min(Math.max((column - box.left) / (box.right - box.left), 0), 1);
      move(xRange[0] + share * (xRange[1] - xRange[0]));
    };
    svg.classList.add("pointed");
    svg.addEventListener("pointerdown", (event) => (svg.setPointerCapture(event.pointerId), point(event)));
    svg.addEventListener("pointermove", (event) => event.buttons && point(event));
  };
  return { svg, box, x, y, layer, path, onPoint };
}

// The corners of the stairs of a map, between its curve and the diagonal, through these places.
export const corners = (places) => places.slice(1).flatMap((b, k) => [[places[k], places[k]], [places[k], b]]);

function text(x, y, content, anchor) {
  const written = typeof content === "number" ? String(content).replace("-", "−") : content;
  return element("text", { x, y, "text-anchor": anchor }, written);
}

// A number with so many digits after the point and a true minus sign.
export function digits(value, count = 2) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "not a number";
  if (Math.abs(value) >= 1e6) return value.toExponential(count).replaceAll("-", "−");
  return value.toFixed(count).replace(/^-(0(?:\.0+)?)$/, "$1").replace("-", "−");
}
