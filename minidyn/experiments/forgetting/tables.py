"""One table from many: what the experiments of this part do for each learner, cell or condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xarray as xr

from minidyn import _progress
from minidyn.forgetting import protocol
from minidyn.forgetting.learners import Learner

FRESH_SEEDS = range(1000, 1200)  # seeds on which nothing was chosen
COSTLY = {  # how many of the seeds the costly learners have
    "perceptron": 30,
    "smallest perceptron": 30,
    "binary perceptron": 30,
    "large perceptron": 5,
    "recurrent": 16,
    "GRU": 16,
}


def side_by_side(
    dimension: str, cases: Mapping[str, Any], measure: Callable[[Any], xr.Dataset], title: str
) -> xr.Dataset:
    """The measurements of all cases, side by side over a new dimension."""
    with _progress.bar(len(cases), title, dimension) as bar:
        tables = []
        for case in cases.values():
            tables.append(measure(case))
            bar.update()
    return xr.concat(tables, xr.IndexVariable(dimension, list(cases)), join="outer", combine_attrs="drop")


def learners_side_by_side(
    learners: Mapping[str, Learner],
    seeds: Sequence[int],
    measure: Callable[[Learner, list[int]], xr.Dataset],
    title: str,
) -> xr.Dataset:
    """The measurements of all learners on the seeds, of which the costly ones have the first few only."""

    def measured(name: str) -> xr.Dataset:
        table = measure(learners[name], list(seeds)[: COSTLY.get(name)])
        return table.assign(parameters=learners[name].parameters)

    return side_by_side("learner", {name: name for name in learners}, measured, title)


def format_rate(hits: xr.DataArray) -> str:
    """A proportion of the seeds in percent, with its Wilson interval."""
    low, high = protocol.wilson_interval(int(hits.sum()), hits.size)
    return f"{100 * float(hits.mean()):.1f}% [{100 * low:.1f}, {100 * high:.1f}]"
