"""One setting, several seeds: training accuracy update by update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import joblib
import xarray as xr

import minidyn as md
from minidyn.experiments.registry import experiment
from minidyn.experiments.statistics import format_range


def _summarise(data: xr.Dataset) -> str:
    return f"training accuracy at the end, over {data.sizes['seed']} seeds: {format_range(data.accuracy)}"


@experiment(
    "ten-seeds",
    shows="how differently networks train that differ in their initial weights only",
    quick={"seeds": range(2), "width": 10, "steps": 400, "rest": 100},
    sample={"seeds": range(2)},
    summary=_summarise,
)
def ten_seeds(
    *,
    seeds: Sequence[int] = range(10),
    amplitude: float = 20,
    period: int = 100,
    width: int = 50,
    steps: int = 10000,
    rest: int = 1000,
) -> xr.Dataset:
    """Training accuracy at the end, and at every 151st update, over "seed"."""
    grid: dict[str, Sequence[Any]] = {
        "amplitude": [amplitude],
        "period": [period],
        "width": [width],
        "seed": seeds,
    }
    table = md.sweep(
        grid, steps=steps, rest=rest, measure={"accuracy": 151}, workers=joblib.cpu_count(), progress=False
    )
    return table[["accuracy", "accuracy_history"]].squeeze(drop=True).astype("float32")
