"""The closed forms against autograd, on random networks, data, losses and Γ."""

from __future__ import annotations

import autograd
import numpy as np
import pytest
from autograd.misc import flatten

import minidyn as md
from minidyn import derivatives
from tests.core.problems import LOSSES, Plain, Sines, Smooth, flat, random_problem

PRECISION = 1e-10  # of the largest entry


def close(computed, expected):
    return np.abs(computed - expected).max() <= PRECISION * np.abs(expected).max()


def value_of(net, task, loss, step):
    """F as a function of the flat parameters, for autograd."""
    return lambda v: loss.value(net.logits(net.unflatten(v), task.x), task.labels, step)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", range(5))
class TestLoss:
    def test_gradient(self, hidden, loss, seed):
        net, params, task, loss, step = random_problem(hidden, loss, seed)
        wanted = autograd.grad(value_of(net, task, loss, step))(flat(params))
        assert close(flat(md.gradient(net, params, task, loss, step)), wanted)

    def test_hessian_and_its_products(self, hidden, loss, seed):
        net, params, task, loss, step = random_problem(hidden, loss, seed)
        wanted = autograd.hessian(value_of(net, task, loss, step))(flat(params))
        assert close(md.hessian(net, params, task, loss, step), wanted)
        product = md.hessian_product(net, params, task, loss, step)
        assert close(np.stack([product(unit) for unit in np.eye(net.size)]), wanted)

    def test_with_respect_to_the_outputs(self, hidden, loss, seed):
        net, params, task, loss, step = random_problem(hidden, loss, seed)
        logits = net.logits(params, task.x)
        slope = autograd.grad(lambda f: loss.value(f, task.labels, step))
        assert close(loss.gradient(logits, task.labels, step), slope(logits))
        blocks = autograd.jacobian(slope)(logits)
        wanted = np.zeros_like(blocks)
        for sample, block in enumerate(loss.curvature(logits, task.labels, step)):
            wanted[sample, :, sample, :] = block
        assert close(wanted, blocks)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("hidden", range(5))
def test_jacobian_and_kernel(hidden, seed):
    net, params, task, _, _ = random_problem(hidden, seed=seed)
    wanted = autograd.jacobian(lambda v: net.logits(net.unflatten(v), task.x))(flat(params))
    assert close(net.jacobian(params, task.x), wanted)
    assert close(md.ntk(net, params, task.x), np.einsum("pck,qdk->pcqd", wanted, wanted))
    logits, pullback = net.vjp(params, task.x)
    random = np.random.RandomState(seed)
    cotangent, tangent = random.randn(*logits.shape), random.randn(net.size)
    assert close(pullback(cotangent), np.einsum("pc,pck->k", cotangent, wanted))
    assert close(net.jvp(params, task.x, tangent), wanted @ tangent)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("hidden", range(1, 4))
def test_a_plain_model_gets_the_same_from_autograd(hidden, loss):
    net, params, task, loss, step = random_problem(hidden, loss)
    plain = Plain(*net.widths)
    for function in (md.hessian, lambda *args: flat(md.gradient(*args))):
        assert close(function(plain, params, task, loss, step), function(net, params, task, loss, step))
    assert close(md.ntk(plain, params, task.x), md.ntk(net, params, task.x))
    u = np.random.RandomState(0).randn(net.size)
    products = [md.hessian_product(n, params, task, loss, step)(u) for n in (plain, net)]
    assert close(*products)
    assert close(derivatives.jvp(plain, params, task.x, u), net.jvp(params, task.x, u))


def test_parameters_in_a_dict_keep_the_order_of_autograd_flatten():
    net, task = Smooth(2, 4, 3), md.spiral(5)
    params, loss = net.init(0), md.CrossEntropy(Sines(20, 3))
    vector, unflatten = flatten(params)
    value = lambda v: loss.value(net.logits(unflatten(v), task.x), task.labels, 7)  # noqa: E731
    gradient = md.gradient(net, params, task, loss, 7)
    assert set(gradient) == set(params)
    assert close(flatten(gradient)[0], autograd.grad(value)(vector))
    assert close(md.hessian(net, params, task, loss, 7), autograd.hessian(value)(vector))
    jacobian = autograd.jacobian(lambda v: net.logits(unflatten(v), task.x))(vector)
    assert close(md.ntk(net, params, task.x), np.einsum("pck,qdk->pcqd", jacobian, jacobian))


def test_the_derivative_of_relu_at_zero_is_zero():
    net, task = md.MLP(2, 4, 3), md.Task(np.zeros((2, 2)), [0, 1], 3)  # at the origin, without biases, all units tie
    params = [(w, np.zeros_like(b)) for w, b in net.init(0)]
    params[1] = params[1][0], np.array([0.5, 0.0, -0.5])
    (weight, bias), _ = md.gradient(net, params, task, md.CrossEntropy())
    assert (weight == 0).all()
    assert (bias == 0).all()
    hessian = md.hessian(net, params, task, md.CrossEntropy())
    assert (hessian[:-3] == 0).all()  # all but the last biases
    assert close(hessian, md.hessian(Plain(2, 4, 3), params, task, md.CrossEntropy()))
