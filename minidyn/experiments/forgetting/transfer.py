"""What networks forget when the task changes, and what a cell with a conditional clause makes of the same lessons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from minidyn.experiments.forgetting.conditional_network import soft_and_hardened
from minidyn.experiments.forgetting.tables import FRESH_SEEDS, format_rate, learners_side_by_side, side_by_side
from minidyn.experiments.registry import experiment
from minidyn.experiments.statistics import format_mean
from minidyn.forgetting import adder, protocol
from minidyn.forgetting.learners import Learner, comparison

LEARNERS = (
    "adder",
    "hard adder",
    "perceptron",
    "smallest perceptron",
    "large perceptron",
    "binary perceptron",
    "recurrent",
)
STREAM_LEARNERS = ("adder", "hard adder", "perceptron", "binary perceptron", "recurrent")
OUT_OF_REACH = 50.0  # a threshold that no weighed input comes near: the clause always says no
FIXED: dict[str, dict[int, float | None]] = {  # parameters that do not learn, and their value (None: as drawn)
    "whole cell": {},
    "no carry": {2: 0.0},
    "no clause": {3: OUT_OF_REACH},
    "threshold as drawn": {3: None},
    "weights all 1": {0: 1.0, 1: 1.0, 2: 1.0},
}


def _summarise_ablation(data: xr.Dataset) -> str:
    return "\n".join(
        f"{name}: {format_rate(soft == 1)} soft, mean accuracy {format_mean(100 * soft, '.1f')}%"
        for name in data.cell.values
        for soft in [data.soft.sel(cell=name)]
    )


@experiment(
    "adder-ablation",
    shows="how many cells learn to add when a part of the cell is taken away or does not learn",
    claims=("C13",),
    quick={"seeds": range(4), "steps": 500},
    sample={"seeds": FRESH_SEEDS[:40]},
    summary=_summarise_ablation,
)
def adder_ablation(*, seeds: Sequence[int] = FRESH_SEEDS, steps: int = 12000) -> xr.Dataset:
    """Accuracy on 1,000 random 16-bit pairs over (cell, seed), with the clause soft and hardened."""

    def accuracy(fixed: Mapping[int, float | None]) -> xr.Dataset:
        return soft_and_hardened(train_with_fixed(seeds, fixed, steps=steps), seeds)

    return side_by_side("cell", FIXED, accuracy, "adder-ablation")


def train_with_fixed(seeds: Sequence[int], fixed: Mapping[int, float | None], *, steps: int = 12000) -> adder.Params:
    """Cells trained on random pairs of 3-bit numbers while some of the twelve parameters do not learn.

    Parameters
    ----------
    seeds : sequence of int
    fixed : mapping of int to float or None
        From the numbers of parameters (w 0..2, theta 3, p 4..7, q 8..11) to their value; None: as drawn.
    steps : int
        Number of updates.

    Returns
    -------
    minidyn.forgetting.adder.Params

    Examples
    --------
    >>> from minidyn.experiments.forgetting.transfer import train_with_fixed
    >>> train_with_fixed([0, 1], {2: 0.0}, steps=10).w[:, 2]
    array([0., 0.])
    """
    cells = adder.init(list(seeds))
    for number, value in fixed.items():
        if value is not None:
            cells.values[:, number] = value
    values = cells.values[:, list(fixed)]
    pairs = np.array([stream.randint(8, size=(steps, 2)) for stream in protocol.streams_of(seeds)])
    for step in range(steps):
        cells = adder.update(cells, pairs[:, step, 0], pairs[:, step, 1], digits=4)
        cells.values[:, list(fixed)] = values
    return cells


def _summarise_sequential(data: xr.Dataset) -> str:
    rows = []
    for name in data.learner.values:
        changes = []
        for pairs in ("ones", "unseen"):
            percent = 100 * data.R.sel(learner=name, set=pairs)
            before, after = (format_mean(percent.sel(after=task), ".1f") for task in ("ones", "twos"))
            changes.append(f"{pairs} {before} -> {after}")
        rows.append(f"{name}: {', '.join(changes)}")
    return "\n".join(rows)


@experiment(
    "sequential",
    shows="ones until 90% right, then twos: what seven networks keep, and what they gain on additions not seen",
    claims=("C12", "C14", "C15"),
    quick={"seeds": range(2), "names": ("adder", "perceptron"), "passes": 5},
    sample={"seeds": FRESH_SEEDS[:40], "names": ("adder", "hard adder", "perceptron", "smallest perceptron")},
    summary=_summarise_sequential,
)
def sequential_many(
    *, seeds: Sequence[int] = FRESH_SEEDS, names: Sequence[str] = LEARNERS, passes: int = 50
) -> xr.Dataset:
    """Over "learner" and "seed" (NaN beyond the seeds of the costly ones).

    `R`: accuracy on each set after each stage; `accuracy`: the same over the passes through the twos; `needed`: passes
    through the ones; `learned`: whether they were; `parameters`: how many the learner has.
    """

    def lessons(learner: Learner, seeds: Sequence[int]) -> xr.Dataset:
        return _over_passes(protocol.sequential(learner, seeds, epochs=passes))

    learners = comparison()
    return learners_side_by_side({name: learners[name] for name in names}, seeds, lessons, "sequential")


@experiment(
    "rehearsal",
    shows="twos mixed with some of the ones, against a change of architecture",
    claims=("C12", "C14"),
    quick={"seeds": range(2), "rehearsals": (0.0, 1.0), "passes": 5},
    sample={"seeds": FRESH_SEEDS[:10], "rehearsals": (0.0, 0.25)},
    summary=lambda data: "\n".join(
        f"{name}, rehearsal {fraction:g}: ones "
        f"{format_mean(100 * data.R.sel(learner=name, rehearsal=fraction, after='twos', set='ones'), '.1f')}"
        for name in data.learner.values
        for fraction in data.rehearsal.values
    ),
)
def rehearsal_many(
    *,
    seeds: Sequence[int] = FRESH_SEEDS[:20],
    rehearsals: Sequence[float] = (0.0, 0.06, 0.25, 1.0),
    passes: int = 50,
) -> xr.Dataset:
    """As "sequential", with a share of old facts in each pass: over "learner", "rehearsal" and "seed"."""
    index = xr.IndexVariable("rehearsal", list(rehearsals))

    def lessons(learner: Learner) -> xr.Dataset:
        tables = [
            _over_passes(protocol.sequential(learner, list(seeds), epochs=passes, rehearsal=fraction))
            for fraction in rehearsals
        ]
        return xr.concat(tables, index)

    learners = comparison()
    return side_by_side("learner", {name: learners[name] for name in ("adder", "perceptron")}, lessons, "rehearsal")


def _summarise_stream(data: xr.Dataset) -> str:
    percent = 100 * data.accuracy.sel(set="unseen").isel(examples=-1)
    return "\n".join(f"{name}: unseen {format_mean(percent.sel(learner=name), '.1f')}%" for name in data.learner.values)


@experiment(
    "one-by-one",
    shows="random additions of 3-bit numbers one by one: accuracy on pairs never shown, against examples seen",
    claims=("C14", "C15"),
    quick={"seeds": range(2), "names": ("adder", "perceptron"), "examples": 200},
    sample={"seeds": FRESH_SEEDS[:40], "names": ("adder", "hard adder", "perceptron")},
    summary=_summarise_stream,
)
def one_by_one_many(
    *, seeds: Sequence[int] = FRESH_SEEDS, names: Sequence[str] = STREAM_LEARNERS, examples: int = 6000
) -> xr.Dataset:
    """Accuracy over (learner, seed, examples, set), NaN beyond the seeds of the costly learners; see "sequential"."""

    def stream(learner: Learner, seeds: Sequence[int]) -> xr.Dataset:
        return protocol.one_by_one(learner, seeds, examples=examples)

    learners = comparison(3)
    return learners_side_by_side({name: learners[name] for name in names}, seeds, stream, "one-by-one")


def _over_passes(data: xr.Dataset) -> xr.Dataset:
    """The accuracies over the passes of the last task, from 0 on, in place of those over all points."""
    before, last = data.after.values[-2:]
    in_last = (data.task == last).values
    start = data.R.sel(after=before, drop=True).expand_dims("point")
    rest = data.accuracy.isel(point=np.flatnonzero(in_last)).drop_vars(["task", "passes"])
    accuracy = xr.concat([start, rest], "point").rename(point="passes")
    first = data[["needed", "learned"]].isel(trained=0, drop=True)
    return xr.Dataset(
        {
            "R": data.R,
            "accuracy": accuracy.assign_coords(passes=[0, *data.passes.values[in_last]]),
            "needed": first.needed,
            "learned": first.learned.astype(np.int8),
        }
    )
