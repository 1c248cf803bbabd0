"""How the runs of grids on the spirals end, with the same number of updates for every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

import minidyn as md
from minidyn import _checks as check
from minidyn.losses import accuracy
from minidyn.model import Model
from minidyn.sweeps import VALIDATION_SEED_OFFSET

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


def spiral_ends(net: Model, params: Any, seed: int) -> dict[str, float]:
    """How a run on the spirals of a seed ends; loss and sharpness, of the static loss, are NaN if it diverged."""
    task, validation, static = (
        md.spiral(seed=seed),
        validation_spirals(0.2, seed + VALIDATION_SEED_OFFSET),
        md.CrossEntropy(),
    )
    logits = net.logits(params, task.x)
    finite = bool(np.isfinite(logits).all())
    return {
        "accuracy": accuracy(logits, task.labels),
        "validation_accuracy": accuracy(net.logits(params, validation.x), validation.labels),
        "static_loss": float(static.value(logits, task.labels)) if finite else np.nan,
        "sharpness": float(md.hessian_eigenvalues(net, params, task, static).values[0]) if finite else np.nan,
    }


def run_ends(sweep: xr.Dataset) -> xr.Dataset:
    """What is stored of a sweep: how its runs end, in few bytes."""
    return sweep[[*ENDS]].astype(np.float32).assign(diverged=sweep.diverged.astype(np.int8))


def run_grid(grid: Mapping[str, Sequence[Any]], budget: Budget) -> xr.Dataset:
    """How every run of a grid ends, on the spirals, at η = 1 unless the grid names it."""
    return run_ends(md.sweep(grid, steps=budget.steps, rest=budget.rest, validation=validation_spirals))


def table_of_ends(ends: Sequence[Mapping[str, float]], coords: Mapping[str, Sequence[Any]]) -> xr.Dataset:
    """How runs end, over the coordinates, of which the last is the fastest."""
    shape = [len(values) for values in coords.values()]
    values = {name: np.reshape([end[name] for end in ends], shape).astype(np.float32) for name in ends[0]}
    return xr.Dataset({name: (tuple(coords), value) for name, value in values.items()}, coords)
