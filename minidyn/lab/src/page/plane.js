// A picture in a plane: a canvas with axes, on which curves and dots are drawn in the units of the data.

import { element, fitCanvas } from "./dom.js";
import { tickLabel } from "./numbers.js";
import { round } from "./scales.js";

const FONT = "px system-ui, sans-serif";
const LEFT = 42, BELOW = 30, MARGIN = 6; // room for labels, in CSS pixels
const TICKS = 4; // about, on each axis

export class Plane {
  // labels: of the two axes. aspect: height over width.
  constructor([across, up], aspect) {
    Object.assign(this, { across, up });
    this.canvas = element("canvas", { role: "img", ariaLabel: `${up} over ${across}` });
    this.canvas.style.aspectRatio = 1 / aspect;
  }

  // Clears the picture and draws its axes over the ranges x and y; false if there is no room.
  begin([left, right], [low, high], theme) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width) return false;
    const ratio = (this.ratio = fitCanvas(this.canvas, width, height));
    const context = (this.context = this.canvas.getContext("2d"));
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const area = { x: LEFT, y: MARGIN, width: width - LEFT - MARGIN, height: height - BELOW - MARGIN };
    this.x = (v) => area.x + ((v - left) / (right - left)) * area.width;
    this.y = (v) => area.y + ((high - v) / (high - low)) * area.height;
    this.axes(area, round(left, right, TICKS), round(low, high, TICKS), theme);
    this.clip = new Path2D();
    this.clip.rect(area.x, area.y, area.width, area.height);
    return true;
  }

  axes(area, xs, ys, theme) {
    const { context } = this;
    const bottom = area.y + area.height, end = area.x + area.width;
    context.font = `11${FONT}`;
    context.fillStyle = theme.muted;
    context.lineWidth = 1;
    context.textBaseline = "top";
    context.textAlign = "center";
    for (const v of xs) this.tick(theme, [this.x(v), area.y, this.x(v), bottom], tickLabel(v), this.x(v), bottom + 3);
    context.fillText(this.across, area.x + area.width / 2, bottom + 16);
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const v of ys) this.tick(theme, [area.x, this.y(v), end, this.y(v)], tickLabel(v), area.x - 4, this.y(v));
  }

  tick(theme, [x0, y0, x1, y1], text, x, y) {
    const { context } = this;
    context.strokeStyle = theme.grid;
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
    context.stroke();
    context.fillText(text, x, y);
  }

  curve(xs, ys, colour, { width = 1.5, dash = [] } = {}) {
    const { context } = this;
    this.clipped(() => {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.setLineDash(dash);
      context.beginPath();
      for (let k = 0; k < xs.length; k++) context.lineTo(this.x(xs[k]), this.y(ys[k]));
      context.stroke();
      context.setLineDash([]);
    });
  }

  dots(xs, ys, colour) {
    const { context } = this;
    this.clipped(() => {
      context.fillStyle = colour;
      for (let k = 0; k < xs.length; k++) {
        context.beginPath();
        context.arc(this.x(xs[k]), this.y(ys[k]), 2.4, 0, 7);
        context.fill();
      }
    });
  }

  clipped(draw) {
    this.context.save();
    this.context.clip(this.clip);
    draw();
    this.context.restore();
  }
}
