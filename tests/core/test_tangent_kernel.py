"""The neural tangent kernel."""

from __future__ import annotations

import numpy as np
import pytest

import minidyn as md
from minidyn import derivatives
from minidyn.activations import ACTIVATIONS
from tests.core.problems import Plain, Smooth, random_problem


@pytest.mark.parametrize(("hidden", "k"), [(0, 1), (1, 3), (2, 3), (3, 3)])  # a linear model's eigenvalues repeat
def test_leading_eigenvalues_without_the_kernel(hidden, k):
    net, params, task, *_ = random_problem(hidden)
    kernel = md.ntk(net, params, task.x)
    size = kernel.shape[0] * kernel.shape[1]
    exact = np.linalg.eigvalsh(kernel.reshape(size, size))[::-1]
    spectrum = md.ntk_eigenvalues(net, params, task.x, k=k)
    np.testing.assert_allclose(spectrum.values, exact[:k], rtol=1e-9)
    assert spectrum.vectors.shape == (size, k)


def test_the_published_network():
    net, x = md.MLP(2, 100, 3), md.spiral().x
    params = net.init(0)
    exact = np.linalg.eigvalsh(md.ntk(net, params, x).reshape(900, 900))
    assert md.ntk_eigenvalues(net, params, x).values == pytest.approx(exact[-1:], rel=1e-12)
    assert exact[0] > -1e-12 * exact[-1]


def test_a_linear_model_by_hand():
    """With f = x W + b the kernel is (x·x' + 1) for equal outputs, and nothing between different ones."""
    net, x = md.MLP(2, 3), np.array([[1.0, 2.0], [-1.0, 0.5]])
    kernel = md.ntk(net, net.init(0), x)
    for c in range(3):
        for d in range(3):
            np.testing.assert_allclose(kernel[:, c, :, d], (c == d) * (x @ x.T + 1))


def test_the_static_loss_falls_by_the_kernel():
    """To first order a small step moves the outputs by -η K ∂F/∂f."""
    net, params, task, loss, step = random_problem(2, "mse_sample")
    slope = loss.gradient(net.logits(params, task.x), task.labels, step)
    rate = 1e-7
    run = md.train(net, params, task, loss, learning_rate=rate, steps=1, start=step)
    moved = (net.logits(run.params, task.x) - net.logits(params, task.x)) / -rate
    np.testing.assert_allclose(
        moved, np.tensordot(md.ntk(net, params, task.x), slope, 2), atol=1e-5 * np.abs(moved).max()
    )


def test_own_models():
    net, x = Smooth(2, 4, 3), md.spiral(5).x
    kernel = md.ntk(net, net.init(0), x).reshape(45, 45)
    assert md.ntk_eigenvalues(net, net.init(0), x).values == pytest.approx(np.linalg.eigvalsh(kernel)[-1:])


class TestBetweenTwoSetsOfSamples:
    """The kernel K(x, x'), in closed form, against autograd's Jacobians and against the kernel of both sets at once."""

    @pytest.mark.parametrize("activation", ACTIVATIONS)
    @pytest.mark.parametrize("hidden", [0, 1, 2, 3])
    def test_it_is_the_product_of_the_jacobians(self, activation, hidden):
        plain, params, task, *_ = random_problem(hidden)
        net = md.MLP(*plain.widths, activation=activation)
        x, other = task.x[:5], task.x[5:]
        by_autograd = derivatives.Autograd(net)
        left, right = by_autograd.jacobian(params, x), by_autograd.jacobian(params, other)
        expected = np.einsum("pck,qdk->pcqd", left, right)
        kernel = md.ntk(net, params, x, other)
        assert kernel.shape == (5, net.widths[-1], 7, net.widths[-1])
        np.testing.assert_allclose(kernel, expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max())

    def test_it_is_a_block_of_the_kernel_of_both(self):
        net, params, task, *_ = random_problem(2)
        whole = md.ntk(net, params, task.x)
        np.testing.assert_allclose(md.ntk(net, params, task.x[:4], task.x[4:]), whole[:4, :, 4:], rtol=1e-12)
        turned = md.ntk(net, params, task.x[4:], task.x[:4]).transpose(2, 3, 0, 1)
        np.testing.assert_allclose(turned, whole[:4, :, 4:], rtol=1e-12)
        np.testing.assert_allclose(md.ntk(net, params, task.x, task.x), whole, rtol=1e-13)

    @pytest.mark.parametrize("net", [Smooth(2, 4, 3), Plain(2, 4, 3)])
    def test_of_own_models(self, net):
        x, other = md.spiral(5).x, md.spiral(3, seed=1).x
        params = net.init(0)
        joined = md.ntk(net, params, np.concatenate([x, other]))
        np.testing.assert_allclose(md.ntk(net, params, x, other), joined[:15, :, 15:], rtol=1e-12, atol=1e-13)

    def test_it_says_how_training_moves_the_outputs_elsewhere(self):
        """To first order a small step on x' moves the outputs at x by -η K(x, x') ∂F/∂f(x')."""
        net, params, task, loss, step = random_problem(2, "mse_sample")
        elsewhere = np.random.RandomState(0).randn(6, task.x.shape[1])
        slope, rate = loss.gradient(net.logits(params, task.x), task.labels, step), 1e-7
        run = md.train(net, params, task, loss, learning_rate=rate, steps=1, start=step)
        moved = (net.logits(run.params, elsewhere) - net.logits(params, elsewhere)) / -rate
        foreseen = np.tensordot(md.ntk(net, params, elsewhere, task.x), slope, 2)
        np.testing.assert_allclose(moved, foreseen, atol=1e-5 * np.abs(moved).max())
