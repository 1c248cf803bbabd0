// Entry points: [data-lab] elements, mount(element) for a page's own scripts, render for anywidget.

import { Lab } from "./page/lab.js";
import { typed } from "./engine/task.js";
import { Mailbox } from "./mailbox.js";
import { defaults, format, parse } from "./state.js";

const LINK = /^#lab=(\d+)(?:&(.*))?$/;
const REPORT_EVERY = 500; // milliseconds between two messages with rows to Python
const PICTURE_EVERY = 4000; // ... between two pictures for the saved notebook
const PICTURE_WIDTH = 700; // pixels, at most

// A lab in `element`, opened in the state that its attribute names.
export function mount(element) {
  return (element.lab ??= new Lab(element, parse(element.dataset.lab ?? ""), { data: samples(element.dataset.samples) }));
}

// {training, validation}, from the text that Python writes; null if there is none.
function samples(text) {
  if (!text) return null;
  const { training, validation } = JSON.parse(text);
  return { training: typed(training), validation: typed(validation) };
}

// The page's labs are numbered; "#lab=2&A=20" opens the second one with A = 20, whatever its attribute says.
function scan() {
  document.querySelectorAll("[data-lab]").forEach((element, i) => {
    if (!element.lab) mountLinked(element, i + 1);
  });
}

function mountLinked(element, ordinal) {
  const base = { ...defaults(), ...parse(element.dataset.lab) };
  const fromLink = () => {
    const match = LINK.exec(location.hash);
    return match && Number(match[1]) === ordinal ? { ...base, ...parse(match[2] ?? "") } : null;
  };
  const link = (state) => {
    const text = format(state, base);
    return `${location.pathname.split("/").pop()}#lab=${ordinal}${text && `&${text}`}`;
  };
  const linked = fromLink();
  const place = `${location.pathname.split("/").slice(-2).join("/")}#${ordinal}`;
  const lab = (element.lab = new Lab(element, linked ?? base, { link, place, data: samples(element.dataset.samples) }));
  if (linked) element.scrollIntoView({ block: "nearest" });
  lab.on("state", () => lab.touched && history.replaceState(null, "", lab.address));
  addEventListener("hashchange", () => {
    const state = fromLink();
    if (!state) return;
    lab.set(state);
    element.scrollIntoView({ block: "nearest" });
  });
}

// anywidget: one lab per model, whose state is shared with Python, and whose measurements are sent to it. Several views
// of it are one run: the element moves to the view that is opened last, and the others have a button that brings it.
class Shared {
  constructor(model) {
    this.model = model;
    this.host = document.createElement("div");
    this.host.dataset.lmSuppressShortcuts = ""; // or JupyterLab takes the arrow keys from the sliders
    this.views = [];
    this.lab = new Lab(this.host, model.get("state"), { data: samples(model.get("_samples")) });
    this.mailbox = new Mailbox((content, buffers) => this.attempt(() => model.send(content, undefined, buffers)));
    this.lab.on("state", (state) => this.report(state));
    this.lab.on("rows", (message) => this.collect(message));
    model.on("msg:custom", ({ set }) => set && this.lab.set(set));
    model.on("msg:custom", ({ heard }) => heard && this.mailbox.heard(heard, Date.now()));
    model.on("comm_live_update", () => this.host.closest(".jupyter-widgets-disconnected") && this.disconnect());
    this.timer = setInterval(() => this.post(), REPORT_EVERY);
    this.pictures = setInterval(() => this.sendPicture(), PICTURE_EVERY);
  }

  // Show the lab in `element`; the function that takes it away again.
  view(element) {
    this.views.push(element);
    this.arrange(element);
    return () => {
      this.views = this.views.filter((other) => other !== element);
      if (element.contains(this.host)) this.arrange(this.views.at(-1));
    };
  }

  arrange(chosen) {
    for (const view of this.views) view.replaceChildren(view === chosen ? this.host : this.elsewhere(view));
    if (this.notice) chosen?.prepend(this.notice);
  }

  elsewhere(view) {
    const button = document.createElement("button");
    button.textContent = "This lab is shown in another place. Bring it here";
    button.onclick = () => this.arrange(view);
    return button;
  }

  report(state) {
    if (!state.playing) this.post(); // so that Python has the steps of which the state speaks
    this.attempt(() => {
      this.model.set("state", { ...state });
      this.model.save_changes();
    });
    this.changed = true;
  }

  post() {
    this.mailbox.post(Date.now());
  }

  collect({ opened, rows }) {
    if (opened) this.mailbox.open(opened, Date.now());
    else rows.forEach((values, run) => this.mailbox.add(run, values));
  }

  // The picture that a saved notebook shows without a kernel.
  async sendPicture() {
    if (!this.changed || this.lost || !this.host.isConnected) return;
    this.changed = false;
    const blob = await snapshot(this.host);
    if (blob) this.attempt(async () => this.model.send({ picture: true }, undefined, [await blob.arrayBuffer()]));
  }

  async attempt(action) {
    if (this.lost) return;
    try {
      await action();
    } catch {
      this.disconnect();
    }
  }

  disconnect() {
    if (this.lost) return;
    this.lost = true;
    this.lab.pause();
    this.notice = document.createElement("p");
    this.notice.setAttribute("role", "alert");
    this.notice.textContent = "Python is disconnected, and the lab has stopped. Run the cell again to go on.";
    this.host.before(this.notice);
  }

  destroy() {
    clearInterval(this.timer);
    clearInterval(this.pictures);
    this.lab.destroy();
  }
}

// The canvases of a lab as they lie on the page, as a WebP file.
function snapshot(host) {
  const whole = host.getBoundingClientRect();
  const shown = [...host.shadowRoot.querySelectorAll("canvas")].filter((canvas) => canvas.width && canvas.offsetWidth);
  if (!whole.width || !shown.length) return null;
  const scale = Math.min(1, PICTURE_WIDTH / whole.width);
  const boxes = shown.map((canvas) => canvas.getBoundingClientRect());
  const top = Math.min(...boxes.map((box) => box.top));
  const picture = document.createElement("canvas");
  picture.width = whole.width * scale;
  picture.height = (Math.max(...boxes.map((box) => box.bottom)) - top) * scale;
  const pen = picture.getContext("2d");
  shown.forEach((canvas, i) => {
    const { left, top: y, width, height } = boxes[i];
    pen.drawImage(canvas, (left - whole.left) * scale, (y - top) * scale, width * scale, height * scale);
  });
  return new Promise((resolve) => picture.toBlob(resolve, "image/webp", 0.8));
}

const labs = new Map(); // by the id that Python gives each

function initialize({ model }) {
  const id = model.get("_lab");
  labs.set(id, new Shared(model));
  return () => {
    labs.get(id).destroy();
    labs.delete(id);
  };
}

function render({ model, el }) {
  return labs.get(model.get("_lab")).view(el);
}

export default { initialize, render };

// As a page's script (in a module currentScript is null).
if (document.currentScript) {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", scan);
  else scan();
}
