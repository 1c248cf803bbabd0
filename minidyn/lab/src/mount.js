// Entry points: [data-lab] elements, mount(element) for a page's own scripts, render for anywidget.

import { Lab } from "./page/lab.js";
import { COLUMNS } from "./rows.js";
import { defaults, format, parse } from "./state.js";

const LINK = /^#lab=(\d+)(?:&(.*))?$/;
const REPORT_EVERY = 500; // milliseconds between two messages with rows to Python

// A lab in `element`, opened in the state that its attribute names.
export function mount(element) {
  return (element.lab ??= new Lab(element, parse(element.dataset.lab ?? "")));
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
  const lab = (element.lab = new Lab(element, linked ?? base, link));
  if (linked) element.scrollIntoView({ block: "nearest" });
  lab.on("state", () => lab.touched && history.replaceState(null, "", lab.address));
  addEventListener("hashchange", () => {
    const state = fromLink();
    if (!state) return;
    lab.set(state);
    element.scrollIntoView({ block: "nearest" });
  });
}

// anywidget: the state is shared with Python, and what was measured is sent to it.
function render({ model, el }) {
  const host = el.appendChild(document.createElement("div"));
  host.dataset.lmSuppressShortcuts = ""; // or JupyterLab takes the arrow keys from the sliders
  const lab = new Lab(host, model.get("state"));
  const view = String(Math.random());
  let shared = { ...lab.state };
  let unsent = [];
  lab.on("state", (state) => {
    shared = { ...state };
    model.set("state", shared);
    model.save_changes();
  });
  model.on("change:state", () => {
    const state = model.get("state");
    lab.set(Object.fromEntries(Object.entries(state).filter(([name, value]) => value !== shared[name])));
  });
  lab.on("rows", ({ opened, rows }) => {
    if (opened) {
      unsent = [];
      model.send({ view, opened, columns: COLUMNS });
    } else unsent.push(...rows.map((values, run) => ({ run, values })));
  });
  const timer = setInterval(() => {
    if (!unsent.length) return;
    model.send({ view, runs: unsent.map(({ run }) => run) }, undefined, unsent.map(({ values }) => values.buffer));
    unsent = [];
  }, REPORT_EVERY);
  return () => {
    clearInterval(timer);
    lab.destroy();
  };
}

export default { render };

// As a page's script (in a module currentScript is null).
if (document.currentScript) {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", scan);
  else scan();
}
