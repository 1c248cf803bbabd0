"""What a page of the book says in its text: the numbers of its cells, and where its stored results come from."""

from __future__ import annotations

from html import escape
from importlib.util import find_spec
from typing import Any

import numpy as np
import xarray as xr
from IPython.display import HTML, display

from minidyn._typeset import typeset
from minidyn.experiments import load, note
from minidyn.experiments.statistics import Interval, format_interval

RECORD = "application/papermill.record/"  # what the book keeps of a cell and does not show


def numbers(spec: str = "", /, **values: Any) -> None:
    """Set values into the text of a page, where {glue:text} stands with their names.

    Outside the book the names are printed with their values.

    Parameters
    ----------
    spec : str, default: ""
        How the values are written, as `format` takes it, such as ".2f", ".0%" or ",". Text needs none. All signs are
        set as in a book: a true minus, and none before a zero.
    **values : str, number, Interval, or DataArray
        The values by name. An `Interval` is written with both ends. A DataArray with one dimension gives one number
        per coordinate: `gain` over the widths 10 and 30 becomes gain_10 and gain_30.

    Raises
    ------
    ValueError
        If a float comes without a spec, or a DataArray has more than one dimension.

    Examples
    --------
    >>> from minidyn.page import numbers
    >>> numbers(".0%", static=0.512, dynamical=0.87)  # doctest: +SKIP
    static: 51%
    dynamical: 87%
    """
    texts = {key: text for name, value in values.items() for key, text in _texts(name, value, spec).items()}
    for name, text in texts.items():
        _glue(name, typeset(text))


def _glue(name: str, text: str) -> None:
    """As `myst_nb.glue`, whose import takes two seconds of each page; outside the book the number is printed."""
    if find_spec("myst_nb") is None:
        print(f"{name}: {text}")
    else:
        scrapbook = {"name": name, "mime_prefix": RECORD}
        display({f"{RECORD}text/plain": repr(text)}, raw=True, metadata={"scrapbook": scrapbook})


def _texts(name: str, value: Any, spec: str) -> dict[str, str]:
    """The text of each number that a value stands for, by its name in the page."""
    if isinstance(value, xr.DataArray) and value.ndim:
        if value.ndim > 1:
            raise ValueError(f"{name} must have at most one dimension, not {value.dims}")
        return {f"{name}_{_key(at)}": _text(name, number, spec) for at, number in zip(*_pairs(value), strict=True)}
    return {name: _text(name, value, spec)}


def _pairs(value: xr.DataArray) -> tuple[list[Any], list[Any]]:
    return value[value.dims[0]].values.tolist(), value.values.tolist()


def _key(coordinate: Any) -> str:
    return f"{coordinate:g}" if isinstance(coordinate, float) else str(coordinate).replace(" ", "_")


def _text(name: str, value: Any, spec: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Interval):
        return format_interval(value, spec or "+.3f")
    number = np.asarray(value).item()
    if isinstance(number, float) and not spec:
        raise ValueError(f"spec must say how {name} = {number!r} is written, such as '.2f'")
    return format(number, spec)


def sources(*names: str) -> HTML:
    """Where the stored results of a page come from, as a folded list.

    Parameters
    ----------
    *names : str
        The names of the experiments, as `load` takes them.

    Raises
    ------
    FileNotFoundError
        If a result is not stored.

    Examples
    --------
    >>> from minidyn.page import sources
    >>> "minidyn run published-run --full" in sources("published-run").data
    True
    """
    items = "".join(f"<li>{_code(escape(note(load(name))))}</li>" for name in names)
    return HTML(
        f'<details class="sources"><summary>Where the stored results come from</summary><ul>{items}</ul></details>'
    )


def _code(text: str) -> str:
    """What stands between backticks, as code."""
    return "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(text.split("`")))
