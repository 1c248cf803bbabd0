"""Results: stored with their provenance, loaded by name, and compared with a rerun."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from minidyn.experiments import results
from minidyn.experiments.cli import TOLERANCE
from minidyn.experiments.results import reproduction_error
from tests.experiments import coin


@pytest.fixture
def flips(monkeypatch):
    return coin.register(monkeypatch)


def test_a_missing_result_names_the_command(flips, tmp_path):
    with pytest.raises(FileNotFoundError, match="minidyn run coin-flips --full"):
        results.load("coin-flips", tmp_path)


def test_the_error_is_zero_for_the_same_and_large_for_another_bias(flips):
    stored = flips.run("full")
    assert reproduction_error(stored, flips.run("full", seeds=range(4)))["heads"] == 0
    assert reproduction_error(stored, flips.run("full", bias=0.99))["heads"] > 2


def test_the_error_is_infinite_for_a_variable_that_one_of_the_two_lacks(flips):
    stored = flips.run("full")
    assert reproduction_error(stored, stored.rename(heads="tails")) == {"heads": np.inf, "tails": np.inf}


def test_the_error_is_infinite_without_common_labels(flips):
    stored = flips.run("full")
    assert reproduction_error(stored, flips.run("full", seeds=range(30, 33)))["heads"] == np.inf


def series(*values, dim="seed"):
    return xr.Dataset({"x": (dim, np.array(values, float))}, {dim: range(len(values))})


@pytest.mark.parametrize("dim", ["seed", "step"])
def test_a_rerun_that_is_all_nan_is_infinitely_far(dim):
    stored, nan = series(1, 2, 3, dim=dim), series(np.nan, np.nan, np.nan, dim=dim)
    assert reproduction_error(stored, nan)["x"] == np.inf > TOLERANCE
    assert reproduction_error(nan, stored)["x"] == np.inf


@pytest.mark.parametrize("dim", ["seed", "step"])
def test_what_is_nan_in_both_is_the_same(dim):
    nan = series(np.nan, np.nan, dim=dim)
    assert reproduction_error(nan, nan)["x"] == 0


def test_a_single_nan_beside_numbers_is_infinitely_far_where_runs_are_not_averaged():
    assert reproduction_error(series(1, 2, dim="step"), series(1, np.nan, dim="step"))["x"] == np.inf
    assert reproduction_error(series(1, np.nan, dim="step"), series(1, np.nan, dim="step"))["x"] == 0


def test_events_that_most_cells_of_a_rerun_lack_are_infinitely_far():
    dims, shape = ("cycle", "seed"), (5, 2)
    stored = xr.Dataset({"x": (dims, np.arange(10.0).reshape(shape))})
    for lacking, error in ((2, 0), (3, np.inf)):
        rerun = stored.copy(deep=True)
        rerun.x[:lacking] = np.nan
        assert reproduction_error(stored, rerun)["x"] == error


def test_equal_infinities_are_the_same_and_others_are_not():
    assert reproduction_error(series(1, np.inf, dim="step"), series(1, np.inf, dim="step"))["x"] == 0
    assert reproduction_error(series(1, np.inf, dim="step"), series(1, 2, dim="step"))["x"] == np.inf


def test_a_place_that_one_seed_reaches_is_measured_by_the_spread_elsewhere():
    stored = xr.Dataset({"x": (("lead", "seed"), [[10.0, np.nan, np.nan], [10.0, 11.0, 12.0]])})
    rerun = stored.copy(deep=True)
    rerun.x[0, 0] += 0.5
    assert 0 < reproduction_error(stored, rerun)["x"] < 1
    rerun.x[0, 0] += 10
    assert reproduction_error(stored, rerun)["x"] > TOLERANCE
