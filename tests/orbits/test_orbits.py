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
    found = []
    for r in slopes:
        x = r * x * (1 - x)
        found.append(x)
    return np.array(found[-steps:])


@pytest.fixture(scope="module")
def published():
    """The first 12,000 steps from the reference's initial weights, on its clock."""
    ref = dict(np.load(DATA / "tilting_seed0.npz"))
    net, loss = md.MLP(2, 100, 3), md.CrossEntropy(md.Oscillation(70, 5000, dwell=5001))
    params = [(ref["W1"], ref["b1"]), (ref["W2"], ref["b2"])]
    options = {"learning_rate": 1.0, "steps": 12_000, "measure": {"hessian_max": 25}, "progress": False}
    return md.train(net, params, md.spiral(), loss, **options).history


class TestReversals:
    def test_are_where_the_sign_of_the_change_flips(self):
        found = orbits.reversals([3.0, 2, 1, 2, 1, 1, 2])
        assert found.tolist() == [False, False, False, True, True, False, False]

    @pytest.mark.parametrize("length", [0, 1, 2, 3])
    def test_have_the_length_of_the_series(self, length):
        assert len(orbits.reversals(np.arange(length))) == length


class TestFirstPeriodDoubling:
    def test_is_the_first_entry_that_reverses_for_good(self):
        loss = np.array([5.0, 4, 5, 4, 3, 2, 1, 2, 1, 2, 1, 2, 1])
        assert orbits.first_period_doubling(loss, updates=1) == 2
        assert orbits.first_period_doubling(loss, updates=4) == 7
        assert orbits.first_period_doubling(loss, updates=6) == 7
        assert orbits.first_period_doubling(loss, updates=7) is None

    def test_is_given_as_a_step_of_the_record(self):
        loss = xr.DataArray([4.0, 3, 2, 3, 2], {"step": np.arange(100, 105)}, ["step"])
        assert orbits.first_period_doubling(loss, updates=2) == 103

    def test_of_a_logistic_map_whose_slope_grows(self):
        slope = np.linspace(2.5, 3.4, 9000)
        first = orbits.first_period_doubling(logistic(slope, 9000)[50:], updates=20) + 50
        assert 3.0 < slope[first] < 3.1  # born at 3; seen once it outgrows the drift of the fixed point

    def test_of_the_published_run(self, published):
        assert orbits.first_period_doubling(published.loss) == 4310
        assert orbits.windows(published.hessian_max > 2)[0, 0] in (4275, 4300)  # at 4280 in a record of every step


class TestPeriod:
    @pytest.mark.parametrize(
        ("slope", "wanted"), [(2.8, 1), (3.2, 2), (3.5, 4), (3.555, 8), (3.832, 3), (3.6265, 6), (3.9, 0), (4.0, 0)]
    )
    def test_of_the_logistic_map(self, slope, wanted):
        assert orbits.period(logistic(slope), 100) == wanted

    @pytest.mark.parametrize(("slope", "wanted"), [(3.2, 2), (3.5, 4), (3.555, 8), (3.9, 0)])
    def test_of_an_orbit_on_a_slope(self, slope, wanted):
        steps = np.arange(400)
        assert orbits.period(logistic(slope) + 0.05 * steps + 1e-5 * steps**2, 100) == wanted

    @pytest.mark.parametrize("cadence", [3, 5, 7])
    def test_an_odd_cadence_shows_the_same_power_of_two_and_an_even_one_does_not(self, cadence):
        assert orbits.period(logistic(3.5, 1000)[::cadence], 0) == 4
        assert orbits.period(logistic(3.5, 1000)[::2], 0) == 2
        assert orbits.period(logistic(3.2, 1000)[::2], 0) == 1

    @pytest.mark.parametrize("series", [np.ones(100), np.linspace(3, 1, 100), np.cos(np.linspace(0, 4, 100))])
    def test_of_no_orbit_is_one(self, series):
        assert orbits.period(series, 0) == 1

    def test_of_the_published_run_doubles_and_comes_back(self, published):
        at = {step: orbits.period(published.loss, step) for step in range(0, 11_900, 25)}
        assert {at[step] for step in range(0, 4200, 25)} == {1}
        assert {at[step] for step in range(4400, 4950, 25)} == {2}
        assert {at[step] for step in range(5300, 8900, 25)} == {1}
        cascade = [at[step] for step in range(9050, 9950, 25)]
        assert cascade[0] == 2
        assert 4 in cascade
        assert {at[step] for step in range(10_300, 11_900, 25)} == {1}


class TestWindows:
    def test_join_what_a_gap_parts(self):
        condition = np.zeros(20, bool)
        condition[[2, 3, 6, 12]] = True
        assert orbits.windows(condition).tolist() == [[2, 3], [6, 6], [12, 12]]
        assert orbits.windows(condition, gap=1).tolist() == [[2, 3], [6, 6], [12, 12]]
        assert orbits.windows(condition, gap=2).tolist() == [[2, 6], [12, 12]]
        assert orbits.windows(condition, gap=5).tolist() == [[2, 12]]

    def test_of_nothing(self):
        assert orbits.windows(np.zeros(5, bool)).shape == (0, 2)
        assert orbits.windows(np.zeros(0, bool)).shape == (0, 2)

    def test_are_steps_of_the_record_at_its_cadence(self):
        sharpness = xr.DataArray([1.0, 3, 3, 1, 3], {"hessian_max_step": [0, 25, 50, 75, 100]}, ["hessian_max_step"])
        assert orbits.windows(sharpness > 2, gap=24).tolist() == [[25, 50], [100, 100]]


class TestBursts:
    def test_have_start_end_and_swing(self):
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

    def test_there_may_be_none(self):
        assert orbits.bursts(np.linspace(1, 0, 50)).sizes["burst"] == 0

    def test_of_the_published_run_are_one_a_cycle_and_end_when_the_next_class_takes_over(self, published):
        found = orbits.bursts(published.loss)
        unstable = orbits.windows(published.hessian_max > 2, gap=500)
        assert found.sizes["burst"] == 2 == len(unstable)
        for burst, (first, last) in enumerate(unstable):
            one = found.isel(burst=burst)
            assert abs(one.start - first) < 150
            assert abs(one.end - last) < 200
            assert 0 < one.end - 5001 * (burst + 1) < 250


class TestBifurcationDiagram:
    def test_puts_each_entry_at_its_turn_phase_and_visit(self):
        steps = np.arange(7, 33)
        series = xr.DataArray(10.0 * steps, {"step": steps}, ["step"], name="loss")
        found = orbits.bifurcation_diagram(series, dwell=10, every=4)
        assert found.dims == ("turn", "phase", "visit")
        assert found.turn.values.tolist() == [0, 1, 2, 3]
        assert found.phase.values.tolist() == [0, 4]
        assert found.sel(turn=1, phase=4).values.tolist() == [140, 150, 160, 170]
        assert np.isnan(found.sel(turn=0, phase=0)).all()
        assert found.sel(turn=0, phase=4).values[3] == 70
        assert found.sel(turn=3, phase=0).values[:3].tolist() == [300, 310, 320]
        assert np.isnan(found.sel(turn=3, phase=0).values[3])

    def test_shows_the_branches_of_the_logistic_map(self):
        diagram = orbits.bifurcation_diagram(logistic(3.5, 500), dwell=100, every=20)
        assert len(np.unique(diagram.values.round(6))) == 4


class TestLossChanges:
    @pytest.mark.parametrize("loss", [md.CrossEntropy, md.SquaredError, lambda g: md.SquaredError(g, "output")])
    @pytest.mark.parametrize("engine", ["numpy", "compiled"])
    def test_are_differences_of_f_at_the_weights_on_the_way(self, loss, engine):
        if engine == "compiled":
            pytest.importorskip("numba")
        net, task, loss = md.MLP(2, 6, 3), md.spiral(20), loss(md.Oscillation(9, 10))
        options = {"steps": 25, "start": 3, "measure": {"params": 1}, "engine": engine}
        run = md.train(net, net.init(0), task, loss, learning_rate=0.3, **options)
        logits = [net.logits(net.unflatten(vector), task.x) for vector in run.history.params.values]
        found = orbits.loss_changes(run.history)
        assert found.step.values.tolist() == list(range(3, 28))
        for k, step in enumerate(found.step.values):
            here, moved, tilted = (
                loss.value(logits[j], task.labels, t) for j, t in ((k, step), (k + 1, step), (k + 1, step + 1))
            )
            assert found.descent[k] == pytest.approx(moved - here, abs=1e-14)
            assert found.tilt[k] == pytest.approx(tilted - moved, abs=1e-14)
            assert found.total[k] == pytest.approx(tilted - here, abs=1e-14)

    def test_descent_shows_the_bounce_before_the_total(self, published):
        found = orbits.loss_changes(published)
        np.testing.assert_allclose(found.total, np.diff(published.loss), atol=1e-14)
        rises = found.step.values[found.descent > 0]
        assert 3900 < rises[0] < 4280


class TestLyapunov:
    """On a linear network with squared error the landscape is a quadratic valley: exponents are known."""

    NET, TASK, LOSS = md.MLP(2, 3), md.spiral(20), md.SquaredError()

    @pytest.mark.parametrize("growth", [orbits.tangent_growth, orbits.separation_growth])
    @pytest.mark.parametrize("rate", [0.3, 3.05])
    def test_of_a_quadratic_valley(self, growth, rate):
        params = self.NET.init(0)
        curvature = np.linalg.eigvalsh(md.hessian(self.NET, params, self.TASK, self.LOSS))
        options = {"learning_rate": rate, "steps": 400, "progress": False}
        if growth is orbits.separation_growth:
            options["distance"] = 1e-3
        found = growth(self.NET, params, self.TASK, self.LOSS, **options)
        assert found.dims == ("step",)
        assert found.step.values.tolist() == list(range(400))
        wanted = np.log(np.abs(1 - rate * curvature).max())
        np.testing.assert_allclose(found[300:].mean(), wanted, atol=5e-4)
        assert (wanted > 0) == (rate * curvature[-1] > 2) == (rate == 3.05)

    def test_separation_is_that_of_two_runs(self):
        net, task, loss = md.MLP(2, 12, 3), md.spiral(20), md.CrossEntropy(md.Oscillation(20, 30))
        options = {"learning_rate": 0.5, "start": 4, "steps": 12, "progress": False}
        growth = orbits.separation_growth(net, net.init(0), task, loss, distance=1e-8, seed=5, **options)
        first, unflatten = flatten(net.init(0))
        direction = np.random.RandomState(5).randn(len(first))
        second = first + 1e-8 * direction / np.linalg.norm(direction)
        ends = [flatten(md.train(net, unflatten(v), task, loss, **options).params)[0] for v in (first, second)]
        assert growth.step.values.tolist() == list(range(4, 16))
        assert growth.sum() == pytest.approx(np.log(np.linalg.norm(ends[1] - ends[0]) / 1e-8), rel=1e-4)

    def test_tangent_is_that_of_the_products_of_the_maps(self):
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
    def test_chaos_is_told_from_calm_and_both_ways_agree(self):
        net, loss = md.MLP(2, 100, 3), md.CrossEntropy(md.Oscillation(70, 5000, dwell=5001))
        options = {"learning_rate": 1.0, "progress": False}
        ref = dict(np.load(DATA / "tilting_seed0.npz"))
        params = [(ref["W1"], ref["b1"]), (ref["W2"], ref["b2"])]
        run = md.train(net, params, md.spiral(), loss, steps=18_000, **options)
        loss_of = run.history.loss
        chaos = next(
            s for s in range(13_000, 17_000, 25) if {orbits.period(loss_of, s + k) for k in (0, 64, 128)} == {0}
        )
        for step, low, high in ((chaos, 0.02, 0.5), (12_000, -0.005, 0.01)):
            here = md.train(net, params, md.spiral(), loss, steps=step, **options).params
            growths = [
                function(net, here, md.spiral(), loss, start=step, steps=190, **options)[60:].mean().item()
                for function in (orbits.tangent_growth, orbits.separation_growth)
            ]
            assert low < growths[0] < high
            assert growths[0] == pytest.approx(growths[1], abs=0.01)

    def test_a_run_that_diverges_keeps_what_it_has(self):
        for growth in (orbits.tangent_growth, orbits.separation_growth):
            with pytest.warns(RuntimeWarning, match="diverged"):
                found = growth(
                    self.NET, self.NET.init(0), self.TASK, self.LOSS, learning_rate=1e4, steps=500, progress=False
                )
            assert 0 < found.sizes["step"] < 500
            assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: orbits.reversals([[1.0, 2.0]]), ValueError, "series must have shape"),
        (lambda: orbits.reversals("up and down"), TypeError, "series"),
        (lambda: orbits.reversals([1.0, np.nan]), ValueError, "series must be finite"),
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
        (lambda: orbits.loss_changes(xr.Dataset()), ValueError, "history.*lacks weights, class_loss"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_bad_distance_is_named():
    net = md.MLP(2, 3)
    with pytest.raises(ValueError, match=r"distance.*> 0, got 0"):
        orbits.separation_growth(net, net.init(0), md.spiral(), md.CrossEntropy(), learning_rate=1, steps=1, distance=0)
