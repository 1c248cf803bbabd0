"""The valley along one direction: toy valleys known by hand, networks checked two ways, and a real run."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest

import minidyn as md
from minidyn import orbits
from tests.core.problems import LOSSES, Plain, Smooth, flat, random_problem
from tests.training.runs import train


class Toy:
    """A model with two parameters whose squared error on `ONE` is λ w₀²(1/2 - a w₀ - b w₀²) + μ w₁²/2."""

    def __init__(self, sharpness, cubic=0.0, quartic=0.0, other=0.1):
        self.sharpness, self.cubic, self.quartic, self.other = sharpness, cubic, quartic, other

    def init(self, seed):
        return anp.zeros(2)

    def logits(self, w, x):
        root = anp.sqrt(2 * self.sharpness * (0.5 - self.cubic * w[0] - self.quartic * w[0] ** 2))
        return anp.array([[1 + w[0] * root, anp.sqrt(self.other) * w[1]]]) * anp.ones((len(x), 1))


class Slope:
    """A model whose squared error on `ONE` is 1 + w₀: a slope without a floor."""

    def init(self, seed):
        return anp.zeros(1)

    def logits(self, w, x):
        return anp.array([[1 + anp.sqrt(2 * (1 + w[0])), 0.0]]) * anp.ones((len(x), 1))


ONE = md.Task([[0.0]], [0], 2)
SQUARED = md.SquaredError()


def toy_slice(toy, at=(0.0, 0.0), rate=1.0, **options):
    return md.valley_slice(toy, np.array(at), ONE, SQUARED, learning_rate=rate, **options)


def fully_connected(hidden, loss):
    """A random problem, a random direction, and offsets that are not all on one side."""
    net, params, task, loss, step = random_problem(hidden, loss)
    direction = np.random.RandomState(hidden).randn(net.size)
    return (net, params, task, loss, step), direction, np.linspace(-0.8, 0.9, 7)


def test_the_softening_valley_is_known_by_hand():
    cut = toy_slice(Toy(2.1, cubic=1 / 3), rate=0.5)
    x = np.linspace(-0.3, 0.3, 5)
    sign = cut.direction[0]  # an eigenvector has no sign of its own
    np.testing.assert_allclose(cut.value(sign * x), 2.1 * (x**2 / 2 - x**3 / 3), atol=1e-12)
    np.testing.assert_allclose(sign * cut.force(sign * x), 2.1 * x * (1 - x), atol=1e-12)
    np.testing.assert_allclose(cut.curvature_at(sign * x), 2.1 * (1 - 2 * x), atol=1e-9)
    assert cut.curvature == pytest.approx(2.1)
    assert cut.expansion.fixed_point == pytest.approx(0, abs=1e-9)
    assert cut.multiplier == pytest.approx(1 - 0.5 * 2.1)
    assert cut.flip_coefficient == pytest.approx(2 * (0.5 * 2.1) ** 2)
    assert cut.flip_error < 1e-6
    assert np.isnan(cut.period_two_amplitude)  # the floor is stable


@pytest.mark.parametrize("product", [2.01, 2.05])
@pytest.mark.parametrize(
    ("valley", "coefficient"), [({"cubic": 1 / 3}, lambda s: 2 * s**2), ({"quartic": 1 / 4}, lambda s: 2 * s)]
)
def test_beyond_the_flip_the_orbit_has_the_amplitude_that_the_coefficient_predicts(valley, coefficient, product):
    cut = toy_slice(Toy(product, **valley))
    assert cut.flip_coefficient == pytest.approx(coefficient(product), rel=1e-6)
    *_, before, last = cut.orbit(round(12 / (product - 2)), start=0.05)
    assert cut.period_two_amplitude == pytest.approx(abs(last - before) / 2, rel=product - 2)


def test_the_symmetric_valley_has_its_exact_orbit():
    orbit = toy_slice(Toy(2.1, quartic=1 / 4)).orbit(500)
    assert orbit[-1] == pytest.approx(-orbit[-2])
    assert abs(orbit[-1]) == pytest.approx(np.sqrt(1 - 2 / 2.1))


def test_the_map_of_the_softening_valley_is_the_logistic_map():
    cut = toy_slice(Toy(2.5, cubic=1 / 3), direction=[1, 0])
    w = [0.1]
    for _ in range(12):
        w.append(w[-1] - 2.5 * w[-1] * (1 - w[-1]))
    np.testing.assert_allclose(cut.orbit(12, start=0.1), w, rtol=1e-9)


def test_a_hardening_valley_has_no_amplitude_and_its_orbit_leaves():
    cut = toy_slice(Toy(2.1, quartic=-1 / 4))
    assert cut.flip_coefficient == pytest.approx(-2 * 2.1)
    assert np.isnan(cut.period_two_amplitude)
    orbit = cut.orbit(300, start=0.1)
    assert np.isnan(orbit[-1])
    assert np.abs(orbit[np.isfinite(orbit)]).max() > 1e6


@pytest.mark.parametrize("at", [-0.15, -0.02, 0.1])
def test_the_coefficient_belongs_to_the_floor_and_not_to_the_point_given(at):
    cut = toy_slice(Toy(2.1, cubic=1 / 3), at=(at, 0.0), direction=[1, 0])
    assert cut.expansion.fixed_point == pytest.approx(-at)
    assert cut.flip_coefficient == pytest.approx(2 * 2.1**2)
    assert cut.curvature == pytest.approx(2.1 * (1 - 2 * at))


def test_a_slope_without_a_floor_has_no_coefficient():
    cut = md.valley_slice(Slope(), np.zeros(1), ONE, SQUARED, learning_rate=1.0, direction=[1.0], radius=0.01)
    assert cut.force(0.0) == pytest.approx(1)
    assert np.isnan([cut.flip_coefficient, cut.flip_error, cut.multiplier, cut.period_two_amplitude]).all()


def test_the_direction_is_the_leading_eigenvector_or_the_given_one_at_length_one():
    toy = Toy(2.1, other=3.0)
    np.testing.assert_allclose(np.abs(toy_slice(toy).direction), [0, 1], atol=1e-6)
    np.testing.assert_allclose(toy_slice(toy, direction=[3, 4]).direction, [0.6, 0.8])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [0, 1, 2, 3])
def test_the_closed_form_agrees_with_autograd_and_with_a_slow_loop(hidden, loss):
    problem, direction, x = fully_connected(hidden, loss)
    net, params, task, loss, step = problem
    cut = md.valley_slice(*problem, learning_rate=1.0, direction=direction)
    own = md.valley_slice(Plain(*net.widths), *problem[1:], learning_rate=1.0, direction=direction)
    for name in ("value", "force", "curvature_at"):
        np.testing.assert_allclose(getattr(cut, name)(x), getattr(own, name)(x), rtol=1e-9, atol=1e-12)
    unit = direction / np.linalg.norm(direction)
    for offset in x:
        there = net.unflatten(flat(params) + offset * unit)
        assert cut.value(offset) == pytest.approx(loss.value(net.logits(there, task.x), task.labels, step))
        assert cut.force(offset) == pytest.approx(flat(md.gradient(net, there, task, loss, step)) @ unit)
        assert cut.curvature_at(offset) == pytest.approx(unit @ md.hessian(net, there, task, loss, step) @ unit)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", [0, 1, 2, 3])
def test_force_and_curvature_are_the_slopes_of_what_stands_above_them(hidden, loss):
    problem, direction, _ = fully_connected(hidden, loss)
    net, params, task, *_ = problem
    cut = md.valley_slice(*problem, learning_rate=1.0, direction=direction)
    h, checked = 1e-5, 0
    for x in np.linspace(-0.8, 0.9, 40):
        ends = [net.unflatten(flat(params) + (x + s * h) * cut.direction) for s in (-1, 1)]
        patterns = [np.concatenate([on.ravel() for on in [*net._forward(end, task.x)[1], np.ones(1)]]) for end in ends]
        if (patterns[0] == patterns[1]).all():  # no kink within h
            checked += 1
            for above, below in ((cut.value, cut.force), (cut.force, cut.curvature_at)):
                assert (above(x + h) - above(x - h)) / (2 * h) == pytest.approx(below(x), rel=1e-5, abs=1e-8)
    assert checked > 20


def test_offsets_keep_their_shape_and_blocks_leave_no_trace(monkeypatch):
    problem, direction, _ = fully_connected(2, "cross_entropy")
    cut = md.valley_slice(*problem, learning_rate=1.0, direction=direction)
    x = np.linspace(-1, 1, 30).reshape(5, 6)
    whole = cut.force(x)
    assert whole.shape == (5, 6)
    assert np.ndim(cut.force(0.3)) == 0
    assert cut.force([]).shape == (0,)
    monkeypatch.setattr("minidyn.lines.ENTRIES", 1)
    cut = md.valley_slice(*problem, learning_rate=1.0, direction=direction)
    np.testing.assert_allclose(cut.force(x), whole, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_table_of_quadratics_agrees_with_the_network_multiplied_out(loss, monkeypatch):
    problem, direction, x = fully_connected(1, loss)
    table = md.valley_slice(*problem, learning_rate=1.0, direction=direction)
    monkeypatch.setattr("minidyn.lines.TABLE", 0)
    whole = md.valley_slice(*problem, learning_rate=1.0, direction=direction)
    for name in ("value", "force", "curvature_at"):
        np.testing.assert_allclose(getattr(table, name)(x), getattr(whole, name)(x), rtol=1e-10, atol=1e-14)


def test_a_unit_that_switches_at_the_floor_itself_is_off_there():
    net, task = md.MLP(2, 20, 3), md.spiral(10)
    params = [(weight, 0 * bias) for weight, bias in net.init(0)]  # at the spiral's centre every unit is at its switch
    direction = np.random.RandomState(0).randn(net.size)
    problem = params, task, md.CrossEntropy(md.Oscillation(20, 100)), 30
    cut = md.valley_slice(net, *problem, learning_rate=1.0, direction=direction)
    own = md.valley_slice(Plain(2, 20, 3), *problem, learning_rate=1.0, direction=direction)
    assert cut.force(0.0) == pytest.approx(own.force(0.0), rel=1e-12)
    assert cut.force(0.0) != pytest.approx(cut.force(1e-12), rel=1e-9)
    assert cut.force(0.0) != pytest.approx(cut.force(-1e-12), rel=1e-9)


def test_the_slice_is_a_line_of_the_landscape_through_the_sharpest_direction():
    net, task, loss = md.MLP(2, 12, 3), md.spiral(20), md.CrossEntropy(md.Oscillation(20, 100))
    params = net.init(3)
    cut = md.valley_slice(net, params, task, loss, 30, learning_rate=1.0)
    top = md.hessian_eigenvalues(net, params, task, loss, 30)
    assert cut.curvature == pytest.approx(top.values[0])
    x = np.linspace(-1, 1, 9)
    line = md.landscape(net, params, task, loss, cut.direction, x, step=30)
    np.testing.assert_allclose(cut.value(x), line, rtol=1e-12)


def test_a_subclass_with_outputs_of_its_own_is_not_given_the_closed_form():
    class Doubled(md.MLP):
        def logits(self, params, x):
            return 2 * super().logits(params, x)

    net, task = Doubled(2, 5, 3), md.spiral(5)
    cut = md.valley_slice(net, net.init(0), task, SQUARED, learning_rate=1.0, direction=np.ones(net.size))
    assert cut.value(0.0) == pytest.approx(SQUARED.value(net.logits(net.init(0), task.x), task.labels))


def test_a_model_of_ones_own_is_sliced_in_the_structure_of_its_parameters():
    net, task, loss = Smooth(2, 6, 3), md.spiral(10), md.CrossEntropy(md.Oscillation(10, 40))
    run = train(net=net, params=net.init(1), task=task, loss=loss, measure={"params": 1})
    floor = md.valley_floor(run, 20, window=16)
    assert {name: part.shape for name, part in floor.items()} == net.shapes
    cut = md.valley_slice(net, floor, task, loss, 20, learning_rate=0.5)
    assert cut.curvature == pytest.approx(md.hessian_eigenvalues(net, floor, task, loss, 20).values[0])


@pytest.mark.parametrize(
    ("step", "window", "first", "last"), [(20, 8, 16, 23), (20, 7, 17, 23), (9, 1, 9, 9), (32, 64, 0, 63)]
)
def test_the_floor_is_the_mean_of_the_weights_in_the_window(step, window, first, last):
    run = train(steps=80, measure={"params": 1})
    inside = run.history.params.sel(params_step=slice(first, last)).values
    assert len(inside) == window
    np.testing.assert_allclose(flat(md.valley_floor(run, step, window=window)), inside.mean(axis=0), rtol=1e-13)


def test_the_clock_of_a_run_that_starts_late_counts():
    run = train(steps=20, start=100, measure={"params": 1})
    np.testing.assert_array_equal(flat(md.valley_floor(run, 110, window=1)), run.history.params.values[10])


RUN = train(measure={"params": 1})


@pytest.mark.parametrize(
    ("run", "step", "options", "error", "message"),
    [
        (None, 20, {}, TypeError, "run must be a Run"),
        (RUN.history, 20, {}, TypeError, "run must be a Run"),
        (train(), 20, {}, ValueError, 'measure={"params": 1}'),
        (train(measure={"params": 3}), 20, {"window": 16}, ValueError, "every step 12..27, but run recorded 6 of them"),
        (RUN, 20, {}, ValueError, r"step=20 with window=64 needs .* -12..51, but run recorded 41"),
        (RUN, 39, {"window": 8}, ValueError, "step=39 with window=8"),
        (RUN, 10**6, {"window": 8}, ValueError, "recorded 0 of them"),
        (RUN, 20.0, {"window": 8}, TypeError, "step must be an integer, got 20.0"),
        (RUN, 20, {"window": 0}, ValueError, "window must be an integer >= 1, got 0"),
        (RUN, 20, {"window": "8"}, TypeError, "window must be an integer, got '8'"),
    ],
)
def test_a_floor_that_cannot_be_had_is_refused(run, step, options, error, message):
    with pytest.raises(error, match=message):
        md.valley_floor(run, step, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"learning_rate": 0}, ValueError, "learning_rate must be a finite number > 0, got 0"),
        ({"learning_rate": None}, TypeError, "learning_rate must be a real number"),
        ({"direction": np.zeros(51)}, ValueError, "direction must have a length above 0"),
        ({"direction": np.ones(50)}, ValueError, r"direction must have shape \(51,\)"),
        ({"direction": "up"}, TypeError, "direction must be an array of real numbers"),
        ({"direction": np.full(51, np.nan)}, ValueError, "direction must be finite"),
        ({"radius": 0}, ValueError, "radius must be a finite number > 0"),
        ({"step": -1}, ValueError, "step must be an integer >= 0"),
        ({"step": 1.5}, TypeError, "step must be an integer"),
        ({"params": [1.0]}, (TypeError, ValueError), "params must"),
        ({"task": None}, TypeError, "task must be a Task"),
        ({"loss": "cross_entropy"}, TypeError, "loss must be a CrossEntropy"),
        ({"net": md.MLP}, TypeError, "net must have init"),
    ],
)
def test_a_slice_that_cannot_be_had_is_refused(options, error, message):
    net = md.MLP(2, 8, 3)
    arguments = {"net": net, "params": net.init(0), "task": md.spiral(5), "loss": SQUARED, "learning_rate": 1.0}
    with pytest.raises(error, match=message):
        md.valley_slice(**{**arguments, **options})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda cut: cut.orbit(-1), "updates must be an integer >= 0, got -1"),
        (lambda cut: cut.orbit(3, start=np.inf), "start must be a finite number"),
        (lambda cut: cut.force([0.0, np.nan]), "x must be finite"),
        (lambda cut: cut.value("0"), "x must be an array of real numbers"),
    ],
)
def test_offsets_that_are_none_are_refused(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call(toy_slice(Toy(2.0)))


def test_the_map_swings_as_far_as_a_real_run_does():
    """Turn 2 of 100 units at A = 20, T = 500: the windows of 32 updates in the middle of its burst."""
    net, task, loss = md.MLP(2, 100, 3), md.spiral(), md.CrossEntropy(md.Oscillation(20, 500))
    run = md.train(net, net.init(0), task, loss, learning_rate=1.0, steps=1000, measure={"params": 1}, progress=False)
    ratios = []
    for step in range(500, 985):
        turns = orbits.reversals(run.history.loss.sel(step=slice(step - 16, step + 15)))
        if turns.mean() < 0.75:
            continue
        floor = md.valley_floor(run, step, window=32)
        cut = md.valley_slice(net, floor, task, loss, step, learning_rate=1.0)
        path = orbits.projection(run, floor, cut.direction).sel(step=slice(step - 16, step + 15))
        ratios.append(cut.orbit(200, start=float(path[0]))[-32:].std() / float(path.std()))
        if len(ratios) == 8:
            break
    assert len(ratios) == 8
    assert np.median(ratios) == pytest.approx(1, abs=0.15)
