"""What networks forget when the task changes, and what a cell with a conditional clause makes of the same lessons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from minidyn.experiments.forgetting.conditional_network import soft_and_hardened
from minidyn.experiments.forgetting.tables import FRESH_SEEDS, format_rate, learners_side_by_side, side_by_side
from minidyn.experiments.registry import experiment
from minidyn.experiments.statistics import format_mean
from minidyn.forgetting import adder, facts, protocol
from minidyn.forgetting.elastic import Elastic
from minidyn.forgetting.learners import Adder, Learner, Perceptron, comparison

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
WIDE = "adder from (-1, 1)"
CONTROLS = ("adder", WIDE, "plain cell", "GRU", "binary perceptron")
PUT_IN = np.array([(3, 3), (5, 7), (7, 7)])  # sums with a full carry, which the ones and the twos lack
LESSONS = {"full carry left out": np.empty((0, 2), dtype=int), "full carry put in": PUT_IN}
STRENGTHS = (10.0, 30.0, 100.0, 300.0)  # of the springs; 1,000 is beyond the limit of stability at this rate


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


def controls(bits: int) -> dict[str, Learner]:
    """The networks of `comparison`, and the adder whose parameters all start from (-1, 1)."""
    wide = Adder(digits=bits + 1, ranges=dict.fromkeys(adder.RANGES, (-1.0, 1.0)))
    return {**comparison(bits), WIDE: wide}


def _summarise_controls(data: xr.Dataset) -> str:
    return "\n".join(
        f"{name}, {lesson}: ones {format_mean(100 * end.sel(set='ones'), '.1f')}%, "
        f"unseen {format_mean(100 * end.sel(set='unseen'), '.1f')}%"
        for lesson in data.lesson.values
        for name in data.learner.values
        for end in [data.R.sel(lesson=lesson, learner=name, after="twos").dropna("seed")]
    )


@experiment(
    "transfer-controls",
    shows="ones, then twos, with the full carry left out or put in: what clause, digit by digit and ranges buy",
    claims=("C13", "C14"),
    quick={"seeds": range(2), "names": ("adder", "plain cell"), "passes": 2},
    sample={"seeds": FRESH_SEEDS[:20], "names": ("adder", "plain cell")},
    summary=_summarise_controls,
)
def transfer_controls(
    *, seeds: Sequence[int] = FRESH_SEEDS[:50], names: Sequence[str] = CONTROLS, passes: int = 100
) -> xr.Dataset:
    """Over (lesson, learner, seed): as "sequential", where one lesson has three sums with a full carry among the twos.

    None of the three is in the sets "unseen", "without full carry" and "with full carry", in either lesson.
    """
    rest = facts.without(facts.validation(), PUT_IN)
    full = facts.full_carry(rest)
    tests = {"unseen": rest, "without full carry": rest[~full], "with full carry": rest[full]}
    learners = controls(4)

    def lesson(more: np.ndarray) -> xr.Dataset:
        tasks = {"ones": facts.ones(), "twos": np.concatenate([facts.twos(), more])}

        def lessons(name: str) -> xr.Dataset:
            return _over_passes(
                protocol.sequential(learners[name], list(seeds), tasks, tests=tests, epochs=passes)
            ).drop_vars("accuracy")

        return side_by_side("learner", {name: name for name in names}, lessons, "transfer-controls")

    return xr.concat([lesson(more) for more in LESSONS.values()], xr.IndexVariable("lesson", list(LESSONS)))


@experiment(
    "one-by-one-controls",
    shows="random additions of 3-bit numbers one by one: which control learns to add, and the full carry",
    claims=("C13", "C14"),
    quick={"seeds": range(2), "names": ("adder", "plain cell"), "examples": 100},
    sample={"seeds": FRESH_SEEDS[:20], "names": ("adder", "plain cell")},
    summary=lambda data: "\n".join(
        f"{name}: {format_rate(data.accuracy.sel(learner=name, set='16 bits') == 1)} add all 16-bit pairs"
        for name in data.learner.values
    ),
)
def one_by_one_controls(
    *, seeds: Sequence[int] = FRESH_SEEDS[:50], names: Sequence[str] = CONTROLS[:-1], examples: int = 12000
) -> xr.Dataset:
    """Accuracy over (learner, seed, set) after the last example: unseen 3-bit pairs, and 1,000 pairs of 16 bits."""
    pairs = facts.random_pairs(1000, 16)
    full = facts.full_carry(pairs)
    tests = {"16 bits": pairs, "without full carry": pairs[~full], "with full carry": pairs[full]}
    learners = controls(3)

    def stream(name: str) -> xr.Dataset:
        data = protocol.one_by_one(learners[name], list(seeds), examples=examples, tests=tests)
        return data[["accuracy"]].isel(examples=-1, drop=True)

    return side_by_side("learner", {name: name for name in names}, stream, "one-by-one-controls")


def _summarise_remedies(data: xr.Dataset) -> str:
    after = 100 * data.R.sel(after="twos")
    return "\n".join(
        f"{name}: ones {format_mean(after.sel(remedy=name, set='ones'), '.1f')}%, "
        f"twos {format_mean(after.sel(remedy=name, set='twos'), '.1f')}%"
        for name in data.remedy.values
    )


@experiment(
    "remedies",
    shows="rehearsal and elastic weights on the perceptron: what they keep of the ones, and what it costs the twos",
    claims=("C12", "C14"),
    quick={"seeds": range(2), "strengths": (30.0,), "rehearsals": (1.0,), "passes": 2},
    sample={"seeds": FRESH_SEEDS[:10], "strengths": (30.0,), "rehearsals": (1.0,)},
    summary=_summarise_remedies,
)
def remedies_many(
    *,
    seeds: Sequence[int] = FRESH_SEEDS[:50],
    strengths: Sequence[float] = STRENGTHS,
    rehearsals: Sequence[float] = (0.06, 0.25, 1.0),
    passes: int = 50,
) -> xr.Dataset:
    """As "sequential", over (remedy, seed), with networks that first learn all of the ones.

    McCloskey and Cohen's rate was kept: on the seeds 9000 to 9009 smaller ones did not let elastic weights keep more
    of both sets. On these seeds 60 passes through the ones, long after they are learned, let the best strength gain
    six points in the mean accuracy on both sets.
    """
    remedies: dict[str, tuple[Learner, float]] = {"none": (Perceptron(), 0.0)}
    remedies |= {f"rehearsal {fraction:g}": (Perceptron(), fraction) for fraction in rehearsals}
    remedies |= {f"elastic {strength:g}": (Elastic(Perceptron(), strength=strength), 0.0) for strength in strengths}

    def lessons(remedy: tuple[Learner, float]) -> xr.Dataset:
        learner, fraction = remedy
        data = protocol.sequential(learner, list(seeds), target_accuracy=1.0, epochs=passes, rehearsal=fraction)
        return _over_passes(data).drop_vars("accuracy")

    return side_by_side("remedy", remedies, lessons, "remedies")


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
