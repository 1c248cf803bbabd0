"""What networks forget when the task changes, and what a cell with a conditional clause makes of the same lessons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from minidyn import _progress
from minidyn.experiments.registry import experiment
from minidyn.forgetting import adder, facts, interference, protocol
from minidyn.forgetting.learners import Learner, comparison

FRESH = range(1000, 1200)  # seeds on which nothing was chosen
SOME = (
    "adder",
    "hard adder",
    "perceptron",
    "smallest perceptron",
    "large perceptron",
    "binary perceptron",
    "recurrent",
)
STREAM = ("adder", "hard adder", "perceptron", "binary perceptron", "recurrent")
FEWER = {  # seeds of the costly learners
    "perceptron": 30,
    "smallest perceptron": 30,
    "binary perceptron": 30,
    "large perceptron": 5,
    "recurrent": 16,
    "GRU": 16,
}
OUT_OF_REACH = 50.0  # a threshold that no weighed input comes near: the clause always says no
VERDICTS = {True: 1, False: 0, None: -1}  # of the proof that a cell adds
CONDITIONS: dict[str, dict[str, Any]] = {
    "sequential": {},
    "rehearsal 1/4": {"rehearsal": 0.25},
    "rehearsal 1/2": {"rehearsal": 0.5},
    "rehearsal all": {"rehearsal": 1.0},
    "interleaved": {"order": "interleaved"},
}
RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "the recipe": {},
    "theta in (0, 3)": {"theta": (0.0, 3.0)},
    "w in (0, 1)": {"w": (0.0, 1.0)},
    "w in (-1, 1)": {"w": (-1.0, 1.0)},
    "p in (-1, 1)": {"p": (-1.0, 1.0)},
    "q in (-1, 1)": {"q": (-1.0, 1.0)},
    "all in (0, 1)": dict.fromkeys(adder.RANGES, (0.0, 1.0)),
    "all in (-1, 1)": dict.fromkeys(adder.RANGES, (-1.0, 1.0)),
    "all in (-0.3, 0.3)": dict.fromkeys(adder.RANGES, (-0.3, 0.3)),
}
HELD: dict[str, dict[int, float | None]] = {  # parameters that do not learn, and their value (None: as drawn)
    "whole cell": {},
    "no carry": {2: 0.0},
    "no clause": {3: OUT_OF_REACH},
    "threshold as drawn": {3: None},
    "weights all 1": {0: 1.0, 1: 1.0, 2: 1.0},
}


@experiment(
    "interference",
    shows="McCloskey and Cohen's network: ones, then twos, with and without rehearsal",
    claims=("C12",),
    quick={"seeds": range(4), "passes": 2},
    full={"seeds": FRESH, "passes": 20},
    sample={"seeds": FRESH[:40]},
    summary=lambda data: "\n".join(
        f"{name}: best match on the ones {_spread(100 * data.ones.sel(condition=name, passes=2))}% after two passes"
        for name in data.condition.values
    ),
)
def interference_many(*, seeds: Sequence[int], passes: int, progress: bool) -> xr.Dataset:
    """Scores, fractions of 1, over (condition, seed, passes, criterion) for the 15 ones facts and the 17 twos facts.

    `error` is of the ones; `first_passes` and `learned` tell of the training on the ones before.
    """

    def one(settings: Mapping[str, Any]) -> xr.Dataset:
        data = interference.experiment(seeds, epochs=passes, **settings)
        kept = {name: data.score.sel(set=name, criterion="best match", drop=True) for name in ("ones", "twos")}
        return xr.Dataset(
            {
                **kept,
                "criteria": data.score.sel(set="ones", drop=True),
                "error": data.error.sel(set="ones", drop=True),
                "first_passes": data.first_passes,
                "learned": data.learned.astype(np.int8),
            }
        )

    return _each("condition", CONDITIONS, one, "interference", progress)


def _sum_up_adder(data: xr.Dataset) -> str:
    last = data.isel(steps=-1)
    return "\n".join(
        f"{name}: {_rate(last.accuracy.sel(clause=name) == 1)} add all pairs; proven {_rate(last.exact == 1, name)}"
        for name in data.clause.values
    )


@experiment(
    "adder",
    shows="how many cells learn to add 16-bit numbers: clause soft, hardened after training, hard throughout",
    claims=("C13", "C15"),
    quick={"seeds": range(10), "at": (3000,), "pairs": 200},
    full={"seeds": FRESH, "at": (1500, 3000, 6000, 12000), "pairs": 1000},
    sample={"seeds": FRESH[:40]},
    summary=_sum_up_adder,
)
def adder_many(*, seeds: Sequence[int], at: Sequence[int], pairs: int, progress: bool) -> xr.Dataset:
    """Over "clause", "seed" and "steps".

    `accuracy` on random 16-bit pairs; `exact`, at the last step, whether the cell is addition (1: proven, 0: refuted,
    -1: not settled); `values`, the cell's twelve parameters at the last step.
    """
    tests = facts.random_pairs(pairs, 16)
    with _progress.bar(2, "adder", "clauses", shown=progress) as bar:
        runs = {}
        for clause in adder.CLAUSES:
            runs[clause] = adder.trajectory(list(seeds), at, clause=clause)
            bar.update()
    runs = {
        "soft": runs["soft"],
        "hardened": {k: adder.harden(p) for k, p in runs["soft"].items()},
        "hard": runs["hard"],
    }
    accuracy = [[adder.accuracy(p, tests) for p in run.values()] for run in runs.values()]
    last = [run[max(at)] for run in runs.values()]
    return xr.Dataset(
        {
            "accuracy": (("clause", "steps", "seed"), np.array(accuracy)),
            "exact": (("clause", "seed"), [_verdicts(cells) for cells in last]),
            "values": (("clause", "seed", "parameter"), np.stack([cells.values for cells in last])),
        },
        {"clause": list(runs), "steps": sorted(at), "seed": list(seeds)},
    )


@experiment(
    "adder-initialisation",
    shows="how many cells learn to add, by the ranges from which their first parameters are drawn",
    claims=("C13",),
    quick={"seeds": range(4), "steps": 500},
    full={"seeds": FRESH, "steps": 12000},
    sample={"seeds": FRESH[:40]},
    summary=lambda data: "\n".join(
        f"{name}: {_rate(data.soft.sel(ranges=name) == 1)} soft, {_rate(data.hardened.sel(ranges=name) == 1)} hardened"
        for name in data.ranges.values
    ),
)
def adder_initialisation(*, seeds: Sequence[int], steps: int, progress: bool) -> xr.Dataset:
    """Accuracy on 1,000 random 16-bit pairs over (ranges, seed), with the clause soft and hardened."""
    tests = facts.random_pairs(1000, 16)

    def one(ranges: Mapping[str, tuple[float, float]]) -> xr.Dataset:
        cells = adder.train(list(seeds), steps=steps, ranges=ranges)
        return _soft_and_hardened(cells, tests, seeds)

    return _each("ranges", RANGES, one, "adder-initialisation", progress)


@experiment(
    "adder-ablation",
    shows="how many cells learn to add when a part of the cell is taken away or does not learn",
    claims=("C13",),
    quick={"seeds": range(4), "steps": 500},
    full={"seeds": FRESH, "steps": 12000},
    sample={"seeds": FRESH[:40]},
    summary=lambda data: "\n".join(
        f"{name}: {_rate(data.soft.sel(cell=name) == 1)} soft, mean accuracy {_spread(100 * data.soft.sel(cell=name))}%"
        for name in data.cell.values
    ),
)
def adder_ablation(*, seeds: Sequence[int], steps: int, progress: bool) -> xr.Dataset:
    """Accuracy on 1,000 random 16-bit pairs over (cell, seed), with the clause soft and hardened."""
    tests = facts.random_pairs(1000, 16)

    def one(held: Mapping[int, float | None]) -> xr.Dataset:
        return _soft_and_hardened(train_held(seeds, held, steps=steps), tests, seeds)

    return _each("cell", HELD, one, "adder-ablation", progress)


def train_held(seeds: Sequence[int], held: Mapping[int, float | None], *, steps: int = 12000) -> adder.Params:
    """Cells trained on random pairs of 3-bit numbers while some of the twelve parameters do not learn.

    Parameters
    ----------
    seeds : sequence of int
    held : mapping of int to float or None
        From the numbers of parameters (w 0..2, theta 3, p 4..7, q 8..11) to their value; None: as drawn.
    steps : int

    Returns
    -------
    minidyn.forgetting.adder.Params

    Examples
    --------
    >>> train_held([0, 1], {2: 0.0}, steps=10).w[:, 2]
    array([0., 0.])
    """
    cells = adder.init(list(seeds))
    for number, value in held.items():
        if value is not None:
            cells.values[:, number] = value
    kept = cells.values[:, list(held)]
    pairs = np.array([stream.randint(8, size=(steps, 2)) for stream in protocol.streams_of(seeds)])
    for step in range(steps):
        cells = adder.update(cells, pairs[:, step, 0], pairs[:, step, 1], digits=4)
        cells.values[:, list(held)] = kept
    return cells


def _verdicts(cells: adder.Params) -> list[int]:
    programs: Any = adder.algorithm(cells)  # a list, for a batch
    return [VERDICTS[program.exact] for program in programs]


def _soft_and_hardened(cells: adder.Params, tests: np.ndarray, seeds: Sequence[int]) -> xr.Dataset:
    both = {"soft": adder.accuracy(cells, tests), "hardened": adder.accuracy(cells, tests, clause="hard")}
    return xr.Dataset({name: ("seed", found) for name, found in both.items()}, {"seed": list(seeds)})


def _sum_up_sequential(data: xr.Dataset) -> str:
    lines = []
    for name in data.learner.values:
        R = data.R.sel(learner=name)
        ones, unseen = R.sel(set="ones"), R.sel(set="unseen")
        lines.append(
            f"{name}: ones {_spread(100 * ones.sel(after='ones'))} -> {_spread(100 * ones.sel(after='twos'))}, "
            f"unseen {_spread(100 * unseen.sel(after='ones'))} -> {_spread(100 * unseen.sel(after='twos'))}"
        )
    return "\n".join(lines)


@experiment(
    "sequential",
    shows="ones until 90% right, then twos: what seven networks keep, and what they gain on additions not seen",
    claims=("C12", "C14", "C15"),
    quick={"seeds": range(2), "names": ("adder", "perceptron"), "passes": 5},
    full={"seeds": FRESH, "names": SOME, "passes": 50},
    sample={"seeds": FRESH[:40], "names": ("adder", "hard adder", "perceptron", "smallest perceptron")},
    summary=_sum_up_sequential,
)
def sequential_many(*, seeds: Sequence[int], names: Sequence[str], passes: int, progress: bool) -> xr.Dataset:
    """Over "learner" and "seed" (NaN beyond the seeds of the costly ones).

    `R`: accuracy on each set after each stage; `accuracy`: the same over the passes through the twos; `needed`: passes
    through the ones; `learned`: whether they were; `parameters`: how many the learner has.
    """

    def one(learner: Learner, some: Sequence[int]) -> xr.Dataset:
        return _over_passes(protocol.sequential(learner, some, epochs=passes))

    return _each_learner(comparison(), names, seeds, one, "sequential", progress)


@experiment(
    "rehearsal",
    shows="twos mixed with some of the ones, against a change of architecture",
    claims=("C12", "C14"),
    quick={"seeds": range(2), "rehearsals": (0.0, 1.0), "passes": 5},
    full={"seeds": FRESH[:20], "rehearsals": (0.0, 0.06, 0.25, 1.0), "passes": 50},
    sample={"seeds": FRESH[:10], "rehearsals": (0.0, 0.25)},
    summary=lambda data: "\n".join(
        f"{name}, rehearsal {float(part):g}: ones "
        f"{_spread(100 * data.R.sel(learner=name, rehearsal=part, after='twos', set='ones'))}"
        for name in data.learner.values
        for part in data.rehearsal.values
    ),
)
def rehearsal_many(*, seeds: Sequence[int], rehearsals: Sequence[float], passes: int, progress: bool) -> xr.Dataset:
    """As "sequential", with a share of old facts in each pass: over "learner", "rehearsal" and "seed"."""

    def one(name: str) -> xr.Dataset:
        learner = comparison()[name]
        each = [
            _over_passes(protocol.sequential(learner, list(seeds), epochs=passes, rehearsal=part))
            for part in rehearsals
        ]
        return xr.concat(each, xr.IndexVariable("rehearsal", list(rehearsals)))

    return _each("learner", {name: name for name in ("adder", "perceptron")}, one, "rehearsal", progress)


@experiment(
    "one-by-one",
    shows="random additions of 3-bit numbers one by one: accuracy on pairs never shown, against examples seen",
    claims=("C14", "C15"),
    quick={"seeds": range(2), "names": ("adder", "perceptron"), "examples": 200},
    full={"seeds": FRESH, "names": STREAM, "examples": 6000},
    sample={"seeds": FRESH[:40], "names": ("adder", "hard adder", "perceptron")},
    summary=lambda data: "\n".join(
        f"{name}: unseen {_spread(100 * data.accuracy.sel(learner=name, set='unseen').isel(examples=-1))}%"
        for name in data.learner.values
    ),
)
def one_by_one_many(*, seeds: Sequence[int], names: Sequence[str], examples: int, progress: bool) -> xr.Dataset:
    """Accuracy over (learner, seed, examples, set), NaN beyond the seeds of the costly learners; see "sequential"."""

    def one(learner: Learner, some: Sequence[int]) -> xr.Dataset:
        return protocol.one_by_one(learner, some, examples=examples)

    return _each_learner(comparison(3), names, seeds, one, "one-by-one", progress)


def _over_passes(data: xr.Dataset) -> xr.Dataset:
    """The accuracies over the passes of the last task, from 0 on, in place of those over all points."""
    last = data.accuracy.isel(point=np.flatnonzero(data.task == data.after.values[-1]))
    start = data.R.sel(after=data.after.values[-2], drop=True).expand_dims("point")
    accuracy = xr.concat([start, last.drop_vars(["task", "passes"])], "point").rename(point="passes")
    passes = [0, *data.passes.values[data.task == data.after.values[-1]]]
    first = data[["needed", "learned"]].isel(trained=0, drop=True)
    kept = {"R": data.R, "accuracy": accuracy.assign_coords(passes=passes), "needed": first.needed}
    return xr.Dataset({**kept, "learned": first.learned.astype(np.int8)})


def _each_learner(
    learners: Mapping[str, Learner],
    names: Sequence[str],
    seeds: Sequence[int],
    one: Callable[[Learner, Sequence[int]], xr.Dataset],
    title: str,
    progress: bool,
) -> xr.Dataset:
    def measured(name: str) -> xr.Dataset:
        found = one(learners[name], list(seeds)[: FEWER.get(name)])
        return found.assign(parameters=learners[name].parameters)

    return _each("learner", {name: name for name in names}, measured, title, progress)


def _each(
    dimension: str, cases: Mapping[str, Any], one: Callable[[Any], xr.Dataset], title: str, progress: bool
) -> xr.Dataset:
    """One dataset a case, side by side over a new dimension."""
    with _progress.bar(len(cases), title, dimension, shown=progress) as bar:
        found = []
        for case in cases.values():
            found.append(one(case))
            bar.update()
    together = xr.concat(found, xr.IndexVariable(dimension, list(cases)), join="outer")
    return together.drop_attrs()


def _rate(hits: xr.DataArray, clause: str | None = None) -> str:
    """A proportion of the seeds in percent, with its Wilson interval."""
    hits = hits if clause is None else hits.sel(clause=clause)
    low, high = protocol.wilson_interval(int(hits.sum()), hits.size)
    return f"{100 * float(hits.mean()):.1f}% [{100 * low:.1f}, {100 * high:.1f}]"


def _spread(values: xr.DataArray) -> str:
    return f"{float(values.mean()):.1f}±{float(values.std(ddof=1)):.1f}"
