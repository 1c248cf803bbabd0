"""Instruments: small experiments that the browser itself computes, at every position of their sliders.

Import on demand; needs IPython. An instrument is a block of HTML with its script inside, so it works on a page of the
book, from disk and in a notebook, without Python behind it and without a network. The scripts beside this file are
modules without dependencies; `tests/instruments` compares their numbers with Python's.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from html import escape
from importlib import resources
from typing import Any

import numpy as np
from IPython.display import HTML
from numpy.typing import ArrayLike

from minidyn import _checks as check
from minidyn._palette import PALETTE
from minidyn.forgetting.adder import Params
from minidyn.valley import ValleySlice

HERE = resources.files(__name__)
DARK = "html[data-theme='dark'] .minidyn-instrument, body[data-jp-theme-light='false'] .minidyn-instrument"
EXPORT = re.compile(r"^export (?=function|const)", re.M)
IMPORT = re.compile(r"^import .*;\n", re.M)
POINTS = 81  # of a curve that is sent to the browser

__all__ = ["addition", "cobweb", "valley_cobweb"]


def cobweb(product: float = 2.3, w: float = 0.1, updates: int = 60, *, caption: str = "") -> HTML:
    """Descent in the softening valley F'(w) = λ w (1 - w), as stairs beside the bifurcation diagram.

    Sliders set ηλ, the first w and the number of updates that are drawn; a point of the diagram sets ηλ too. A
    sentence says which values descent repeats in the end.

    Parameters
    ----------
    product : float
        The first value of ηλ, from 1.5 to 2.998.
    w : float
        Where descent starts, from -0.3 to 0.95.
    updates : int
        Number of updates that are drawn, from 1 to 100.
    caption : str
        Caption, as HTML.

    Returns
    -------
    IPython.display.HTML

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> "<script>" in cobweb(2.5).data
    True
    """
    settings = {
        "product": check.real("product", product, least=1.5, most=2.998),
        "w": check.real("w", w, least=-0.3, most=0.95),
        "updates": check.integer("updates", updates, least=1, most=100),
    }
    return _instrument("cobweb", settings, caption)


def valley_cobweb(
    cuts: Mapping[int, ValleySlice],
    paths: Mapping[int, ArrayLike],
    step: int | None = None,
    *,
    reach: float = 0.8,
    caption: str = "",
) -> HTML:
    """A burst of a real network along one direction: the stairs of the map beside the places of run and map.

    A slider sets the step; a point of the diagrams sets it too. Between the slices the curve of one update is
    interpolated, so that the browser can iterate the map at every step. Each slice is turned so that its steeper wall
    is on the left.

    Parameters
    ----------
    cuts : mapping of int to ValleySlice
        The slices, at two or more steps.
    paths : mapping of int to array_like of float
        The places of the run in a window around each of these steps, along the slice's direction.
    step : int, optional
        The step that is shown first, from the first slice to the last. None: the one in the middle.
    reach : float
        The largest distance from the floor that is drawn; the map is followed up to there.
    caption : str
        Caption, as HTML.

    Returns
    -------
    IPython.display.HTML

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from minidyn import ValleySlice
    >>> def line(x, order):
    ...     return (x**2 / 2 - x**3 / 3, x * (1 - x), 1 - 2 * x)[order]
    >>> cuts = {
    ...     step: ValleySlice(direction=np.ones(1), learning_rate=2 + step / 1000, radius=0.2, line=line)
    ...     for step in (0, 100)
    ... }
    >>> "<script>" in valley_cobweb(cuts, {0: [0.1, -0.1], 100: [0.1, -0.1]}).data
    True
    """
    if not isinstance(cuts, Mapping) or not all(isinstance(cut, ValleySlice) for cut in cuts.values()):
        raise TypeError(f"cuts must be a mapping from steps to ValleySlice, got {cuts!r:.80}")
    if not isinstance(paths, Mapping) or len(cuts) < 2 or set(paths) != set(cuts):
        raise ValueError(f"paths must be a mapping with the steps of cuts, two or more, got {paths!r:.80}")
    steps = sorted(check.integer("cuts", key) for key in cuts)
    reach = check.real("reach", reach, above=0)
    offsets, after, run = np.linspace(-reach, reach, POINTS), [], []
    for at in steps:
        side = 1.0 if cuts[at].force([-reach / 2, reach / 2]).sum() < 0 else -1.0
        curve = offsets - side * cuts[at].learning_rate * cuts[at].force(side * offsets)
        after.append(curve.round(4).tolist())
        run.append((side * check.array("paths", paths[at], (None,))).round(3).tolist())
    shown = steps[len(steps) // 2] if step is None else check.integer("step", step, least=steps[0], most=steps[-1])
    settings = {"steps": steps, "reach": reach, "after": after, "run": run, "step": shown}
    return _instrument("valley_cobweb", settings, caption)


def addition(cells: Mapping[int, Params], a: int = 13, b: int = 7, *, caption: str = "") -> HTML:
    """The addition of two numbers that the reader types, by cells of one training, digit by digit.

    Parameters
    ----------
    cells : mapping of int to Params
        Single cells after these numbers of training sums, as `adder.trajectory` returns them. The last is shown first.
    a, b : int
        The first two numbers, from 0 to 40 decimal digits.
    caption : str
        Caption, as HTML.

    Returns
    -------
    IPython.display.HTML

    Raises
    ------
    TypeError
        If `cells` is not a mapping to Params, or `a` or `b` is not an integer.
    ValueError
        If there are no cells, one of them is a batch, or a number is negative or too long.

    Examples
    --------
    >>> from minidyn.forgetting import adder
    >>> "<script>" in addition(adder.trajectory(0, [0, 3000])).data
    True
    """
    if not isinstance(cells, Mapping) or not all(isinstance(cell, Params) for cell in cells.values()):
        raise TypeError(f"cells must be a mapping from numbers of sums to Params, got {cells!r:.80}")
    if not cells or any(cell.values.ndim != 1 for cell in cells.values()):
        raise ValueError(f"cells must hold at least one single cell and no batch, got {cells!r:.80}")
    settings = {
        "stages": {str(check.integer("cells", steps, least=0)): _cell(cells[steps]) for steps in sorted(cells)},
        "stage": len(cells) - 1,
        "a": str(_number("a", a)),
        "b": str(_number("b", b)),
    }
    return _instrument("addition", settings, caption)


def script(name: str) -> str:
    """The script of an instrument with the shared functions, as one text without imports."""
    return "".join(IMPORT.sub("", EXPORT.sub("", (HERE / f"{file}.js").read_text("utf-8"))) for file in ("svg", name))


def _instrument(name: str, settings: dict[str, Any], caption: str) -> HTML:
    data = json.dumps(settings).replace("<", "\\u003c")
    key = f"{name}-{hashlib.sha256(data.encode()).hexdigest()[:8]}"
    light, dark = (_colours(suffix) for suffix in ("", "_dark"))
    style = f"{(HERE / 'style.css').read_text('utf-8')}.minidyn-instrument {{{light}}}\n{DARK} {{{dark}}}"
    start = f"start(document.getElementById('{key}'), {data});"
    return HTML(
        f"<style>{style}</style>"
        f'<figure class="minidyn-instrument"><div id="{escape(key)}"></div><figcaption>{caption}</figcaption></figure>'
        f"<script>(() => {{\n{script(name)}{start}\n}})()</script>"
    )


def _colours(suffix: str) -> str:
    classes = PALETTE[f"classes{suffix}"]
    return f"--unstable: {PALETTE[f'unstable{suffix}']}; --digit: {classes[0]}; --carry: {classes[2]};"


def _cell(cell: Params) -> dict[str, Any]:
    values = {name: getattr(cell, name).tolist() for name in ("w", "theta", "p", "q")}
    return values | {"hard": cell.clause == "hard"}


def _number(name: str, value: int) -> int:
    return check.integer(name, value, least=0, most=10**40 - 1)
