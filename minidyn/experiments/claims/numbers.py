"""How the findings write their numbers."""

from __future__ import annotations

import json
from typing import Any

import xarray as xr

from minidyn.experiments.statistics import Interval, format_interval, format_mean


def percent(values: xr.DataArray) -> str:
    """Mean and standard deviation in percent."""
    return f"{format_mean(100 * values, '.1f')}%"


def gain(gain: Interval) -> str:
    """A gain in percentage points, with its 95% interval."""
    return format_interval(gain.map(lambda value: 100 * value), "+.1f", unit=" points", label="95%: ")


def standard_error(values: xr.DataArray) -> float:
    return float(values.std(ddof=1)) / values.size**0.5


def quartiles(values: xr.DataArray) -> str:
    low, high = values.quantile([0.25, 0.75]).values
    return f"{low:.2f} to {high:.2f}"


def arguments(data: xr.Dataset) -> dict[str, Any]:
    """The settings with which a stored result was made."""
    return dict(json.loads(data.attrs["arguments"]))


def pairs_per_width(data: xr.Dataset) -> str:
    return f"{data.sizes['data_seed'] * data.sizes['seed']} pairs per width ({data.sizes['data_seed']} samples of data)"
