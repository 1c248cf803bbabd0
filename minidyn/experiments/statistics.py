"""Statistics of many runs: an interval of a mean, the gain of paired runs, the best cell of a grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr

from minidyn._typeset import typeset

TRAINED = 0.97  # the training accuracy from which a run counts as trained
RESAMPLES = 4000  # of the bootstrap


class Interval(NamedTuple):
    """A mean and the ends of its 95% interval; NaN, all three, if there were too few values to tell."""

    mean: float
    low: float
    high: float

    @property
    def is_nan(self) -> bool:
        """Whether there were too few values to tell."""
        return bool(np.isnan(self.mean))

    @property
    def is_above_zero(self) -> bool:
        """Whether the whole interval lies above zero; false if it is NaN."""
        return self.low > 0

    @property
    def is_below_zero(self) -> bool:
        """Whether the whole interval lies below zero; false if it is NaN."""
        return self.high < 0

    def map(self, function: Callable[[float], float]) -> Interval:
        """An increasing function of the mean and of both ends, such as a change of units."""
        return Interval(*map(function, self))


class TrainedCounts(NamedTuple):
    """How many runs of some pairs train.

    Attributes
    ----------
    static, dynamical : int
        Runs of either loss that train.
    pairs : int
        How many pairs there are.
    both : int
        Pairs of which both runs train.
    """

    static: int
    dynamical: int
    pairs: int
    both: int


class PairedGain(NamedTuple):
    """What the oscillation adds to the validation accuracy of pairs of runs.

    Attributes
    ----------
    overall : Interval
        Over all pairs.
    trained : TrainedCounts
        How many of the runs train.
    where_both_train : Interval
        Over the pairs in which both runs train.
    """

    overall: Interval
    trained: TrainedCounts
    where_both_train: Interval


class Cell(NamedTuple):
    """An amplitude and a period of the oscillation."""

    amplitude: float
    period: int


def interval(values: xr.DataArray, over: str) -> Interval:
    """Mean over all dimensions, and its 95% bootstrap interval.

    Parameters
    ----------
    values : xarray.DataArray
        NaN does not count.
    over : str
        The dimension of what is independent; whole groups along it are drawn again.

    Returns
    -------
    Interval
        NaN if fewer than two groups count.

    Examples
    --------
    >>> import xarray as xr
    >>> from minidyn.experiments.statistics import interval
    >>> interval(xr.DataArray([1.0, 1.0, 1.0], dims="seed"), "seed")
    Interval(mean=1.0, low=1.0, high=1.0)
    """
    within = [dim for dim in values.dims if dim != over]
    total, count = values.sum(within).values.astype(float), values.count(within).values
    total, count = total[count > 0], count[count > 0]
    if len(total) < 2:
        return Interval(np.nan, np.nan, np.nan)
    again = np.random.RandomState(0).randint(0, len(total), (RESAMPLES, len(total)))
    means = total[again].sum(axis=1) / count[again].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(total.sum() / count.sum()), float(low), float(high))


def paired_gain(static: xr.Dataset, dynamical: xr.Dataset) -> PairedGain:
    """The gain of dynamical over static runs that share weights and samples.

    Parameters
    ----------
    static, dynamical : xarray.Dataset
        "accuracy" and "validation_accuracy" at the end of the runs of each pair, over "data_seed" and "seed".

    Returns
    -------
    PairedGain
    """
    gain = dynamical.validation_accuracy - static.validation_accuracy
    static_trains, dynamical_trains = trained(static), trained(dynamical)
    both = static_trains & dynamical_trains
    counts = TrainedCounts(int(static_trains.sum()), int(dynamical_trains.sum()), gain.size, int(both.sum()))
    return PairedGain(interval(gain, "data_seed"), counts, interval(gain.where(both), "data_seed"))


def trained(data: xr.Dataset) -> xr.DataArray:
    """Which runs trained at all: at least 97% of the training samples right at the end."""
    return data.accuracy >= TRAINED


def best_cell(data: xr.Dataset) -> Cell:
    """The cell of the greatest mean validation accuracy over the seeds; amplitude 1, the static loss, is left out.

    Parameters
    ----------
    data : xarray.Dataset
        "validation_accuracy" over "amplitude", "period" and "seed".
    """
    mean = data.validation_accuracy.sel(amplitude=data.amplitude > 1).mean("seed")
    amplitude, period = mean.stack(cell=("amplitude", "period")).idxmax("cell").item()
    return Cell(float(amplitude), int(period))


def format_number(value: float, spec: str = "") -> str:
    """A number as a text prints it: with a true minus sign, and zero without a sign.

    Parameters
    ----------
    value : float
    spec : str
        As `format` takes it.

    Examples
    --------
    >>> from minidyn.experiments.statistics import format_number
    >>> format_number(-0.3, "+.1f"), format_number(-0.3, "+.0f")
    ('−0.3', '0')
    """
    return typeset(format(value, spec))


def format_interval(interval: Interval, spec: str = "+.3f", *, unit: str = "", label: str = "") -> str:
    """The mean, and in brackets the interval.

    Examples
    --------
    >>> from minidyn.experiments.statistics import Interval, format_interval
    >>> format_interval(Interval(0.02, 0.01, 0.04))
    '+0.020 (+0.010 to +0.040)'
    >>> format_interval(Interval(2, 1, 4), "+.1f", unit="%", label="95%: ")
    '+2.0% (95%: +1.0 to +4.0)'
    """
    mean, low, high = (format_number(value, spec) for value in interval)
    return f"{mean}{unit} ({label}{low} to {high})"


def format_mean(values: xr.DataArray, spec: str = ".2f") -> str:
    """The mean and the standard deviation of some values.

    Examples
    --------
    >>> import xarray as xr
    >>> from minidyn.experiments.statistics import format_mean
    >>> format_mean(xr.DataArray([1.0, 2.0, 3.0]), ".1f")
    '2.0 ± 1.0'
    """
    return f"{format_number(float(values.mean()), spec)} ± {float(values.std(ddof=1)):{spec.lstrip('+')}}"


def format_range(values: xr.DataArray, spec: str = ".2f") -> str:
    """The least and the greatest of some values.

    Examples
    --------
    >>> import xarray as xr
    >>> from minidyn.experiments.statistics import format_range
    >>> format_range(xr.DataArray([3.0, 1.0, 2.0]), ".0f")
    '1 to 3'
    """
    return f"{format_number(float(values.min()), spec)} to {format_number(float(values.max()), spec)}"
