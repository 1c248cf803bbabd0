"""The results of a sweep: how each run ended, and all of them laid out over the grid."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr

from minidyn._version import __version__
from minidyn.ensembles import RunResult
from minidyn.ensembles.interface import FinalValues
from minidyn.sweeps.plan import Plan


def columns(result: RunResult, final: FinalValues) -> dict[str, Any]:
    """What the table holds of one run."""
    values = {name: value for name, value in asdict(final).items() if value is not None}
    row: dict[str, Any] = {**values, "diverged": result.diverged, "updates": result.updates}
    return row | {f"{name}_history": history for name, history in result.histories.items()}


def of_runs(numbers: Sequence[int], rows: Sequence[dict[str, Any]]) -> xr.Dataset:
    """The results of some runs, over "run", the number in the plan."""
    table = xr.Dataset(coords={"run": np.array(numbers)})
    for name in rows[0]:
        values = np.stack([np.asarray(row[name]) for row in rows])
        inner = [f"{name.removesuffix('_history')}_step", *(f"{name}_axis{n}" for n in range(values.ndim - 2))]
        table[name] = (("run", *inner[: values.ndim - 1]), values)
    return table


def over_grid(plan: Plan, runs: xr.Dataset) -> xr.Dataset:
    """The results of all runs, laid out over the grid."""
    number = {cell: n for n, cell in enumerate(plan.runs)}
    index = [number[cell] for cell in plan.cells]
    shape = [len(values) for values in plan.grid.values()]
    table = xr.Dataset(coords=dict(plan.grid))
    for name, values in runs.data_vars.items():
        laid_out = values.values[index].reshape(*shape, *values.shape[1:])
        table[name] = ((*plan.grid, *values.dims[1:]), laid_out)
    for name in plan.measure:
        table = table.assign_coords({f"{name}_step": plan.history_steps(name)})
    table.attrs = {
        "settings": json.dumps(plan.settings()),
        "minidyn": __version__,
        "numpy": np.__version__,
        "engine": plan.engine.name,
        **({"device": plan.engine.device} if plan.engine.device else {}),
    }
    return table
