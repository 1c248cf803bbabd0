"""How the runs of grids on the spirals end, with the same number of updates for every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

import minidyn as md
from minidyn import _checks as check

ENDS = ("accuracy", "validation_accuracy", "static_loss", "sharpness")  # what is stored of the end of a run


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The updates of every run, the same for all, and how many of them, the last, are at Γ = 1."""

    steps: int
    rest: int

    def __post_init__(self) -> None:
        check.integer("steps", self.steps, least=0)
        check.integer("rest", self.rest, least=0, most=self.steps)


FULL = Budget(steps=35000, rest=5000)
SHORT = {"steps": 1200, "rest": 200}  # for runs of seconds


def validation_spirals(noise: float, seed: int) -> md.Task:
    """Ten times the spiral's points, so that the validation accuracy is known to half a per cent."""
    return md.spiral(1000, noise=noise, seed=seed)


def run_ends(sweep: xr.Dataset) -> xr.Dataset:
    """What is stored of a sweep: how its runs end, in few bytes."""
    return sweep[[*ENDS]].astype(np.float32).assign(diverged=sweep.diverged.astype(np.int8))


def run_grid(grid: Mapping[str, Sequence[Any]], budget: Budget) -> xr.Dataset:
    """How every run of a grid ends, on the spirals, at η = 1 unless the grid names it."""
    return run_ends(md.sweep(grid, steps=budget.steps, rest=budget.rest, validation=validation_spirals))
