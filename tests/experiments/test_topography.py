"""The experiments of the second paper: what they chose, what they count, and that cells end up at their labels."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import minidyn as md
from minidyn import orbits
from minidyn.experiments import find, load, topography
from minidyn.experiments.learning import chosen
from minidyn.sweeps import LOSSES


def test_the_choices_are_those_of_the_stored_grid():
    grid = load("loss-grid")
    for loss in topography.NAMES:
        for width in topography.WIDTHS:
            assert topography.CHOICES[loss][width] == chosen(grid, width, loss=loss)


@pytest.mark.parametrize("loss", topography.NAMES)
def test_the_rate_of_the_edge_is_the_first_that_bounces_in_the_first_turn(loss):
    net, task, moving = md.MLP(2, 100, 3), md.spiral(), LOSSES[loss](md.Oscillation(70, 5000))

    def bounces(rate):
        run = md.train(net, net.init(0), task, moving, learning_rate=rate, steps=5000, progress=False)
        return bool((orbits.loss_changes(run.history).descent > topography.NEGLIGIBLE).any())

    rates = (0.2, 0.35, 0.5, 0.7, 1)
    assert next(rate for rate in rates if bounces(rate)) == topography.EDGE_RATES[loss]


def test_outer_arms_can_be_fitted_but_the_spirals_cannot():
    def repeated(task):
        return len(task) - len(np.unique(task.x, axis=0))

    assert repeated(topography.outer_arms()) == 0
    assert repeated(md.spiral()) == 2


def test_a_nudge_is_a_millionth():
    net = md.MLP(2, 10, 3)
    before = topography._flat(net.init(0))
    after = topography._flat(topography.nudged(net, net.init(0)))
    assert np.linalg.norm(after - before) == pytest.approx(1e-6 * np.linalg.norm(before), rel=1e-6)


def test_zero_loss_weights_have_no_slope_and_another_curvature_at_every_phase():
    data = find("global-minima").run("quick", progress=False, seeds=(0,), rest=10)
    assert float(data.static_loss.max()) < 1e-20
    assert float(data.gradient.max()) < 1e-10
    assert float((data.sharpness / data.static_sharpness).min()) > 1 - 1e-6
    assert float((data.sharpness.max("phase") / data.static_sharpness).min()) > 1.2
    stays, leaves = (data.highest.sel(relative_step=step) for step in topography.RELATIVE_STEPS)
    assert float(stays.max()) < 1e-9 < 1e-3 < float(leaves.min())


def test_cells_are_at_their_labels():
    data = find("edge").run("quick", progress=False, turns=1)
    for loss, rate in topography.EDGE_RATES.items():
        alone = topography._windows(loss, 10, rate, 1, 70, 500, 500)
        cell = data.sel(loss=loss, seed=1, drop=True).drop_vars("learning_rate")
        xr.testing.assert_allclose(cell, alone)
        assert float(data.learning_rate.sel(loss=loss)) == rate


def test_windows_hold_what_they_say():
    data = topography._windows("cross_entropy", 10, 0.5, 0, 1, 500, 500)
    net, task, static = md.MLP(2, 10, 3), md.spiral(), md.CrossEntropy()
    params = net.init(0)
    run = md.train(net, params, task, static, learning_rate=0.5, steps=500, progress=False)
    assert data.step.values.tolist() == [0, 125, 250, 375]
    assert float(data.F[1]) == pytest.approx(float(run.history.loss[125:250].mean()), rel=1e-6)
    at = [md.train(net, params, task, static, learning_rate=0.5, steps=k, progress=False).params for k in (25, 50)]
    edges = [0.5 * md.hessian_eigenvalues(net, p, task, static).values[0] for p in at]
    assert float(data.edge_most[0]) >= max(edges) * (1 - 1e-6)
    assert float(data.edge[0]) == pytest.approx(np.mean(edges), rel=0.2)
    assert not data.bounces.any()
    assert not data.rise.any()


def test_bounces_are_updates_that_raise_the_loss():
    data = topography._windows("mse_output", 100, 0.9, 0, 1, 500, 2500)
    assert float(data.bounces[:2].max()) == 0 < 0.2 < float(data.bounces[-1])
    assert float(data.rise[-1]) > topography.NEGLIGIBLE


@pytest.fixture
def shaking():
    """Sixteen windows of one run: calm, a stretch with a cascade, calm, a single window."""
    bounces = np.zeros(16)
    bounces[3:9] = bounces[14] = 0.5
    columns = {
        "bounces": bounces,
        "edge": 1 + 0.1 * np.arange(16),
        "edge_most": 2 + 0.1 * np.arange(16),
        "rise": bounces / 10,
        "period": np.array([1, 1, 4, 1, 2, 2, 4, 0, 0, 1, 1, 1, 1, 1, 2, 1]),
    }
    found = {name: (("seed", "step"), column[None]) for name, column in columns.items()}
    return xr.Dataset(found, {"seed": [7], "step": 125 * np.arange(16)})


def test_stretches_of_bounces(shaking):
    found = topography.stretches(shaking)
    assert found.seed.tolist() == [7, 7]
    assert found.start.tolist() == [375, 1750]
    assert found.end.tolist() == [1125, 1875]
    assert found.before.tolist() == pytest.approx([1.2, 2.3])
    assert found.peak.tolist() == pytest.approx([2.8, 3.4])
    assert found.loc[0, ["first_2", "first_4", "first_chaos"]].tolist() == [125, 375, 625]
    assert found.first_2[1] == 0
    assert np.isnan(found.first_4[1])


def test_calm_runs_have_no_stretches(shaking):
    assert topography.stretches(shaking.assign(bounces=0 * shaking.bounces)).empty


def test_gains_tell_training_from_generalising():
    accuracy = [[[1.0], [0.5], [1.0]], [[1.0], [1.0], [1.0]]]
    unseen = [[[0.8], [0.4], [0.9]], [[0.9], [0.9], [0.9]]]
    dims = ("kind", "data_seed", "seed")
    pairs = xr.Dataset({"accuracy": (dims, accuracy), "validation_accuracy": (dims, unseen)}).assign_coords(
        kind=["static", "dynamical"]
    )
    gain, trained, given = topography.gains(pairs)
    assert gain[0] == pytest.approx(0.2)
    assert trained == (2, 3, 3, 2)
    assert given[0] == pytest.approx(0.05)


def test_held_out_pairs_are_the_runs_they_name():
    choices = {"mse_sample": {5: (5, 100)}, "mse_output": {5: (5, 100)}}
    data = find("held-out-losses").run("quick", progress=False, choices=choices, steps=300, rest=50, data_seeds=(2,))
    one = data.sel(loss="mse_output", width=5, data_seed=2, seed=100)
    other = data.sel(loss="mse_sample", width=5, data_seed=2, seed=100)
    assert float(one.static_loss.sel(kind="static")) == float(other.static_loss.sel(kind="static"))
    assert float(one.static_loss.sel(kind="dynamical")) != float(other.static_loss.sel(kind="dynamical"))
    net, task = md.MLP(2, 5, 3), md.spiral(seed=2)
    loss = LOSSES["mse_output"](md.Oscillation(5, 100, rest_from=250))
    run = md.train(net, net.init(100), task, loss, learning_rate=1.0, steps=300, progress=False)
    assert float(one.static_loss.sel(kind="dynamical")) == pytest.approx(float(run.history.static_loss[-1]), rel=1e-6)


def test_spectra_are_of_the_run():
    data = find("burst-spectra").run("quick", progress=False)
    net, task, rate = md.MLP(2, 5, 3), md.spiral(), topography.EDGE_RATES["mse_output"]
    loss = LOSSES["mse_output"](md.Oscillation(70, 250))
    run = md.train(net, net.init(0), task, loss, learning_rate=rate, steps=375, progress=False)
    expected = rate * np.linalg.eigvalsh(md.hessian(net, run.params, task, loss, 375))[::-1]
    np.testing.assert_allclose(data.edges.sel(loss="mse_output", at=375), expected, atol=1e-6)
    assert float(data.F.sel(loss="mse_output", step=375)) == pytest.approx(float(run.history.loss[-1]), rel=1e-6)


def test_sizes_and_rates_begin_alike():
    data = find("size-and-rate").run("quick", progress=False, steps=101)
    first = data.isel(step=0)
    assert float(np.abs(first.static_loss.diff("learning_rate")).max()) == 0
    assert float(data.isel(step=1).static_loss.diff("learning_rate").max()) < 0
