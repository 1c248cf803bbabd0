"""What must hold for every network, task, loss and Γ."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import minidyn as md
from tests.core.problems import LOSSES, Sines, flat, random_problem

problems = st.builds(random_problem, st.integers(0, 3), st.sampled_from(sorted(LOSSES)), st.integers(0, 10**6))


@given(problems)
def test_the_hessian_is_symmetric_to_the_last_bit(problem):
    hessian = md.hessian(*problem)
    assert (hessian == hessian.T).all()


@given(problems)
def test_the_kernel_is_symmetric_and_positive_semi_definite(problem):
    net, params, task, *_ = problem
    size = len(task) * task.classes
    kernel = md.ntk(net, params, task.x).reshape(size, size)
    scale = np.abs(kernel).max()
    assert np.abs(kernel - kernel.T).max() <= 1e-14 * scale
    assert np.linalg.eigvalsh(kernel)[0] >= -1e-12 * size * scale
    assert np.linalg.matrix_rank(kernel, tol=1e-9 * size * scale) <= net.size


@given(problems, st.randoms(use_true_random=False))
def test_the_order_of_the_samples_does_not_matter(problem, random):
    net, params, task, loss, step = problem
    order = list(range(len(task)))
    random.shuffle(order)
    shuffled = md.Task(task.x[order], task.labels[order], task.classes)
    for function in (md.hessian, lambda *args: flat(md.gradient(*args))):
        shuffled_result, result = (function(net, params, t, loss, step) for t in (shuffled, task))
        np.testing.assert_allclose(shuffled_result, result, rtol=0, atol=1e-13 * np.abs(result).max())
    kernel = md.ntk(net, params, task.x)[np.ix_(order, range(task.classes), order, range(task.classes))]
    np.testing.assert_allclose(md.ntk(net, params, shuffled.x), kernel, rtol=1e-12, atol=1e-14 * kernel.max())


@given(problems, st.integers(0, 10**6))
def test_the_moving_loss_is_the_sum_of_its_classes(problem, step):
    """F is linear in Γ: with the weights of two steps, the mean of two losses is the loss of the mean weights."""
    net, params, task, loss, here = problem
    mean = Mean(loss.gamma, here, step)
    between = type(loss)(mean) if isinstance(loss, md.CrossEntropy) else md.SquaredError(mean, loss.weighting)
    hessians = [md.hessian(net, params, task, loss, s) for s in (here, step)]
    wanted = sum(hessians) / 2
    hessian = md.hessian(net, params, task, between)
    np.testing.assert_allclose(hessian, wanted, rtol=0, atol=1e-12 * np.abs(hessians).max())


class Mean:
    """A constant waveform: the mean of another one at two steps."""

    def __init__(self, gamma, one, other):
        self.classes, self.mean = gamma.classes, gamma.weights([one, other]).mean(axis=0)

    def weights(self, step):
        return self.mean


@pytest.mark.parametrize("weighting", ["sample", "output"])
@pytest.mark.parametrize("hidden", range(4))
@given(amplitude=st.floats(1, 1000), period=st.integers(2, 200), step=st.integers(0, 10**6))
def test_a_solution_of_the_squared_errors_stays_one(hidden, weighting, amplitude, period, step):
    """Where the static loss is zero, the gradient is zero at every t; the curvature is not the same at every t."""
    net, task = md.MLP(*[3] * (hidden + 2)), md.Task(np.eye(3), [0, 1, 2], 3)
    solution = [(np.eye(3), np.zeros(3))] * (hidden + 1)  # every layer hands the one-hot samples on
    loss = md.SquaredError(md.Oscillation(amplitude, period), weighting)
    assert md.SquaredError().value(net.logits(solution, task.x), task.labels) == 0
    assert (flat(md.gradient(net, solution, task, loss, step)) == 0).all()
    run = md.train(net, solution, task, loss, learning_rate=1, steps=5, start=step)
    assert (run.history.loss == 0).all()
    assert (flat(run.params) == flat(solution)).all()


def test_at_a_solution_the_curvature_still_moves():
    net, task = md.MLP(3, 3), md.Task(np.eye(3), [0, 1, 2], 3)
    solution, loss = [(np.eye(3), np.zeros(3))], md.SquaredError(md.Oscillation(70, 100))
    calm, tilted = (md.hessian_eigenvalues(net, solution, task, loss, step).values[0] for step in (0, 50))
    assert tilted > 1.3 * calm


@given(st.integers(2, 5), st.integers(2, 50), st.integers(0, 1000))
def test_waveforms_of_your_own_drive_a_descent(classes, period, start):
    task, net, gamma = md.spiral(6, classes), md.MLP(2, 4, classes), Sines(period, classes)
    loss = md.CrossEntropy(gamma)
    run = md.train(net, net.init(0), task, loss, learning_rate=0.1, steps=5, start=start, measure={"params": 1})
    for k, entry in enumerate(run.history.loss.values):
        params = net.unflatten(run.history.params.values[k])
        assert entry == pytest.approx(loss.value(net.logits(params, task.x), task.labels, start + k), rel=1e-12)
        np.testing.assert_array_equal(run.history.weights[k], gamma.weights(start + k))
