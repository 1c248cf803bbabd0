"""The experiments of the first paper: before chaos they are reproducible, and their events are read off rightly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import minidyn as md
from minidyn import orbits
from minidyn.experiments import find, load
from minidyn.experiments.tilting.cycles import cycle_table
from minidyn.experiments.tilting.instabilities import figure_four_weights, notebook_kernel

REFERENCE = Path(__file__).parents[1] / "data" / "tilting_seed0.npz"


@pytest.mark.parametrize("name", ["published-run", "fresh-seed-run"])
def test_a_run_is_the_stored_one_as_long_as_nothing_amplifies_rounding(name):
    stored, fresh = load(name), find(name).run("full", steps=3000, progress=False)
    for variable in ("loss", "hessian_max", "ntk_max", "ntk_first50"):
        stored_part, fresh_part = xr.align(stored[variable], fresh[variable], join="inner")
        assert fresh_part.size == fresh[variable].size > 10
        np.testing.assert_allclose(fresh_part, stored_part, rtol=1e-4, err_msg=variable)
    assert float(np.abs(fresh.accuracy - stored.accuracy.sel(step=fresh.step)).max()) < 2 / 300


def test_the_two_stored_runs_differ():
    published, fresh = load("published-run"), load("fresh-seed-run")
    assert abs(float(published.loss[1000] / fresh.loss[1000]) - 1) > 1e-3


def test_the_published_run_shows_the_cascade():
    """Period 1, 2, 4 and chaos, in this order, at the second handover; the largest change in the first turn: FACTS."""
    loss = load("published-run").loss
    periods = [orbits.period(loss, step) for step in range(8500, 9600, 40)]
    firsts = [periods.index(wanted) for wanted in (1, 2, 4)]
    chaos = next(k for k in range(len(periods)) if periods[k : k + 3] == [0, 0, 0])
    assert [*firsts, chaos] == sorted([*firsts, chaos])
    assert float(np.abs(np.diff(loss[:5001])).max()) == pytest.approx(0.149, abs=5e-4)


def test_figure_four_weights_have_the_published_scale():
    (W, b), (V, c) = figure_four_weights()
    assert W.std() == pytest.approx(2**-0.5, rel=0.15)
    assert V.std() == pytest.approx(100**-0.5, rel=0.15)
    assert not b.any()
    assert not c.any()


def test_the_notebooks_kernel_is_the_reference():
    with np.load(REFERENCE) as reference:
        params = [(reference["W1"], reference["b1"]), (reference["W2"], reference["b2"])]
        expected = reference["ntk50_eigs_start"].max()
    eigenvalue = notebook_kernel(md.MLP(2, 100, 3), params, md.spiral(), md.CrossEntropy(), 0)
    assert eigenvalue == pytest.approx(expected, rel=1e-10)


@pytest.fixture
def history():
    """A made-up record of two turns of 1,000 steps: a burst of period 2 from 900 to 1050, sharpness 2.5 from 890 on."""
    step = np.arange(2201)
    loss = 1 - step / 5000 + 0.1 * (step % 2) * ((step >= 900) & (step <= 1050))
    sharp, kernel = step[::10], step[::20]
    return xr.Dataset(
        {
            "loss": ("step", loss),
            "static_loss": ("step", loss / 2),
            "accuracy": ("step", step / 2200),
            "validation_accuracy": ("step", step / 4400),
            "hessian_max": ("hessian_max_step", np.where((sharp >= 890) & (sharp <= 1050), 2.5, 1.0)),
            "ntk_max": ("ntk_max_step", np.where((kernel > 900) & (kernel <= 1050), 6.0, 8.0)),
        },
        {"step": step, "hessian_max_step": sharp, "ntk_max_step": kernel},
    )


def test_the_events_of_a_cycle(history):
    first, second = (cycle_table(history, 1000).isel(cycle=k) for k in (0, 1))
    assert first.burst_start == pytest.approx(901, abs=2)
    assert first.burst_end == pytest.approx(1050, abs=2)
    assert first.burst_reversals == pytest.approx(150, abs=3)
    assert first.burst_swing == pytest.approx(0.1, abs=1e-3)
    assert first.crossing == 890
    assert first.sharpness_before == first.sharpness_peak == 2.5
    assert (first.sharpness_middle, first.sharpness_end) == (1.0, 2.5)
    assert (first.ntk_before, first.ntk_least) == (8.0, 6.0)
    assert float(first.accuracy) == pytest.approx(1000 / 2200)
    assert np.isnan(second.burst_start)
    assert np.isnan(second.crossing)
    assert second.burst_reversals == 0


def test_periods_are_seen_at_their_phase(history):
    first = cycle_table(history, 1000).isel(cycle=0)
    assert 360 <= first.first_2 <= 420
    assert np.isnan(first.first_4)
    assert np.isnan(first.first_chaos)


def test_another_order_of_summation_lands_within_the_spread():
    """What the stored spread is worth: the early cycles of the two orders agree as statistics, static runs do not."""
    seeds = load("many-seeds").isel(cycle=slice(2, 6))
    for name in ("sharpness_middle", "burst_reversals", "accuracy"):
        given, permuted, static = (seeds[name].sel(run=run) for run in ("given", "permuted", "static"))
        spread = given.std("seed")
        assert float((np.abs(given.mean("seed") - permuted.mean("seed")) / spread).max()) < 1
        assert float((np.abs(given.mean("seed") - static.mean("seed")) / spread).max()) > 2
