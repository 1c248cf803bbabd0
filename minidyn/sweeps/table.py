"""The results of a sweep: how each run ended, and all of them laid out over the grid."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from minidyn import _provenance
from minidyn._version import __version__
from minidyn.ensembles import FinalValues, RunResult
from minidyn.sweeps.collect import Row
from minidyn.sweeps.plan import Plan


def row_of(result: RunResult, final: FinalValues) -> Row:
    """What the table holds of one run."""
    values = {name: value for name, value in asdict(final).items() if value is not None}
    row: Row = {**values, "diverged": result.diverged, "updates": result.updates}
    return row | {f"{name}_history": history for name, history in result.histories.items()}


def of_runs(rows: Mapping[int, Row]) -> xr.Dataset:
    """Some runs, at least one, all with the same shapes, over "run", the number in the plan."""
    table = xr.Dataset(coords={"run": np.array(list(rows), dtype=np.int64)})
    for name in next(iter(rows.values())):
        values = np.stack([np.asarray(row[name]) for row in rows.values()])
        inner = [f"{name.removesuffix('_history')}_step", *(f"{name}_axis{n}" for n in range(values.ndim - 2))]
        table[name] = (("run", *inner[: values.ndim - 1]), values)
    return table


def rows_of(table: xr.Dataset) -> dict[int, Row]:
    """The way back from `of_runs`."""
    columns = {str(name): values.values for name, values in table.data_vars.items()}
    return {int(n): {name: column[i] for name, column in columns.items()} for i, n in enumerate(table.run.values)}


def over_grid(plan: Plan, rows: Mapping[int, Row], errors: Mapping[int, str] | None = None) -> xr.Dataset:
    """The results of the runs, laid out over the grid.

    Numbers of a run that is missing are NaN (0 for counts); `errors` say why, by the number of the run in the plan.
    Histories, whose shapes only a run tells, are left out if all runs are missing.
    """
    number = {cell: n for n, cell in enumerate(plan.runs)}
    index = [number[cell] for cell in plan.cells]
    shape = [len(values) for values in plan.grid.values()]
    table = xr.Dataset(coords=dict(plan.grid))
    for name, values in of_runs(rows or {0: _missing(plan)}).data_vars.items():
        laid_out = _completed(values, len(plan.runs))[index].reshape(*shape, *values.shape[1:])
        table[name] = ((*plan.grid, *values.dims[1:]), laid_out)
    if errors is not None:
        table["error"] = tuple(plan.grid), np.reshape([errors.get(n, "") for n in index], shape)
    for name in plan.measure:
        table = table.assign_coords({f"{name}_step": plan.history_steps(name)})
    table.attrs = {
        "settings": json.dumps(plan.settings()),
        "minidyn": __version__,
        "numpy": np.__version__,
        "engine": plan.engine.name,
        **_provenance.provenance(),
        **({"device": plan.engine.device} if plan.engine.device else {}),
    }
    return table


def _missing(plan: Plan) -> Row:
    """What the table holds of a run that is missing."""
    has_validation = any(data.validation is not None for data in plan.datasets.values())
    nothing = {"static_loss": np.nan, "accuracy": np.nan, "sharpness": np.nan}
    final = FinalValues(**nothing, validation_accuracy=np.nan if has_validation else None)
    return row_of(RunResult(), final)


def _completed(values: xr.DataArray, total: int) -> NDArray:
    """The values of all runs, those of missing ones NaN, 0 or False."""
    missing = np.nan if values.dtype.kind == "f" else 0
    completed = np.full((total, *values.shape[1:]), missing, dtype=values.dtype)
    completed[values.run.values] = values.values
    return completed
