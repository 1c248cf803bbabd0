"""Controls at their own best settings: what each does, and that other seeds choose than those that are reported."""

from __future__ import annotations

import numpy as np
import pytest

import minidyn as md
from minidyn.experiments import find
from minidyn.experiments.grids import Budget, spiral_ends
from minidyn.experiments.tilting import tuned_controls
from minidyn.experiments.tilting.tuned_controls import ControlRun, Problem, SmoothedCrossEntropy
from minidyn.parameters import Structure

pytest.importorskip("numba")

NET, TASK = md.MLP(2, 8, 3), md.spiral(30)
START = Problem(NET, NET.init(0), TASK, 0)


def flat(params):
    return np.concatenate([part.ravel() for layer in params for part in layer])


def loss_gradient(loss, params):
    return flat(md.gradient(NET, params, TASK, loss))


@pytest.mark.parametrize("fraction", [0.0, 0.1, 1.0])
def test_label_smoothing_is_cross_entropy_with_smoothed_targets(fraction):
    random = np.random.RandomState(0)
    logits, labels = 3 * random.randn(20, 3), random.randint(3, size=20)
    target = (1 - fraction) * np.eye(3)[labels] + fraction / 3
    log_probability = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = -(target * log_probability).sum(axis=1).mean()
    loss = SmoothedCrossEntropy(fraction)
    assert loss.value(logits, labels) == pytest.approx(expected)
    np.testing.assert_allclose(loss.gradient(logits, labels), (np.exp(log_probability) - target) / 20, atol=1e-12)
    shift = 1e-6 * random.randn(20, 3)
    difference = (loss.gradient(logits + shift, labels) - loss.gradient(logits - shift, labels)) / 2
    curvature = np.einsum("pij,pj->pi", loss.curvature(logits, labels), shift)
    np.testing.assert_allclose(difference, curvature, rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, np.nan])
def test_a_fraction_of_no_probability_is_refused(fraction):
    with pytest.raises(ValueError, match="fraction must be"):
        SmoothedCrossEntropy(fraction)


def test_sharpness_aware_descent_takes_the_gradient_uphill_and_half_the_updates():
    static, structure = md.CrossEntropy(), Structure(START.params)
    vector = flat(START.params)
    for _ in range(3):
        gradient = loss_gradient(static, structure.unflatten(vector))
        uphill = vector + 0.2 * gradient / np.linalg.norm(gradient)
        vector = vector - loss_gradient(static, structure.unflatten(uphill))
    reached = tuned_controls.descend_aware_of_sharpness(START, 6, 0.2)
    np.testing.assert_allclose(flat(reached), vector, rtol=1e-8)


def test_random_turns_draw_the_next_class():
    gamma = md.Oscillation(5, 4)
    order = tuple(np.random.RandomState([0, 1]).randint(3, size=6))
    schedule = tuned_controls.PermutedSchedule(gamma, order)
    expected = tuned_controls.descend(START, 20, loss=md.CrossEntropy(schedule))
    np.testing.assert_allclose(flat(tuned_controls.turns(START, 20, 5, 4)), flat(expected))
    assert np.abs(flat(tuned_controls.turns(START._replace(seed=1), 20, 5, 4)) - flat(expected)).max() > 1e-3


@pytest.mark.parametrize("control", tuned_controls.CANDIDATES)
def test_a_control_differs_from_static_descent_and_ends_as_its_run_does(control):
    budget = Budget(steps=150, rest=50)
    setting = tuned_controls.CANDIDATES[control][-1]
    run = ControlRun(control=control, setting=setting, width=8, seed=2, budget=budget)
    ends, net = run.ends(), md.MLP(2, 8, 3)
    static = md.train(
        net, net.init(2), md.spiral(seed=2), md.CrossEntropy(), learning_rate=1.0, steps=150, progress=False
    )
    plain = spiral_ends(net, static.params, 2)
    assert ends.keys() == plain.keys()
    assert (ends["static_loss"] == pytest.approx(plain["static_loss"], rel=1e-9)) == (control == "static")


def test_a_run_that_diverges_has_no_loss(monkeypatch):
    lost = [[np.full_like(part, np.nan) for part in layer] for layer in md.MLP(2, 8, 3).init(0)]
    monkeypatch.setitem(tuned_controls.DISTURBANCES, "mini-batches", lambda *arguments: lost)
    budget = Budget(steps=150, rest=50)
    ends = ControlRun(control="mini-batches", setting=(10,), width=8, seed=2, budget=budget).ends()
    assert np.isnan(ends["static_loss"])
    assert np.isnan(ends["sharpness"])
    assert ends["validation_accuracy"] == pytest.approx(1 / 3)


def test_other_seeds_choose_the_settings(monkeypatch):
    score = {(0.1, 0): 0.2, (0.1, 1): 0.9, (0.5, 0): 0.8, (0.5, 1): 0.5}  # of setting and choice seed: 0.5 is better

    def ends(run):
        value = score.get((run.setting[0], run.seed), run.setting[0]) if run.setting else 0.0
        return dict.fromkeys(("accuracy", "validation_accuracy", "static_loss", "sharpness"), value)

    monkeypatch.setattr(ControlRun, "ends", ends)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    data = find("tuned-controls").run(
        "quick", progress=False, controls={"static": ((),), "smaller rate": ((0.1,), (0.5,))}, seeds=(100, 101)
    )
    assert data.validation_accuracy.sel(control="smaller rate").values.tolist() == [[0.5, 0.5]]
    chosen = data.chosen.sel(width=5)
    assert chosen.candidate.values[chosen.values > 0].tolist() == ["static", "smaller rate, 0.5"]
    choice = data.choice_accuracy.sel(width=5, candidate="smaller rate, 0.1")
    np.testing.assert_allclose(choice, [0.2, 0.9], rtol=1e-6)


def test_seeds_that_choose_are_not_reported():
    with pytest.raises(ValueError, match=r"seeds must not be among choice_seeds, got \[1\] in both"):
        find("tuned-controls").run("quick", progress=False, seeds=(1, 100))


def test_an_unknown_control_is_named():
    with pytest.raises(ValueError, match=r"control must be one of 'static', .*, got 'dropout'"):
        ControlRun(control="dropout", setting=(0.5,), width=8, seed=0, budget=Budget(steps=10, rest=5))
