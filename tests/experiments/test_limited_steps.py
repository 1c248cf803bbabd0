"""Runs whose steps are limited: what is measured of them, and that what is done is not done again."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import minidyn as md
from minidyn.experiments import find, load, parallel
from minidyn.experiments.grids import Budget, validation_spirals
from minidyn.experiments.tilting import limited_steps
from minidyn.losses import accuracy
from minidyn.sweeps import VALIDATION_SEED_OFFSET
from minidyn.training.capped import StepLimit

pytest.importorskip("numba")


def history_of(positions):
    steps = np.diff(positions)
    return xr.Dataset({"along": ("update", steps)}, {"update": np.arange(len(steps))})


def test_the_swing_is_the_amplitude_of_an_orbit_of_period_two():
    positions = 0.3 * (-1.0) ** np.arange(50) + 0.01 * np.arange(50)  # a drift does not count
    assert limited_steps.swing(history_of(positions), every=10) == pytest.approx(0.3)
    assert limited_steps.swing(history_of(0.1 * np.arange(50.0)), every=10) == pytest.approx(0)


def test_a_change_of_the_eigenvector_is_no_swing():
    positions = np.where(np.arange(41) < 20, 1.0, -1.0) * np.arange(41)  # the other sign from the look at 20 on
    history = history_of(positions).assign(along=("update", np.where(np.arange(40) < 20, 1.0, -1.0)))
    assert limited_steps.swing(history, every=20) == 0


def test_a_run_as_it_comes_ends_like_one_of_train():
    steps, amplitude, period = 400, 20.0, 50
    budget, limit = Budget(steps=steps, rest=100), StepLimit(kind="none")
    setting = limited_steps.LimitedRun(limit=limit, width=8, amplitude=amplitude, period=period, seed=5, budget=budget)
    ends = setting.ends()
    net, task = md.MLP(2, 8, 3), md.spiral(seed=5)
    loss = md.CrossEntropy(md.Oscillation(amplitude, period, rest_from=300))
    run = md.train(net, net.init(5), task, loss, learning_rate=1.0, steps=steps, progress=False)
    validation = validation_spirals(0.2, 5 + VALIDATION_SEED_OFFSET)
    assert ends["accuracy"] == float(run.history.accuracy[-1])
    assert ends["static_loss"] == pytest.approx(float(run.history.static_loss[-1]), rel=1e-6)
    assert ends["validation_accuracy"] == accuracy(net.logits(run.params, validation.x), validation.labels)
    sharpness = md.hessian_eigenvalues(net, run.params, task, md.CrossEntropy()).values[0]
    assert ends["sharpness"] == pytest.approx(sharpness, rel=1e-5)
    fixed = (run.history.weights.values[:300] * run.history.class_loss.values[1:301]).sum(axis=1)  # F(t, w of t + 1)
    assert ends["raised"] == pytest.approx(np.mean(fixed > run.history.loss.values[:300]))


@pytest.mark.parametrize(
    ("name", "seeds"),
    [
        ("step-limits", 12),
        ("step-limit-details", 8),
        ("rate-ladder", 12),
        ("swinging-rates", 12),
        ("tuned-controls", 12),
    ],
)
def test_the_stored_runs_have_seeds_on_which_nothing_was_chosen(name, seeds):
    data = load(name)
    assert data.sizes["seed"] == seeds
    assert not {*load("phase-diagram").seed.values} & {*data.seed.values}
    assert bool(data.validation_accuracy.notnull().all())


def test_each_cell_of_the_table_is_the_run_that_it_names(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # in this process, where the loops are compiled already
    cell = {"width": 6, "regime": "A=70, T=5000", "limit": "whole step", "seed": 101}
    budget = Budget(steps=120, rest=20)
    sizes = {"widths": (5, 6), "regimes": ("static", cell["regime"]), "limits": ("as it comes", cell["limit"])}
    data = find("step-limits").run("quick", progress=False, seeds=(100, 101), steps=120, rest=20, **sizes)
    limit = limited_steps.LIMITS[cell["limit"]]
    run = limited_steps.LimitedRun(limit=limit, width=6, amplitude=70.0, period=5000, seed=101, budget=budget)
    for name, value in run.ends().items():
        assert float(data[name].sel(cell)) == pytest.approx(value, rel=1e-6)


def test_a_run_of_the_ladder_has_its_own_rate_updates_and_turns(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")

    def settings(run):
        return {
            "rate": run.learning_rate,
            "steps": run.budget.steps,
            "rest": run.budget.rest,
            "period": run.period,
            "amplitude": run.amplitude,
        }

    monkeypatch.setattr(limited_steps.LimitedRun, "ends", settings)
    ladder = {"widths": (30,), "rates": (0.5, 1, 2), "seeds": (100,), "steps": 400, "rest": 100}
    data = find("rate-ladder").run("quick", progress=False, **ladder).squeeze()
    assert (data.rate == data.learning_rate).all()
    assert (data.amplitude == xr.DataArray([1, 20], {"regime": ["static", "A=20, T=50"]})).all()
    assert (data.steps.sel(matched="updates") == 400).all()
    assert (data.period.sel(matched="updates") == 50).all()
    for name, at_one in (("steps", 400), ("rest", 100), ("period", 50)):  # the sum of the rates does not change
        assert (data[name].sel(matched="summed rate") * data.learning_rate == at_one).all()


def test_a_run_at_another_rate_ends_like_one_of_train():
    run = limited_steps.LimitedRun(
        limit=StepLimit(kind="none"), width=8, amplitude=1.0, period=50, seed=5, learning_rate=0.3,
        budget=Budget(steps=200, rest=50),
    )  # fmt: skip
    net, task = md.MLP(2, 8, 3), md.spiral(seed=5)
    plain = md.train(net, net.init(5), task, md.CrossEntropy(), learning_rate=0.3, steps=200, progress=False)
    assert run.ends()["static_loss"] == pytest.approx(float(plain.history.static_loss[-1]), rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"limits": ("as it goes",)}, "limits must be one of 'as it comes', .*, got 'as it goes'"),
        ({"regimes": ("dynamical",)}, "regimes must be one of 'static', .*, got 'dynamical'"),
        ({"steps": 40, "rest": 0}, "rest must be an integer >= 1 and <= 38, got 0"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_runs(changes, message, monkeypatch):
    monkeypatch.setattr(limited_steps.LimitedRun, "ends", lambda self: pytest.fail("it ran"))
    with pytest.raises(ValueError, match=message):
        find("step-limits").run("quick", progress=False, **changes)


def _count(cell):
    path, number = cell
    with open(path, "a") as file:
        file.write(f"{number}\n")
    return number**2


def test_results_in_a_folder_of_parts_are_not_computed_again(tmp_path, monkeypatch):
    calls = tmp_path / "calls"
    monkeypatch.setenv(parallel.PARTS, str(tmp_path / "parts"))
    assert parallel.in_parallel(_count, [(str(calls), n) for n in (1, 2)], "squares") == [1, 4]
    assert parallel.in_parallel(_count, [(str(calls), n) for n in (2, 3, 1)], "squares") == [4, 9, 1]
    assert sorted(calls.read_text().split()) == ["1", "2", "3"]


def test_without_a_folder_of_parts_everything_is_computed(tmp_path, monkeypatch):
    monkeypatch.delenv(parallel.PARTS, raising=False)
    calls = tmp_path / "calls"
    for _ in range(2):
        assert parallel.in_parallel(_count, [(str(calls), 1)], "squares") == [1]
    assert calls.read_text().split() == ["1", "1"]
    assert [path.name for path in tmp_path.iterdir()] == ["calls"]
