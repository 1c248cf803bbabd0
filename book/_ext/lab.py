"""The lab on the book's pages: its script, a directive that embeds a lab, and a role that links to an exact run.

    ```{lab} A=20&T=500&hide=noise,data
    A sentence for readers whose browser runs no scripts.
    ```

    {lab}`the run at its first burst <step=4488&play=0>`   sets the first lab of the page; <2&A=1> sets the second

The settings and their keys are in minidyn/lab/state.json.
"""

from __future__ import annotations

import re
from html import escape

import numpy as np
from docutils import nodes
from sphinx.util.docutils import SphinxDirective, SphinxRole

import minidyn as md
from minidyn._palette import PALETTE
from minidyn.lab import state

SCRIPT = state.HERE / "lab.js"
COLOURS = PALETTE["classes"]
SENTENCE = "Scripts are off. With scripts on, a small network is trained here while you watch."
WIDTH, HEIGHT = 700, 110


class Lab(SphinxDirective):
    """A lab: the argument is its state, the content is what readers without scripts see."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self):
        query = "".join(self.arguments).strip()
        try:
            settings = state.opening(state.parse(query))
        except (TypeError, ValueError) as error:
            raise self.error(str(error)) from None
        sentence = " ".join(self.content) or SENTENCE
        picture = weights_picture(settings["amplitude"], settings["period"])
        return [raw(f'<div data-lab="{escape(query)}">{picture}<p>{escape(sentence)}</p></div>')]


class LabLink(SphinxRole):
    """A link that sets a lab of the page: `text <A=20>` its first, `text <2&A=20>` its second."""

    def run(self):
        link = re.fullmatch(r"(?P<text>.+?)\s*<(?P<ordinal>\d*)&?(?P<query>.*)>", self.text, re.DOTALL)
        try:
            if not link:
                raise ValueError(f"a link to a lab must have the form `text <A=20&T=500>`, got {self.text!r}")
            state.parse(link["query"])
        except (TypeError, ValueError) as error:
            problem = self.inliner.reporter.error(str(error), line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, problem)], [problem]
        target = f"#lab={link['ordinal'] or 1}&{link['query']}".rstrip("&")
        return [raw(f'<a href="{escape(target)}">{escape(link["text"])}</a>')], []


def weights_picture(amplitude: float, period: int) -> str:
    """The class weights over a whole cycle, as SVG."""
    steps = np.linspace(0, 3 * period, 181).astype(int)
    gamma = md.Oscillation(amplitude, period).weights(steps)
    x = steps / steps[-1] * WIDTH
    y = HEIGHT - 4 - gamma / gamma.max() * (HEIGHT - 8)
    lines = ""
    for colour, line in zip(COLOURS, y.T, strict=False):
        points = " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, line, strict=True))
        lines += f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>'
    label = f"Class weights for A = {amplitude:g} and T = {period}: each class is emphasised in turn."
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" aria-label="{label}">{lines}</svg>'


def raw(html: str) -> nodes.raw:
    return nodes.raw("", html, format="html")


def copy_script(app, config):
    config.html_static_path.append(str(SCRIPT))


def load_script(app, pagename, templatename, context, doctree):
    """The script, on pages that have a lab (from this directive, or from a cell that shows one)."""
    if "data-lab=" in context.get("body", ""):
        app.add_js_file(SCRIPT.name, defer="defer")


def setup(app):
    app.add_directive("lab", Lab)
    app.add_role("lab", LabLink())
    app.connect("config-inited", copy_script)
    app.connect("html-page-context", load_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
