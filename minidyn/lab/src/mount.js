// The ways in: [data-lab] elements, mount(element) for a page's own scripts, render for anywidget.

import { Lab } from "./page/lab.js";
import { COLUMNS } from "./rows.js";
import { defaults, format, parse } from "./state.js";

const LINK = /^#lab=(\d+)(?:&(.*))?$/;
const REPORT_EVERY = 500; // milliseconds between two parcels of rows to Python

// A lab in `element`, opened at the state that its attribute names.
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
    const found = LINK.exec(location.hash);
    return found && Number(found[1]) === ordinal ? { ...base, ...parse(found[2] ?? "") } : null;
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
  let told = { ...lab.state };
  let parcel = [];
  lab.on("state", (state) => {
    told = { ...state };
    model.set("state", told);
    model.save_changes();
  });
  model.on("change:state", () => {
    const state = model.get("state");
    lab.set(Object.fromEntries(Object.entries(state).filter(([name, value]) => value !== told[name])));
  });
  lab.on("rows", ({ opened, rows }) => {
    if (opened) {
      parcel = [];
      model.send({ view, opened, columns: COLUMNS });
    } else parcel.push(...rows.map((values, run) => ({ run, values })));
  });
  const timer = setInterval(() => {
    if (!parcel.length) return;
    model.send({ view, runs: parcel.map(({ run }) => run) }, undefined, parcel.map(({ values }) => values.buffer));
    parcel = [];
  }, REPORT_EVERY);
  return () => {
    clearInterval(timer);
    lab.destroy();
  };
}

export default { render };

// As a page's script (not as a module, where currentScript is null).
if (document.currentScript) {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", scan);
  else scan();
}
