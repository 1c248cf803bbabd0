"""Orbits: on maps whose orbits are known, on quadratic valleys, and on the published run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from autograd.misc import flatten

import minidyn as md
from minidyn import orbits

DATA = Path(__file__).parents[1] / "data"


def logistic(slope, steps=400, x=0.3):
    """The orbit of x -> slope x (1 - x), after transients; `slope` may drift."""
    slopes = np.broadcast_to(slope, steps + 1000) if np.ndim(slope) == 0 else slope
    orbit = []
    for r in slopes:
        x = r * x * (1 - x)
        orbit.append(x)
    return np.array(orbit[-steps:])


@pytest.fixture(scope="module")
def published():
    """The first 12,000 steps from the reference's initial weights, on its clock."""
    ref = dict(np.load(DATA / "tilting_seed0.npz"))
    net, loss = md.MLP(2, 100, 3), md.CrossEntropy(md.Oscillation(70, 5000, dwell=5001))
    params = [(ref["W1"], ref["b1"]), (ref["W2"], ref["b2"])]
    options = {"learning_rate": 1.0, "steps": 12_000, "measure": {"hessian_max": 25}, "progress": False}
    return md.train(net, params, md.spiral(), loss, **options).history


def test_reversals_are_where_the_sign_of_the_change_flips():
    reverses = orbits.reversals([3.0, 2, 1, 2, 1, 1, 2])
    assert reverses.tolist() == [False, False, False, True, True, False, False]


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_reversals_have_the_length_of_the_series(length):
    assert len(orbits.reversals(np.arange(length))) == length


def test_the_first_period_doubling_is_the_first_entry_that_reverses_for_good():
    loss = np.array([5.0, 4, 5, 4, 3, 2, 1, 2, 1, 2, 1, 2, 1])
    assert orbits.first_period_doubling(loss, updates=1) == 2
    assert orbits.first_period_doubling(loss, updates=4) == 7
    assert orbits.first_period_doubling(loss, updates=6) == 7
    assert orbits.first_period_doubling(loss, updates=7) is None


def test_the_first_period_doubling_is_a_step_of_the_record():
    loss = xr.DataArray([4.0, 3, 2, 3, 2], {"step": np.arange(100, 105)}, ["step"])
    assert orbits.first_period_doubling(loss, updates=2) == 103


def test_a_logistic_map_whose_slope_grows_doubles_its_period_at_3():
    slope = np.linspace(2.5, 3.4, 9000)
    first = orbits.first_period_doubling(logistic(slope, 9000)[50:], updates=20) + 50
    assert 3.0 < slope[first] < 3.1  # born at 3; seen once it outgrows the drift of the fixed point


def test_the_published_run_first_doubles_its_period_at_step_4310(published):
    assert orbits.first_period_doubling(published.loss) == 4310
    assert orbits.windows(published.hessian_max > 2)[0, 0] in (4275, 4300)  # at 4280 in a record of every step


@pytest.mark.parametrize(
    ("slope", "expected"), [(2.8, 1), (3.2, 2), (3.5, 4), (3.555, 8), (3.832, 3), (3.6265, 6), (3.9, 0), (4.0, 0)]
)
def test_the_period_of_the_logistic_map_is_known(slope, expected):
    assert orbits.period(logistic(slope), 100) == expected


@pytest.mark.parametrize(("slope", "expected"), [(3.2, 2), (3.5, 4), (3.555, 8), (3.9, 0)])
def test_the_period_of_an_orbit_does_not_change_on_a_slope(slope, expected):
    steps = np.arange(400)
    assert orbits.period(logistic(slope) + 0.05 * steps + 1e-5 * steps**2, 100) == expected


@pytest.mark.parametrize("cadence", [3, 5, 7])
def test_an_odd_cadence_shows_the_same_power_of_two_and_an_even_one_does_not(cadence):
    assert orbits.period(logistic(3.5, 1000)[::cadence], 0) == 4
    assert orbits.period(logistic(3.5, 1000)[::2], 0) == 2
    assert orbits.period(logistic(3.2, 1000)[::2], 0) == 1


@pytest.mark.parametrize("series", [np.ones(100), np.linspace(3, 1, 100), np.cos(np.linspace(0, 4, 100))])
def test_the_period_without_an_orbit_is_one(series):
    assert orbits.period(series, 0) == 1


def test_the_period_of_the_published_run_doubles_and_comes_back(published):
    at = {step: orbits.period(published.loss, step) for step in range(0, 11_900, 25)}
    assert {at[step] for step in range(0, 4200, 25)} == {1}
    assert {at[step] for step in range(4400, 4950, 25)} == {2}
    assert {at[step] for step in range(5300, 8900, 25)} == {1}
    cascade = [at[step] for step in range(9050, 9950, 25)]
    assert cascade[0] == 2
    assert 4 in cascade
    assert {at[step] for step in range(10_300, 11_900, 25)} == {1}


def test_windows_join_intervals_across_gaps():
    condition = np.zeros(20, bool)
    condition[[2, 3, 6, 12]] = True
    assert orbits.windows(condition).tolist() == [[2, 3], [6, 6], [12, 12]]
    assert orbits.windows(condition, gap=1).tolist() == [[2, 3], [6, 6], [12, 12]]
    assert orbits.windows(condition, gap=2).tolist() == [[2, 6], [12, 12]]
    assert orbits.windows(condition, gap=5).tolist() == [[2, 12]]


def test_a_condition_that_never_holds_has_no_windows():
    assert orbits.windows(np.zeros(5, bool)).shape == (0, 2)
    assert orbits.windows(np.zeros(0, bool)).shape == (0, 2)


def test_windows_are_steps_of_the_record_at_its_cadence():
    sharpness = xr.DataArray([1.0, 3, 3, 1, 3], {"hessian_max_step": [0, 25, 50, 75, 100]}, ["hessian_max_step"])
    assert orbits.windows(sharpness > 2, gap=24).tolist() == [[25, 50], [100, 100]]


def test_bursts_have_start_end_and_swing():
    loss = xr.DataArray(np.linspace(2, 1, 1000), {"step": np.arange(50, 1050)}, ["step"])
    loss[200:300:2] += 0.25
    loss[350:400:2] += 0.5
    loss[700] += 9  # two reversals are no burst
    apart = orbits.bursts(loss, gap=30)
    assert apart.start.values.tolist() == [250, 400]
    assert apart.end.values.tolist() == [349, 449]
    assert apart.reversals.values.tolist() == [100, 50]
    np.testing.assert_allclose(apart.swing, [0.25, 0.5], atol=0.002)
    joined = orbits.bursts(loss, gap=60)
    assert (joined.start.item(), joined.end.item(), joined.reversals.item()) == (250, 449, 150)


def test_smooth_descent_has_no_bursts():
    assert orbits.bursts(np.linspace(1, 0, 50)).sizes["burst"] == 0


def test_the_published_run_bursts_once_per_turn_until_the_next_class_takes_over(published):
    bursts = orbits.bursts(published.loss)
    unstable = orbits.windows(published.hessian_max > 2, gap=500)
    assert bursts.sizes["burst"] == 2 == len(unstable)
    for k, (first, last) in enumerate(unstable):
        burst = bursts.isel(burst=k)
        assert abs(burst.start - first) < 150
        assert abs(burst.end - last) < 200
        assert 0 < burst.end - 5001 * (k + 1) < 250


def test_a_bifurcation_diagram_puts_each_entry_at_its_turn_phase_and_visit():
    steps = np.arange(7, 33)
    series = xr.DataArray(10.0 * steps, {"step": steps}, ["step"], name="loss")
    diagram = orbits.bifurcation_diagram(series, dwell=10, every=4)
    assert diagram.dims == ("turn", "phase", "visit")
    assert diagram.turn.values.tolist() == [0, 1, 2, 3]
    assert diagram.phase.values.tolist() == [0, 4]
    assert diagram.sel(turn=1, phase=4).values.tolist() == [140, 150, 160, 170]
    assert np.isnan(diagram.sel(turn=0, phase=0)).all()
    assert diagram.sel(turn=0, phase=4).values[3] == 70
    assert diagram.sel(turn=3, phase=0).values[:3].tolist() == [300, 310, 320]
    assert np.isnan(diagram.sel(turn=3, phase=0).values[3])


def test_a_bifurcation_diagram_shows_the_branches_of_the_logistic_map():
    diagram = orbits.bifurcation_diagram(logistic(3.5, 500), dwell=100, every=20)
    assert len(np.unique(diagram.values.round(6))) == 4


@pytest.mark.parametrize("loss", [md.CrossEntropy, md.SquaredError, lambda g: md.SquaredError(g, "output")])
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_loss_changes_are_differences_of_f_at_the_weights_on_the_way(loss, engine):
    if engine == "compiled":
        pytest.importorskip("numba")
    net, task, loss = md.MLP(2, 6, 3), md.spiral(20), loss(md.Oscillation(9, 10))
    options = {"steps": 25, "start": 3, "measure": {"params": 1}, "engine": engine}
    run = md.train(net, net.init(0), task, loss, learning_rate=0.3, **options)
    logits = [net.logits(net.unflatten(vector), task.x) for vector in run.history.params.values]
    changes = orbits.loss_changes(run.history)
    assert changes.step.values.tolist() == list(range(3, 28))
    for k, step in enumerate(changes.step.values):
        here, moved, tilted = (
            loss.value(logits[j], task.labels, t) for j, t in ((k, step), (k + 1, step), (k + 1, step + 1))
        )
        assert changes.descent[k] == pytest.approx(moved - here, abs=1e-14)
        assert changes.tilt[k] == pytest.approx(tilted - moved, abs=1e-14)
        assert changes.total[k] == pytest.approx(tilted - here, abs=1e-14)


def test_descent_shows_the_bounce_before_the_total(published):
    changes = orbits.loss_changes(published)
    np.testing.assert_allclose(changes.total, np.diff(published.loss), atol=1e-14)
    rises = changes.step.values[changes.descent > 0]
    assert 3900 < rises[0] < 4280


# On a linear network with squared error the landscape is a quadratic valley: exponents are known.
NET, TASK, LOSS = md.MLP(2, 3), md.spiral(20), md.SquaredError()


@pytest.mark.parametrize("growth", [orbits.tangent_growth, orbits.separation_growth])
@pytest.mark.parametrize("rate", [0.3, 3.05])
def test_the_lyapunov_exponent_of_a_quadratic_valley_is_known(growth, rate):
    params = NET.init(0)
    curvature = np.linalg.eigvalsh(md.hessian(NET, params, TASK, LOSS))
    options = {"learning_rate": rate, "steps": 400, "progress": False}
    if growth is orbits.separation_growth:
        options["distance"] = 1e-3
    growths = growth(NET, params, TASK, LOSS, **options)
    assert growths.dims == ("step",)
    assert growths.step.values.tolist() == list(range(400))
    expected = np.log(np.abs(1 - rate * curvature).max())
    np.testing.assert_allclose(growths[300:].mean(), expected, atol=5e-4)
    assert (expected > 0) == (rate * curvature[-1] > 2) == (rate == 3.05)


def test_the_separation_is_that_of_two_runs():
    net, task, loss = md.MLP(2, 12, 3), md.spiral(20), md.CrossEntropy(md.Oscillation(20, 30))
    options = {"learning_rate": 0.5, "start": 4, "steps": 12, "progress": False}
    growth = orbits.separation_growth(net, net.init(0), task, loss, distance=1e-8, seed=5, **options)
    first, unflatten = flatten(net.init(0))
    direction = np.random.RandomState(5).randn(len(first))
    second = first + 1e-8 * direction / np.linalg.norm(direction)
    ends = [flatten(md.train(net, unflatten(v), task, loss, **options).params)[0] for v in (first, second)]
    assert growth.step.values.tolist() == list(range(4, 16))
    assert growth.sum() == pytest.approx(np.log(np.linalg.norm(ends[1] - ends[0]) / 1e-8), rel=1e-4)


def test_the_tangent_is_that_of_the_product_of_the_maps():
    net, task, loss = md.MLP(2, 5, 3), md.spiral(20), md.CrossEntropy(md.Oscillation(20, 30))
    options = {"learning_rate": 0.5, "start": 4, "steps": 10, "progress": False}
    growth = orbits.tangent_growth(net, net.init(0), task, loss, seed=5, **options)
    path = md.train(net, net.init(0), task, loss, measure={"params": 1}, **options).history.params
    moved = np.random.RandomState(5).randn(net.size)
    moved /= np.linalg.norm(moved)
    for k in range(10):
        moved = moved - 0.5 * md.hessian(net, net.unflatten(path.values[k]), task, loss, 4 + k) @ moved
    assert growth.sum() == pytest.approx(np.log(np.linalg.norm(moved)), rel=1e-10)


@pytest.mark.slow
def test_both_exponents_distinguish_chaos_from_calm_and_agree():
    net, loss = md.MLP(2, 100, 3), md.CrossEntropy(md.Oscillation(70, 5000, dwell=5001))
    options = {"learning_rate": 1.0, "progress": False}
    ref = dict(np.load(DATA / "tilting_seed0.npz"))
    params = [(ref["W1"], ref["b1"]), (ref["W2"], ref["b2"])]
    run = md.train(net, params, md.spiral(), loss, steps=18_000, **options)
    loss_of = run.history.loss
    chaos = next(s for s in range(13_000, 17_000, 25) if {orbits.period(loss_of, s + k) for k in (0, 64, 128)} == {0})
    for step, low, high in ((chaos, 0.02, 0.5), (12_000, -0.005, 0.01)):
        here = md.train(net, params, md.spiral(), loss, steps=step, **options).params
        exponents = [
            function(net, here, md.spiral(), loss, start=step, steps=190, **options)[60:].mean().item()
            for function in (orbits.tangent_growth, orbits.separation_growth)
        ]
        assert low < exponents[0] < high
        assert exponents[0] == pytest.approx(exponents[1], abs=0.01)


def test_growths_end_where_a_run_diverges():
    for growth in (orbits.tangent_growth, orbits.separation_growth):
        with pytest.warns(RuntimeWarning, match="diverged"):
            growths = growth(NET, NET.init(0), TASK, LOSS, learning_rate=1e4, steps=500, progress=False)
        assert 0 < growths.sizes["step"] < 500
        assert np.isfinite(growths).all()


HISTORY = xr.Dataset(
    {"weights": (("step", "class"), np.ones((4, 3))), "class_loss": (("step", "class"), np.ones((4, 3)))},
    {"step": range(4)},
)


def over(steps):
    return xr.DataArray(np.ones(len(steps)), {"step": steps}, ["step"])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: orbits.reversals([[1.0, 2.0]]), ValueError, "series must have shape"),
        (lambda: orbits.reversals("up and down"), TypeError, "series"),
        (lambda: orbits.reversals([1.0, np.nan]), ValueError, "series must be finite"),
        (lambda: orbits.reversals(over([3, 1, 2])), ValueError, r"series must be over whole steps in rising order.*3"),
        (lambda: orbits.period(over([0, 1, 1]), 0), ValueError, "series must be over whole steps"),
        (lambda: orbits.bursts(over([0, 0.5, 1])), ValueError, "loss must be over whole steps"),
        (lambda: orbits.windows(over([2, 1, 0]) > 0), ValueError, "condition must be over whole steps"),
        (lambda: orbits.bifurcation_diagram(over(list("abc")), dwell=2, every=1), ValueError, "series must be over"),
        (lambda: orbits.first_period_doubling([1.0, np.inf]), ValueError, "loss must be finite"),
        (lambda: orbits.bursts([1.0, np.nan]), ValueError, "loss must be finite"),
        (lambda: orbits.windows([[True, False]]), ValueError, r"condition must have shape \(any,\), got \(1, 2\)"),
        (lambda: orbits.first_period_doubling([1.0, 2.0], updates=0), ValueError, "updates.*>= 1, got 0"),
        (lambda: orbits.period(np.ones(80), 20), ValueError, "step must leave 64 entries.*got 20"),
        (lambda: orbits.period(np.ones(80), -1), ValueError, "step must leave 64 entries.*got -1"),
        (lambda: orbits.period(np.ones(80), 0.5), TypeError, "step must be an integer, got 0.5"),
        (lambda: orbits.period(np.ones(80), 0, longest=1), ValueError, "longest.*>= 2, got 1"),
        (lambda: orbits.period(np.ones(80), 0, entries=40), ValueError, "entries.*>= 48, got 40"),
        (lambda: orbits.period(np.ones(80), 0, tolerance=0), ValueError, "tolerance.*got 0"),
        (lambda: orbits.windows([0.0, 1.0]), TypeError, "condition must be true or false"),
        (lambda: orbits.windows([True], gap=-1), ValueError, "gap.*>= 0, got -1"),
        (lambda: orbits.bursts([1.0, 2.0], least=0), ValueError, "least.*>= 1, got 0"),
        (lambda: orbits.bifurcation_diagram([1.0], dwell=0), ValueError, "dwell.*>= 1, got 0"),
        (lambda: orbits.bifurcation_diagram([1.0], dwell=5, every=6), ValueError, "every.*<= 5, got 6"),
        (lambda: orbits.loss_changes([1.0]), TypeError, "history must be the history of a run"),
        (
            lambda: orbits.loss_changes(xr.concat([HISTORY] * 2, "run")),
            ValueError,
            r"weights over .*\('run', 'step', 'class'\)",
        ),
        (
            lambda: orbits.loss_changes(HISTORY.isel(step=[0, 1, 3])),
            ValueError,
            "history must hold every step, got 3 after 1",
        ),
        (lambda: orbits.loss_changes(xr.Dataset()), ValueError, "history.*lacks weights, class_loss"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize(("distance", "limit"), [(0, "> 0"), (np.nan, "finite"), (1e-20, "exceed the rounding errors")])
def test_bad_distance_is_named(distance, limit):
    net, options = md.MLP(2, 3), {"learning_rate": 1, "steps": 1, "distance": distance, "progress": False}
    with pytest.raises(ValueError, match=f"distance.*{limit}.*got {distance}"):
        orbits.separation_growth(net, net.init(0), md.spiral(), md.CrossEntropy(), **options)


def test_the_projection_of_a_run_is_its_distance_from_the_floor_along_the_direction():
    net, task = md.MLP(2, 8, 3), md.spiral(20)
    run = md.train(
        net, net.init(0), task, md.CrossEntropy(), learning_rate=1.0, steps=40, start=7, measure={"params": 3}
    )
    floor, direction = net.init(1), np.arange(net.size) - 5.0
    along = orbits.projection(run, floor, direction)
    weights = run.history.params
    by_hand = (weights.values - flatten(floor)[0]) @ direction / np.sqrt((direction**2).sum())
    np.testing.assert_allclose(along, by_hand, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(along.step, weights.params_step)
    for changed, message in (
        ((run, floor[:1], direction), "params must have the shapes"),
        ((run, floor, direction[:-1]), "direction must have shape"),
        ((run.history, floor, direction), "run must be a Run"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            orbits.projection(*changed)


def test_swings_tell_amplitude_and_period_of_each_window():
    series = np.concatenate([np.zeros(48), np.tile([0.0, 3.0], 24), logistic(3.5, 48), logistic(3.9, 60)])
    table = orbits.swings(xr.DataArray(series, {"step": 100 + np.arange(len(series))}, ["step"]), entries=48)
    np.testing.assert_array_equal(table.step, [100, 148, 196, 244])
    np.testing.assert_array_equal(table.period, [1, 2, 4, 0])
    np.testing.assert_allclose(table.amplitude[:3], [0, 1.5, logistic(3.5, 48).std()])


def test_a_series_shorter_than_a_window_has_no_swings():
    assert orbits.swings(np.zeros(47), entries=48).sizes["step"] == 0
    with pytest.raises(ValueError, match="entries must be an integer >= 48, got 47"):
        orbits.swings(np.zeros(100), entries=47)
