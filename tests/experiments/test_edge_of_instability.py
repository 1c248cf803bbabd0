"""The edge of instability: cells are at their labels, windows and spectra are of the runs they name."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import minidyn as md
from minidyn import orbits
from minidyn.experiments import find
from minidyn.experiments.topography.edge_of_instability import (
    EDGE_RATES,
    NEGLIGIBLE,
    EdgeRun,
    unstable_intervals,
    window_table,
)
from minidyn.sweeps import LOSSES


def edge_run(loss, **changes):
    """A short run of the static loss, unless something else is asked for."""
    settings = {"width": 10, "learning_rate": 0.5, "seed": 0, "amplitude": 1, "period": 500, "steps": 500}
    return EdgeRun(loss=loss, **{**settings, **changes})


@pytest.mark.parametrize("loss", EDGE_RATES)
def test_the_rate_of_the_edge_is_the_first_that_bounces_in_the_first_turn(loss):
    net, task, dynamical = md.MLP(2, 100, 3), md.spiral(), LOSSES[loss](md.Oscillation(70, 5000))

    def bounces(rate):
        run = md.train(net, net.init(0), task, dynamical, learning_rate=rate, steps=5000, progress=False)
        return bool((orbits.loss_changes(run.history).descent > NEGLIGIBLE).any())

    rates = (0.2, 0.35, 0.5, 0.7, 1)
    assert next(rate for rate in rates if bounces(rate)) == EDGE_RATES[loss]


def test_cells_are_at_their_labels():
    data = find("edge").run("quick", progress=False, turns=1)
    for loss, rate in EDGE_RATES.items():
        alone = window_table(edge_run(loss, learning_rate=rate, seed=1, amplitude=70))
        cell = data.sel(loss=loss, seed=1, drop=True).drop_vars("learning_rate")
        xr.testing.assert_allclose(cell, alone)
        assert float(data.learning_rate.sel(loss=loss)) == rate


def test_windows_hold_what_they_say():
    data = window_table(edge_run("cross_entropy"))
    net, task, static = md.MLP(2, 10, 3), md.spiral(), md.CrossEntropy()
    settings = {"learning_rate": 0.5, "steps": 500, "measure": {"params": 25}}
    run = md.train(net, net.init(0), task, static, **settings, progress=False)
    assert data.step.values.tolist() == [0, 125, 250, 375]
    assert float(data.F[1]) == pytest.approx(float(run.history.loss[125:250].mean()), rel=1e-6)
    weights = map(net.unflatten, run.history.params.sel(params_step=slice(0, 100)).values)
    sharpness = [0.5 * md.hessian_eigenvalues(net, params, task, static).values[0] for params in weights]
    assert len(sharpness) == 5
    assert float(data.edge_most[0]) == pytest.approx(max(sharpness), rel=1e-6)
    assert float(data.edge[0]) == pytest.approx(np.mean(sharpness), rel=1e-6)
    assert not data.bounces.any()
    assert not data.rise.any()


def test_bounces_are_updates_that_increase_the_loss():
    data = window_table(edge_run("mse_output", width=100, learning_rate=0.9, steps=2500))
    assert float(data.bounces[:2].max()) == 0 < 0.2 < float(data.bounces[-1])
    assert float(data.rise[-1]) > NEGLIGIBLE


@pytest.fixture
def bouncing():
    """Sixteen windows of one run: calm, an interval with a cascade, calm, a single window."""
    bounces = np.zeros(16)
    bounces[3:9] = bounces[14] = 0.5
    columns = {
        "bounces": bounces,
        "edge": 1 + 0.1 * np.arange(16),
        "edge_most": 2 + 0.1 * np.arange(16),
        "rise": bounces / 10,
        "period": np.array([1, 1, 4, 1, 2, 2, 4, 0, 0, 1, 1, 1, 1, 1, 2, 1]),
    }
    variables = {name: (("seed", "step"), column[None]) for name, column in columns.items()}
    return xr.Dataset(variables, {"seed": [7], "step": 125 * np.arange(16)})


def test_unstable_intervals_hold_the_bounces(bouncing):
    table = unstable_intervals(bouncing)
    assert table.seed.tolist() == [7, 7]
    assert table.start.tolist() == [375, 1750]
    assert table.end.tolist() == [1125, 1875]
    assert table.before.tolist() == pytest.approx([1.2, 2.3])
    assert table.peak.tolist() == pytest.approx([2.8, 3.4])
    assert table.loc[0, ["first_2", "first_4", "first_chaos"]].tolist() == [125, 375, 625]
    assert table.first_2[1] == 0
    assert np.isnan(table.first_4[1])


def test_calm_runs_have_no_unstable_intervals(bouncing):
    assert unstable_intervals(bouncing.assign(bounces=0 * bouncing.bounces)).empty


def test_spectra_are_of_the_run():
    data = find("burst-spectra").run("quick", progress=False)
    net, task, rate = md.MLP(2, 5, 3), md.spiral(), EDGE_RATES["mse_output"]
    loss = LOSSES["mse_output"](md.Oscillation(70, 250))
    run = md.train(net, net.init(0), task, loss, learning_rate=rate, steps=375, progress=False)
    expected = rate * np.linalg.eigvalsh(md.hessian(net, run.params, task, loss, 375))[::-1]
    np.testing.assert_allclose(data.edges.sel(loss="mse_output", at=375), expected, atol=1e-6)
    assert float(data.F.sel(loss="mse_output", step=375)) == pytest.approx(float(run.history.loss[-1]), rel=1e-6)
