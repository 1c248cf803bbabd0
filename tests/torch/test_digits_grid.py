"""The experiment on digits: how A and T are chosen, what is reported, and what the stored grid holds."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from minidyn.experiments import load
from minidyn.experiments.statistics import best_cell
from minidyn.experiments.tilting import images

AXES = {"amplitude": [1.0, 2.0, 5.0], "period": [5, 10], "seed": list(images.SEEDS)}


def grid(accuracy):
    """A grid with the given validation accuracy, (amplitude, period), for each seed."""
    values = np.broadcast_to(np.asarray(accuracy, float)[..., None], (3, 2, len(images.SEEDS)))
    return xr.Dataset({"validation_accuracy": (tuple(AXES), values.copy())}, AXES)


def test_the_two_halves_are_all_seeds_and_share_none():
    first, second = images.split_seeds(grid(np.zeros((3, 2))))
    assert first.seed.values.tolist() == list(images.CHOICE_SEEDS)
    assert sorted([*first.seed.values, *second.seed.values]) == list(images.SEEDS)
    assert not {*first.seed.values} & {*second.seed.values}


def test_the_best_cell_is_chosen_by_its_mean_and_is_never_static():
    data = grid([[0.9, 0.9], [0.6, 0.8], [0.7, 0.5]])
    data.validation_accuracy[2, 0, 0] = 1.0  # a lucky seed is not enough
    assert best_cell(data) == (2.0, 10)


def test_gains_are_pairs():
    data = grid([[0.9, 0.9], [0.6, 0.8], [0.7, 0.5]])
    data.validation_accuracy[:] += np.linspace(0, 0.05, len(images.SEEDS))
    np.testing.assert_allclose(images.gain_over_static(data, 2.0, 10), -0.1)


def test_a_cell_trains_on_its_own_images():
    pytest.importorskip("torch", "2.6")
    recipe = images.Recipe(train_size=20, width=2, learning_rate=0.05, steps=4, rest=1)
    first, second = (images._trainer(5, 2, seed, recipe=recipe) for seed in (0, 1))
    assert not first.train.x.equal(second.train.x)
    assert not first.model.classifier.weight.equal(second.model.classifier.weight)
    assert first.loss.gamma.rest_from == 3


def test_naming_the_experiments_imports_no_torch():
    code = "import sys; from minidyn.experiments import find; find('digits-grid'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=180).returncode == 0


def test_the_stored_grid_is_whole_and_says_what_was_fixed():
    data = load("digits-grid")
    assert data.attrs["size"] == "full"
    axes = {"amplitude": images.AMPLITUDES, "period": images.PERIODS, "seed": images.SEEDS}
    assert {name: data[name].values.tolist() for name in data.dims} == {n: list(v) for n, v in axes.items()}
    static = data.sel(amplitude=1)
    assert (static.validation_accuracy == static.validation_accuracy.isel(period=0)).all()
    assert float(static.validation_accuracy.mean()) < 0.9  # there is room above it


def test_more_images_are_for_the_setting_that_was_chosen():
    data = load("digits-more-images")
    chosen = best_cell(images.split_seeds(load("digits-grid"))[0])
    assert (data.amplitude.values[1], json.loads(data.attrs["arguments"])["period"]) == (
        chosen.amplitude,
        chosen.period,
    )
    assert not set(data.seed.values) & set(images.SEEDS)


def test_mini_batches_are_of_the_given_size_and_the_default_is_all_images():
    pytest.importorskip("torch", "2.6")
    recipe = images.Recipe(train_size=20, width=2, learning_rate=0.05, steps=4, rest=1)
    assert images._trainer(5, 2, 0, recipe=recipe).batch_size == 20
    assert images._trainer(5, 2, 0, recipe=recipe, batch_size=10).batch_size == 10
