"""Three losses, many widths: what was chosen, and that pairs are the runs they name."""

from __future__ import annotations

import pytest

import minidyn as md
from minidyn.experiments import find, load
from minidyn.experiments.statistics import best_cell
from minidyn.experiments.tilting.learning import CHOICES, LOSS_WIDTHS
from minidyn.experiments.topography.losses import NAMES
from minidyn.sweeps import LOSSES


def test_the_choices_are_those_of_the_stored_grid():
    grid = load("loss-grid")
    for loss in NAMES:
        for width in LOSS_WIDTHS:
            assert CHOICES[loss][width] == best_cell(grid.sel(width=width, loss=loss))


def test_held_out_pairs_are_the_runs_they_name():
    choices = {"mse_sample": {5: (5, 100)}, "mse_output": {5: (5, 100)}}
    data = find("held-out-losses").run("quick", progress=False, choices=choices, steps=300, rest=50, data_seeds=(2,))
    ends = data.static_loss.sel(width=5, data_seed=2, seed=100)
    by_output, by_sample = ends.sel(loss="mse_output"), ends.sel(loss="mse_sample")
    assert float(by_output.sel(kind="static")) == float(by_sample.sel(kind="static"))
    assert float(by_output.sel(kind="dynamical")) != float(by_sample.sel(kind="dynamical"))
    net, task = md.MLP(2, 5, 3), md.spiral(seed=2)
    loss = LOSSES["mse_output"](md.Oscillation(5, 100, rest_from=250))
    run = md.train(net, net.init(100), task, loss, learning_rate=1.0, steps=300, progress=False)
    assert float(by_output.sel(kind="dynamical")) == pytest.approx(float(run.history.static_loss[-1]), rel=1e-6)
