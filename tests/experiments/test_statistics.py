"""Statistics of many runs: the interval covers, pairs tell training from generalising, the best cell is not static."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from minidyn.experiments.statistics import (
    TRAINED,
    Cell,
    Interval,
    best_cell,
    format_interval,
    format_mean,
    format_number,
    format_range,
    interval,
    paired_gain,
    trained,
)
from minidyn.experiments.tilting.learning import validation_gain


def test_an_interval_covers_the_mean_as_often_as_it_says():
    random = np.random.RandomState(0)
    intervals = [interval(xr.DataArray(random.randn(40, 3), dims=("group", "seed")), "group") for _ in range(200)]
    assert 0.9 < np.mean([ends.low < 0 < ends.high for ends in intervals]) < 0.98


def test_an_interval_counts_once_what_is_alike_within_a_group():
    groups = np.random.RandomState(1).randn(20)
    alone = interval(xr.DataArray(groups[:, None], dims=("group", "seed")), "group")
    copied = interval(xr.DataArray(np.repeat(groups[:, None], 10, 1), dims=("group", "seed")), "group")
    assert copied == pytest.approx(alone)


def test_an_interval_leaves_nan_out():
    values = xr.DataArray([[1.0, np.nan], [3.0, 3.0], [np.nan, np.nan]], dims=("group", "seed"))
    mean, low, high = interval(values, "group")
    assert mean == pytest.approx(7 / 3)
    assert 1 <= low <= mean <= high <= 3


def test_an_interval_of_fewer_than_two_groups_is_nan():
    values = xr.DataArray([[1.0], [np.nan]], dims=("group", "seed"))
    assert interval(values, "group").is_nan
    assert not interval(values.fillna(2), "group").is_nan


@pytest.mark.parametrize(
    ("ends", "above", "below"),
    [
        (Interval(2, 1, 3), True, False),
        (Interval(-2, -3, -1), False, True),
        (Interval(1, -1, 3), False, False),
        (Interval(np.nan, np.nan, np.nan), False, False),
    ],
)
def test_an_interval_tells_on_which_side_of_zero_it_lies(ends, above, below):
    assert (ends.is_above_zero, ends.is_below_zero) == (above, below)


def test_an_interval_is_formatted_in_its_unit():
    gain = Interval(0.02, -0.01, 0.04)
    assert format_interval(gain) == "+0.020 (−0.010 to +0.040)"
    percent = gain.map(lambda value: 100 * value)
    assert format_interval(percent, "+.1f", unit="%", label="95%: ") == "+2.0% (95%: −1.0 to +4.0)"


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (-0.6, ".1f", "−0.6"),
        (-0.04, ".1f", "0.0"),
        (-0.04, "+.0%", "−4%"),
        (-0.004, "+.0%", "0%"),
        (0.0, "+.2f", "0.00"),
        (-0.05, "+.2f", "−0.05"),
        (-2e-9, ".0e", "−2e-09"),
        (-1234.5, ",.0f", "−1,234"),
        (0.5, "+.1f", "+0.5"),
        (float("nan"), ".1f", "nan"),
    ],
)
def test_a_number_in_a_text_has_a_true_minus_sign_and_zero_has_no_sign(value, spec, text):
    assert format_number(value, spec) == text


def test_a_mean_and_a_range_have_true_minus_signs_too():
    values = xr.DataArray([-3.0, -2.0, -1.0])
    assert format_mean(values, "+.1f") == "−2.0 ± 1.0"
    assert format_range(values, ".0f") == "−3 to −1"
    assert format_mean(xr.DataArray([-0.02, 0.01]), ".1f") == "0.0 ± 0.0"


def test_a_paired_gain_tells_training_from_generalising():
    dims = ("kind", "data_seed", "seed")
    accuracy = [[[1.0], [0.5], [1.0]], [[1.0], [1.0], [1.0]]]
    validation_accuracy = [[[0.8], [0.4], [0.9]], [[0.9], [0.9], [0.9]]]
    pairs = xr.Dataset(
        {"accuracy": (dims, accuracy), "validation_accuracy": (dims, validation_accuracy)},
        {"kind": ["static", "dynamical"]},
    )
    gain = paired_gain(pairs.sel(kind="static"), pairs.sel(kind="dynamical"))
    assert gain.overall.mean == pytest.approx(0.2)
    assert gain.trained == (2, 3, 3, 2)
    assert (gain.trained.static, gain.trained.dynamical, gain.trained.pairs, gain.trained.both) == (2, 3, 3, 2)
    assert gain.where_both_train.mean == pytest.approx(0.05)
    assert validation_gain(pairs) == gain


def test_a_run_trains_from_97_per_cent_on():
    data = xr.Dataset({"accuracy": ("seed", [TRAINED - 1e-3, TRAINED, 1.0])})
    assert TRAINED == 0.97
    assert trained(data).values.tolist() == [False, True, True]


def test_the_best_cell_is_that_of_the_mean_over_seeds_and_is_never_static():
    values = np.zeros((3, 2, 2))
    values[0], values[1, 1], values[2, 0] = 0.9, [0.4, 0.6], [0.0, 0.8]
    data = xr.Dataset(
        {"validation_accuracy": (("amplitude", "period", "seed"), values)},
        {"amplitude": [1.0, 5.0, 20.0], "period": [100, 500], "seed": [0, 1]},
    )
    assert best_cell(data) == Cell(amplitude=5, period=500)
