"""What the oscillation buys: the choice of A and T, the pairs, the disturbances and the digits."""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import minidyn as md
from minidyn import plots
from minidyn.experiments import find, load
from minidyn.experiments.grids import validation_spirals
from minidyn.experiments.statistics import best_cell, interval
from minidyn.experiments.tilting import learning
from minidyn.experiments.tilting.disturbances import (
    FixedWeights,
    Noise,
    PermutedSchedule,
    train_with_noise,
    with_random_labels,
)
from minidyn.sweeps import VALIDATION_SEED_OFFSET


def test_amplitude_and_period_are_what_the_stored_phase_diagram_chooses():
    diagram = load("phase-diagram")
    chosen = {width: best_cell(diagram.sel(width=width)) for width in learning.WIDTHS}
    assert chosen == {width: learning.CHOSEN[width] for width in learning.WIDTHS}
    assert learning.CHOSEN[50] == learning.CHOSEN[30] == learning.CHOSEN[100]


def test_the_gain_is_known_to_3_per_cent_on_seeds_and_data_that_nothing_was_chosen_on():
    pairs = load("held-out")
    assert not {*load("phase-diagram").seed.values} & {*pairs.seed.values}
    assert 0 not in pairs.data_seed
    gain = pairs.validation_accuracy.sel(loss="dynamical") - pairs.validation_accuracy.sel(loss="static")
    for width in learning.WIDTHS:
        ends = interval(gain.sel(width=width), "data_seed")
        assert ends.high - ends.low < 0.06


def test_pairs_share_weights_and_samples():
    settings = {"steps": 300, "rest": 100, "data_seeds": (4,), "seeds": (7,), "chosen": {6: (5, 50)}}
    pairs = find("held-out").run("quick", progress=False, **settings).squeeze()
    net, task = md.MLP(2, 6, 3), md.spiral(seed=4)
    for loss, gamma in (("static", None), ("dynamical", md.Oscillation(5, 50, rest_from=200))):
        run = md.train(net, net.init(7), task, md.CrossEntropy(gamma), learning_rate=1.0, steps=300, progress=False)
        assert float(pairs.static_loss.sel(loss=loss)) == pytest.approx(float(run.history.static_loss[-1]), rel=1e-6)
        validation = validation_spirals(0.2, 4 + VALIDATION_SEED_OFFSET)
        accuracy = (net.logits(run.params, validation.x).argmax(axis=1) == validation.labels).mean()
        assert float(pairs.validation_accuracy.sel(loss=loss)) == pytest.approx(accuracy, abs=1e-6)


@pytest.mark.parametrize("rate", [0.01, 30.0])
def test_an_update_increases_its_loss_if_a_training_step_does(rate):
    net, task, loss = md.MLP(2, 8, 3), md.spiral(20), md.CrossEntropy(md.Oscillation(20, 100))
    params = net.init(3)
    run = md.train(net, params, task, loss, learning_rate=rate, steps=1, start=40, progress=False)
    before, after = (loss.value(net.logits(p, task.x), task.labels, 40) for p in (params, run.params))
    assert learning.update_increases_loss(net, params, task, loss, 40, learning_rate=rate) == (after > before)
    assert (after > before) == (rate > 1)


def test_waveforms_of_the_controls():
    np.testing.assert_allclose(FixedWeights(20).weights(99), np.array([20, 1, 1]) * 3 / 22)
    gamma, order = md.Oscillation(20, 50), (2, 2, 0, 1, 0)
    schedule = PermutedSchedule(gamma, order)
    weights = np.stack([schedule.weights(step) for step in range(250)])
    np.testing.assert_allclose(np.sort(weights), np.sort(gamma.weights(np.arange(250))))
    assert tuple(weights[25::50].argmax(axis=1)) == order


NET, TASK = md.MLP(2, 8, 3), md.spiral(30)


def noisy(steps=20, seed=0, **noise):
    """The weights after some updates with noise."""
    params = train_with_noise(NET, NET.init(0), TASK, Noise(**noise), steps=steps, seed=seed)
    return np.concatenate([part.ravel() for layer in params for part in layer])


def plain(task=TASK, steps=20):
    """The weights after as many updates without noise."""
    run = md.train(NET, NET.init(0), task, md.CrossEntropy(), learning_rate=1.0, steps=steps, progress=False)
    return np.concatenate([part.ravel() for layer in run.params for part in layer])


def test_without_noise_training_is_plain_descent():
    np.testing.assert_allclose(noisy(), plain(), rtol=1e-9)


def test_gradient_noise_has_its_strength():
    pushes = [noisy(1, seed, gradient=0.1) - plain(steps=1) for seed in range(40)]
    assert np.std(pushes) == pytest.approx(0.1, rel=0.05)
    assert abs(np.mean(pushes)) < 0.01


def test_a_batch_is_a_task_of_its_own():
    drawn = np.random.RandomState([5, 1]).choice(len(TASK), 12, replace=False)
    few = md.Task(TASK.x[drawn], TASK.labels[drawn], 3)
    np.testing.assert_allclose(noisy(1, 5, batch=12), plain(few, 1), rtol=1e-9)
    assert np.abs(noisy(2, 5, batch=12) - plain(few, 2)).max() > 1e-3


def test_label_noise_is_a_task_of_other_labels():
    random = np.random.RandomState([5, 1])
    other = md.Task(TASK.x, with_random_labels(TASK, 0.5, random), 3)
    np.testing.assert_allclose(noisy(1, 5, labels=0.5), plain(other, 1), rtol=1e-9)


def test_label_noise_replaces_its_fraction_of_the_labels_anew():
    random = np.random.RandomState(0)
    drawn = [with_random_labels(TASK, 0.3, random) for _ in range(300)]
    assert np.mean([labels != TASK.labels for labels in drawn]) == pytest.approx(0.2, abs=0.01)
    assert (drawn[0] != drawn[1]).any()


def test_digits_are_split_whole_and_by_seed():
    few, others = learning.digits(0.2, 3), learning.other_digits(0.2, 3 + VALIDATION_SEED_OFFSET)
    assert (len(few), len(few) + len(others)) == (200, 1797)
    assert not {row.tobytes() for row in few.x} & {row.tobytes() for row in others.x}
    assert not np.array_equal(few.x, learning.digits(0.2, 4).x)


def test_the_digits_name_the_package_that_they_need(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"the digits need scikit-learn: pip install 'minidyn\[images\]'"):
        learning.digits(0.2, 3)
    with pytest.raises(ImportError, match="experiment 'digits-advice' needs sklearn"):
        find("digits-advice").run()


def test_a_phase_diagram_is_white_at_the_static_value():
    values = xr.DataArray([[0.2, 0.5], [0.4, 0.9]], {"amplitude": [2, 5], "period": [100, 5000]})
    for lower_is_better in (False, True):
        _, ax = plt.subplots()
        plots.phase_diagram(values, 0.5, ax, lower_is_better=lower_is_better)
        image = ax.images[0]
        worst, static, best = (image.cmap(image.norm(value))[:3] for value in (0.1, 0.5, 0.9))
        assert min(static) > 0.9
        blue, red = (worst, best) if lower_is_better else (best, worst)
        assert blue[2] > blue[0]
        assert red[0] > red[2]
        assert [label.get_text() for label in ax.get_xticklabels()] == ["100", "5k"]
        plt.close()


@pytest.mark.parametrize("name", ["phase-diagram", "held-out", "loss-grid", "digits-grid"])
def test_a_rest_beyond_the_steps_is_refused_before_anything_runs(name):
    with pytest.raises(ValueError, match="rest must be an integer >= 0 and <= 40, got 50"):
        find(name).run("quick", progress=False, steps=40, rest=50)


@pytest.mark.parametrize("rest", [0, 40])
def test_controls_need_steps_before_the_rest_and_in_it(rest):
    with pytest.raises(ValueError, match=f"rest must be an integer >= 1 and <= 39, got {rest}"):
        find("controls").run("quick", progress=False, steps=40, rest=rest)


def test_an_unknown_control_is_refused_before_anything_runs():
    with pytest.raises(ValueError, match=r"kind must be one of 'static', 'oscillation', .*, got 'thunder'"):
        find("controls").run("quick", progress=False, controls=(("static", 0), ("thunder", 1)))
