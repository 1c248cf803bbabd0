// Behind "More": the parts that a lab's first screen leaves out, if its state names those of the first screen.

import { isFirst } from "../state.js";
import { element } from "./dom.js";

export class More {
  constructor() {
    this.bar = element("div", { className: "bar rest" });
    this.pictures = element("div", { className: "pictures" });
    this.plots = element("div", { className: "plots" });
    this.body = element("div", { className: "more-body" }, [this.bar, this.pictures, this.plots]);
    this.element = element("details", { className: "more" }, [element("summary", { text: "More" }), this.body]);
  }

  // places: [part, node, the container of the first screen, that behind "More"], in the order of their containers.
  arrange(state, places, others, root) {
    for (const [part, node, front, behind] of places) (isFirst(state, part) ? front : behind).append(node);
    if (state.first) this.body.append(...others);
    else root.append(...others);
    this.element.hidden = !state.first;
  }
}
