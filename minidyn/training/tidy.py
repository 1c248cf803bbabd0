"""A run's history as a table for pandas, with a row per step or, of a single variable, per number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from minidyn import _checks as check

if TYPE_CHECKING:
    from pandas import DataFrame  # which comes with xarray


def table(history: xr.Dataset, name: str | None = None) -> DataFrame:
    """The table that `Run.to_pandas` describes."""
    if not history.sizes.get("step"):
        raise ValueError("history must have at least one step to be a table, got none")
    if name is not None:
        check.choice("name", name, [str(variable) for variable in history])
    frame = _per_step(history) if name is None else _per_number(history[name])
    frame.attrs = dict(history.attrs)
    return frame


def _per_step(history: xr.Dataset) -> DataFrame:
    """A column per series, and per class of what has an entry per class; NaN where a measure was not taken."""
    columns: dict[str, xr.DataArray] = {}
    for name, variable in history.data_vars.items():
        for column, series in _series(str(name), variable).items():
            if column in columns:
                raise ValueError(f"measure {column!r} must not be named like another column of the table")
            columns[column] = series.drop_vars("class", errors="ignore").reindex(step=history["step"])
    return xr.Dataset(columns).to_dataframe().reset_index()


def _series(name: str, variable: xr.DataArray) -> dict[str, xr.DataArray]:
    """The series over "step" that are in a variable; none if its entries are neither numbers nor per class."""
    variable = _over_step(variable)
    if variable.dims == ("step",):
        return {name: variable.astype(np.float64) if variable.dtype == bool else variable}
    if variable.dims == ("step", "class"):
        return {f"{name}_{label}": variable[:, i] for i, label in enumerate(variable["class"].values)}
    return {}


def _per_number(variable: xr.DataArray) -> DataFrame:
    """A row per number, with its step and its place on each further axis."""
    return _over_step(variable).to_dataframe().reset_index()


def _over_step(variable: xr.DataArray) -> xr.DataArray:
    """A variable over "step", whatever the axis of its steps is called."""
    along = variable.dims[0]
    return variable if along == "step" else variable.rename({along: "step"})
