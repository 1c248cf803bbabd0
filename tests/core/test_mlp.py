"""The network: its initial parameters, its order of parameters, its outputs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from autograd.misc import flatten

import minidyn as md
from tests.core.problems import flat

NETS = [md.MLP(2, 100, 3), md.MLP(4, 2), md.MLP(1, 3, 5, 2)]


@pytest.mark.parametrize("net", NETS, ids=repr)
def test_initial_parameters_are_drawn_one_by_one_in_order(net):
    """W1, b1, W2, b2, ..., row-major, from one frozen stream: what the in-page lab draws too."""
    random = np.random.RandomState(7)
    for (inputs, outputs), (weight, bias) in zip(pairwise(net.widths), net.init(7), strict=True):
        for row in range(inputs):
            for column in range(outputs):
                assert weight[row, column] == pytest.approx(random.randn() * (2 / (inputs + outputs)) ** 0.5, rel=1e-15)
        assert list(bias) == pytest.approx([random.randn() * 0.01 for _ in range(outputs)], rel=1e-15)


def test_the_stream_is_frozen():
    weight = md.MLP(2, 100, 3).init(0)[0][0]
    assert weight[0, 0] == pytest.approx(1.764052345967664 * (2 / 102) ** 0.5, rel=1e-15)  # RandomState(0)'s first draw
    assert weight[0, 1] == pytest.approx(0.4001572083672233 * (2 / 102) ** 0.5, rel=1e-15)


@pytest.mark.parametrize("net", NETS, ids=repr)
def test_the_order_of_parameters_is_that_of_autograd_flatten(net):
    params = net.init(3)
    assert (flatten(params)[0] == flat(params)).all()
    assert net.size == flat(params).size
    assert flat(net.unflatten(flat(params))).tobytes() == flat(params).tobytes()


def test_outputs_unit_by_unit():
    net = md.MLP(2, 3, 2)
    (w1, b1), (w2, b2) = params = net.init(1)
    x = np.array([0.5, -2.0])
    hidden = [max(0.0, x[0] * w1[0, j] + x[1] * w1[1, j] + b1[j]) for j in range(3)]
    wanted = [sum(h * w2[j, c] for j, h in enumerate(hidden)) + b2[c] for c in range(2)]
    assert 0 < sum(h > 0 for h in hidden) < 3
    np.testing.assert_allclose(net.logits(params, x[None])[0], wanted)
    np.testing.assert_allclose(net.vjp(params, x[None])[0][0], wanted)
