"""How many cells with a conditional clause learn to add, and from which first parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from minidyn import _progress
from minidyn.experiments.forgetting.tables import FRESH_SEEDS, format_rate, side_by_side
from minidyn.experiments.registry import experiment
from minidyn.forgetting import adder, facts

PROOF = {True: 1, False: 0, None: -1}  # of whether a cell is addition: proven, refuted, not settled
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


def _summarise_adder(data: xr.Dataset) -> str:
    rows = []
    for clause in data.clause.values:
        cells = data.isel(steps=-1).sel(clause=clause)
        rows.append(
            f"{clause}: {format_rate(cells.accuracy == 1)} add all pairs; proven {format_rate(cells.exact == 1)}"
        )
    return "\n".join(rows)


@experiment(
    "adder",
    shows="how many cells learn to add 16-bit numbers: clause soft, hardened after training, hard throughout",
    claims=("C13", "C15"),
    quick={"seeds": range(10), "at": (3000,), "pairs": 200},
    sample={"seeds": FRESH_SEEDS[:40]},
    summary=_summarise_adder,
)
def adder_many(
    *, seeds: Sequence[int] = FRESH_SEEDS, at: Sequence[int] = (1500, 3000, 6000, 12000), pairs: int = 1000
) -> xr.Dataset:
    """Over "clause", "seed" and "steps".

    `accuracy` on random 16-bit pairs; `exact`, at the last step, whether the cell is addition (1: proven, 0: refuted,
    -1: not settled); `values`, the cell's twelve parameters at the last step.
    """
    tests = facts.random_pairs(pairs, 16)
    trajectories = {}
    with _progress.bar(2, "adder", "clauses") as bar:
        for clause in adder.CLAUSES:
            trajectories[clause] = adder.trajectory(list(seeds), at, clause=clause)
            bar.update()
    soft, hard = trajectories["soft"], trajectories["hard"]
    runs = {"soft": soft, "hardened": {step: adder.harden(cells) for step, cells in soft.items()}, "hard": hard}
    accuracy = [[adder.accuracy(cells, tests) for cells in run.values()] for run in runs.values()]
    last = [run[max(at)] for run in runs.values()]
    return xr.Dataset(
        {
            "accuracy": (("clause", "steps", "seed"), np.array(accuracy)),
            "exact": (("clause", "seed"), [_proofs(cells) for cells in last]),
            "values": (("clause", "seed", "parameter"), np.stack([cells.values for cells in last])),
        },
        {"clause": list(runs), "steps": sorted(at), "seed": list(seeds)},
    )


def _proofs(cells: adder.Params) -> list[int]:
    programs: Any = adder.algorithm(cells)  # a list, for a batch
    return [PROOF[program.exact] for program in programs]


def soft_and_hardened(cells: adder.Params, seeds: Sequence[int]) -> xr.Dataset:
    """Accuracy on 1,000 random 16-bit pairs over "seed", with the clause soft and hardened."""
    tests = facts.random_pairs(1000, 16)
    accuracy = {"soft": adder.accuracy(cells, tests), "hardened": adder.accuracy(cells, tests, clause="hard")}
    return xr.Dataset({name: ("seed", values) for name, values in accuracy.items()}, {"seed": list(seeds)})


def _summarise_ranges(data: xr.Dataset) -> str:
    return "\n".join(
        f"{name}: {format_rate(cells.soft == 1)} soft, {format_rate(cells.hardened == 1)} hardened"
        for name in data.ranges.values
        for cells in [data.sel(ranges=name)]
    )


@experiment(
    "adder-initialisation",
    shows="how many cells learn to add, by the ranges from which their first parameters are drawn",
    claims=("C13",),
    quick={"seeds": range(4), "steps": 500},
    sample={"seeds": FRESH_SEEDS[:40]},
    summary=_summarise_ranges,
)
def adder_initialisation(*, seeds: Sequence[int] = FRESH_SEEDS, steps: int = 12000) -> xr.Dataset:
    """Accuracy on 1,000 random 16-bit pairs over (ranges, seed), with the clause soft and hardened."""

    def accuracy(ranges: Mapping[str, tuple[float, float]]) -> xr.Dataset:
        return soft_and_hardened(adder.train(list(seeds), steps=steps, ranges=ranges), seeds)

    return side_by_side("ranges", RANGES, accuracy, "adder-initialisation")
