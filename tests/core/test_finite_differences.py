"""The closed forms against finite differences, and the checker against planted errors."""

from __future__ import annotations

import numpy as np
import pytest

import minidyn as md
from tests.core.finite_differences import check_derivative
from tests.core.problems import LOSSES, flat, random_problem


def pieces(hidden, loss="cross_entropy", seed=1):
    """Flat parameters, F, its gradient, a Hessian product and the activation pattern, all as functions of a vector."""
    net, params, task, loss, step = random_problem(hidden, loss, seed)

    def value(v):
        return loss.value(net.logits(net.unflatten(v), task.x), task.labels, step)

    def gradient(v):
        return flat(md.gradient(net, net.unflatten(v), task, loss, step))

    def pattern(v):
        """Which hidden units are on, sample by sample."""
        x, on = task.x, [np.zeros(0, bool)]
        for weight, bias in net.unflatten(v)[:-1]:
            z = x @ weight + bias
            x, on = np.maximum(z, 0), [*on, (z > 0).ravel()]
        return np.concatenate(on)

    product = md.hessian_product(net, params, task, loss, step)
    return flat(params), value, gradient, product, pattern


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", range(5))
def test_gradient(hidden, loss):
    point, value, gradient, _, pattern = pieces(hidden, loss)
    slope = gradient(point)
    check_derivative(value, lambda u: slope @ u, point, pattern=pattern)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", range(5))
def test_hessian_product(hidden, loss):
    point, _, gradient, product, pattern = pieces(hidden, loss)
    check_derivative(gradient, product, point, pattern=pattern)


@pytest.mark.parametrize("hidden", range(5))
def test_jvp(hidden):
    net, params, task, *_ = random_problem(hidden, seed=1)
    pattern = pieces(hidden)[-1]
    outputs = lambda v: net.logits(net.unflatten(v), task.x)  # noqa: E731
    check_derivative(outputs, lambda u: net.jvp(params, task.x, u), flat(params), pattern=pattern)


def all_of_it(slope):
    return 1.001 * slope


def half_of_it(slope):
    return slope * np.where(np.arange(len(slope)) < len(slope) // 2, 1.001, 1)


def its_largest_entry(slope):
    return slope * np.where(np.abs(slope) == np.abs(slope).max(), 1.001, 1)


@pytest.mark.parametrize("plant", [all_of_it, half_of_it, its_largest_entry])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_checker_catches_a_planted_error_of_a_tenth_of_a_percent(plant, loss):
    point, value, gradient, product, pattern = pieces(2, loss)
    wrong = plant(gradient(point))
    with pytest.raises(AssertionError, match="differ"):
        check_derivative(value, lambda u: wrong @ u, point, pattern=pattern)
    with pytest.raises(AssertionError, match="differ"):
        check_derivative(gradient, lambda u: plant(product(u)), point, pattern=pattern)


def test_the_checker_stays_away_from_kinks():
    relu, on = lambda v: np.maximum(v, 0).sum(), lambda v: v > 0
    point = np.array([1e-7, 1.0, -1.0])  # the first entry switches within h
    slope = np.array([1.0, 1.0, 0.0])
    with pytest.raises(AssertionError, match="differ"):
        check_derivative(relu, lambda u: slope @ u, point)
    with pytest.raises(AssertionError, match="cross no kink"):
        check_derivative(relu, lambda u: slope @ u, point, pattern=on, directions=50)
    check_derivative(relu, lambda u: slope @ u, point, pattern=on, h=1e-9)
