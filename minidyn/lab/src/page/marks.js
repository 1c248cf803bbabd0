// Guesses and what became of them, on a chart: a diamond for a guess and a dot for the truth, or two lines over the steps.

const SIZE = 5; // CSS pixels from the middle of a diamond to its corners

// context: of the canvas. area: the chart's {left, width, height, ratio}. x(step), y(value): places in device pixels.
export function drawMarks(context, area, { x, y }, marks, theme) {
  context.save();
  context.beginPath();
  context.rect(area.left, 0, area.width, area.height);
  context.clip();
  if (marks.isStep) drawSteps(context, area, x, marks, theme);
  else drawValues(context, area, { x, y }, marks, theme);
  context.restore();
}

function drawValues(context, area, { x, y }, { step, values, truths }, theme) {
  const inks = [theme.ink, theme.muted];
  const at = x(step);
  vertical(context, area, at, theme.grid, []);
  values.forEach((value, i) => {
    if (value === null) return;
    const truth = truths?.[i] ?? null;
    if (truth !== null) between(context, area, at, y(value), y(truth), theme);
    diamond(context, area, at, y(value), theme.paper, inks[i]);
    if (truth !== null) dot(context, area, at, y(truth), inks[i]);
  });
  const first = values.find((value) => value !== null);
  if (first !== undefined) label(context, area, "your guess", at, y(first), theme.ink);
}

function drawSteps(context, area, x, { values: [guess], truths }, theme) {
  const truth = truths?.[0] ?? null;
  if (guess !== null) {
    vertical(context, area, x(guess), theme.ink, [4, 3]);
    label(context, area, "your guess", x(guess), 0, theme.ink);
  }
  if (truth !== null) vertical(context, area, x(truth), theme.unstable, []);
}

function vertical(context, { height, ratio }, x, colour, dash) {
  context.strokeStyle = colour;
  context.lineWidth = 1.5 * ratio;
  context.setLineDash(dash.map((length) => length * ratio));
  context.beginPath();
  context.moveTo(x, 0);
  context.lineTo(x, height);
  context.stroke();
  context.setLineDash([]);
}

function between(context, { ratio }, x, from, to, { unstable }) {
  context.strokeStyle = unstable;
  context.lineWidth = 2 * ratio;
  context.beginPath();
  context.moveTo(x, from);
  context.lineTo(x, to);
  context.stroke();
}

function diamond(context, { ratio }, x, y, inside, outline) {
  const size = SIZE * ratio;
  context.beginPath();
  for (const [right, down] of [[0, -size], [size, 0], [0, size], [-size, 0]]) context.lineTo(x + right, y + down);
  context.closePath();
  context.fillStyle = inside;
  context.fill();
  context.strokeStyle = outline;
  context.lineWidth = 1.8 * ratio;
  context.stroke();
}

function dot(context, { ratio }, x, y, colour) {
  context.beginPath();
  context.arc(x, y, 0.8 * SIZE * ratio, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
}

// Beside a mark: on its left if there is no room on its right.
function label(context, { left, width, height, ratio }, text, x, y, colour) {
  const wide = context.measureText(text).width, gap = (SIZE + 4) * ratio;
  const right = x + gap + wide < left + width;
  context.fillStyle = colour;
  context.textAlign = right ? "left" : "right";
  context.textBaseline = "middle";
  context.fillText(text, x + (right ? gap : -gap), Math.max(7 * ratio, Math.min(y, height - 7 * ratio)));
}
