"""Learning rates that swing as the class weights do: the rates, their source, and the runs that they make."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import minidyn as md
from minidyn.experiments import find
from minidyn.experiments.grids import Budget, spiral_ends
from minidyn.experiments.tilting.disturbances import update_increases_loss
from minidyn.experiments.tilting.swinging_rates import KINDS, SwingingRate, SwingingRun, sharpness_factor


def looks(factor, period, turns=40, every=21):
    """A record whose sharpness is so many times the static one, by phase."""
    steps = np.arange(0, turns * period, every)
    static = 1 + 0.5 * np.sin(steps)
    values = {"hessian_max": factor(steps % period) * static, "static_max": static}
    return xr.Dataset(
        {name: ("hessian_max_step", value) for name, value in values.items()}, {"hessian_max_step": steps}
    )


def test_the_rate_repeats_itself_until_the_rest():
    rate = SwingingRate((0.5, 2.0), rest_from=5)
    assert [rate(step) for step in range(8)] == [0.5, 2.0, 0.5, 2.0, 0.5, 1.0, 1.0, 1.0]
    assert rate.mean == pytest.approx(5.5 / 5)
    assert [rate.scaled(4)(step) for step in (0, 1, 5)] == [2.0, 8.0, 1.0]


@pytest.mark.parametrize("period", [50, 1000])
def test_the_factor_of_a_phase_is_that_of_the_class_weights(period):
    def factor(phase):
        return np.exp(np.cos(2 * np.pi * phase / period))

    measured = sharpness_factor(looks(factor, period), period)
    assert measured.shape == (period,)
    np.testing.assert_allclose(measured, factor(np.arange(period)), rtol=0.08)


def test_phases_that_no_look_has_seen_lie_between_their_neighbours():
    history = looks(lambda phase: np.where(phase < 50, 1.0, 4.0), 100, every=50)  # phases 0 and 50 alone
    measured = sharpness_factor(history, 100)
    assert measured[2] == pytest.approx(1)
    assert measured[50] == pytest.approx(4)
    assert measured[26] == pytest.approx(2)  # half way, in the logarithm


def test_runs_are_those_that_their_kinds_name():
    budget = Budget(steps=700, rest=100)
    run = SwingingRun(width=8, amplitude=20.0, period=50, seed=3, budget=budget)
    ends = run.ends()
    assert tuple(ends) == KINDS
    net, task = md.MLP(2, 8, 3), md.spiral(seed=3)
    for kind, loss in (
        ("static", md.CrossEntropy()),
        ("oscillation", md.CrossEntropy(md.Oscillation(20, 50, rest_from=600))),
    ):
        trained = md.train(net, net.init(3), task, loss, learning_rate=1.0, steps=700, progress=False)
        assert {name: ends[kind][name] for name in ("accuracy", "static_loss")} == pytest.approx(
            {name: spiral_ends(net, trained.params, 3)[name] for name in ("accuracy", "static_loss")}, rel=1e-6
        )
    assert ends["mean rate"]["rate"] == pytest.approx(ends["swinging rate"]["rate"])
    assert ends["swinging rate"]["rate"] != pytest.approx(1, abs=1e-3)
    for kind in ("static", "oscillation", "swinging rate, mean 1"):
        assert ends[kind]["rate"] == pytest.approx(1)
    assert len({end["static_loss"] for end in ends.values()}) == len(KINDS)


def test_above_two_counts_the_looks_at_which_the_rate_times_the_sharpness_is():
    run = SwingingRun(width=8, amplitude=20.0, period=50, seed=3, budget=Budget(steps=700, rest=100))
    rate = SwingingRate((0.2, 9.0), rest_from=600)
    trained = run._train(md.CrossEntropy(), rate)
    end, looks = run._end(trained), trained.history.sel(hessian_max_step=slice(0, 599))
    product = looks.hessian_max.values * [rate(int(step)) for step in looks.hessian_max_step.values]
    assert 0 < end["above_two"] == (product > 2).mean() < 1
    assert end["rate"] == pytest.approx(4.6)


def test_a_scheduled_update_increases_its_loss_if_that_rate_does():
    net, task, loss = md.MLP(2, 8, 3), md.spiral(20), md.CrossEntropy(md.Oscillation(20, 100))
    params = net.init(3)
    rate = SwingingRate((0.01, 30.0), rest_from=100)
    increases = [update_increases_loss(net, params, task, loss, step, learning_rate=rate) for step in (40, 41)]
    assert increases == [0, 1]


def test_an_unknown_regime_is_named_before_anything_runs(monkeypatch):
    monkeypatch.setattr(SwingingRun, "ends", lambda self: pytest.fail("it ran"))
    with pytest.raises(ValueError, match=r"regimes must be one of 'static', .*, got 'fast'"):
        find("swinging-rates").run("quick", progress=False, regimes=("fast",))
