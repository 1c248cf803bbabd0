"""What would not fit the memory is refused before any work, with its size."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

import minidyn as md
from minidyn import _checks as check
from tests.core.problems import Smooth

TASK, LOSS = md.spiral(10), md.CrossEntropy()


@pytest.fixture
def little_memory(monkeypatch):
    """A machine with 64 KiB left, and no time for forward passes."""
    monkeypatch.setattr(check, "available_memory", lambda: 2.0**16)


CALLS = {
    "hessian": lambda net: md.hessian(net, net.init(0), TASK, LOSS),
    "ntk": lambda net: md.ntk(net, net.init(0), md.spiral(50).x),
    "ntk of two sets": lambda net: md.ntk(net, net.init(0), md.spiral(1).x, md.spiral(400).x),
}


@pytest.mark.parametrize("net", [md.MLP(2, 100, 3), Smooth(2, 100, 3)], ids=["closed form", "autograd"])
@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("hessian", "Hessian"),
        ("ntk", "tangent kernel"),
        ("ntk of two sets", "tangent kernel between 3 and 1200 samples"),
    ],
)
def test_dense_matrices_name_their_size(net, call, what, little_memory):
    with pytest.raises(MemoryError, match=rf"the {what}.* needs about 0\.0 GiB of memory, and 0\.0 are left"):
        CALLS[call](net)


def test_a_jacobian_names_its_size(little_memory):
    net = md.MLP(2, 100, 3)
    with pytest.raises(MemoryError, match=r"the Jacobian of MLP\(2, 100, 3\) on 30 samples needs"):
        net.jacobian(net.init(0), TASK.x)


def test_a_measure_of_a_dense_hessian_fails_with_the_run(little_memory):
    net = md.MLP(2, 40, 3)
    options = {"learning_rate": 0.1, "steps": 3, "measure": {"hessian_spectrum": 2}, "progress": False}
    with pytest.raises(MemoryError, match="the Hessian of") as caught:
        md.train(net, net.init(0), TASK, LOSS, **options)
    assert caught.value.run.status == "failed"


def test_a_width_of_five_thousand_is_refused_at_once_where_it_cannot_be(monkeypatch):
    monkeypatch.setattr(check, "available_memory", lambda: 4 * 2.0**30)
    net = md.MLP(2, 5000, 3)
    with pytest.raises(MemoryError, match=r"30,003 parameters, needs about 13\.\d GiB of memory, and 4\.0 are left"):
        md.hessian(net, net.init(0), TASK, LOSS)


def test_one_hidden_layer_needs_no_more_than_its_matrices(monkeypatch):
    """The estimate is an upper bound of what is used, within a factor of two."""
    net = md.MLP(2, 300, 3)
    estimate = []
    monkeypatch.setattr(check, "memory", lambda what, count: estimate.append(8 * count))
    tracemalloc.start()
    md.hessian(net, net.init(0), md.spiral(), LOSS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.5 * estimate[0] < peak < estimate[0]


def test_the_memory_that_is_left_is_known_or_infinite(tmp_path, monkeypatch):
    assert 2**20 < check.available_memory() <= math.inf
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.stat").write_text("anon 400000\nfile 900000\n")
    monkeypatch.setattr(check, "CGROUP", tmp_path)
    assert check.available_memory() == 600_000
    (tmp_path / "memory.max").write_text("max\n")
    assert check.available_memory() > 600_000


def test_the_curvature_of_deep_networks_is_that_of_shallow_ones_written_deep():
    """Layers that hand on what they get: the blocks between layers far apart are those between neighbours."""
    random = np.random.RandomState(0)
    shallow, deep = md.MLP(2, 4, 3), md.MLP(2, 4, 4, 3)
    (w, b), (v, c) = shallow.init(1)
    x = random.rand(9, 2)
    task = md.Task(x, random.randint(3, size=9), 3)
    h = md.hessian(shallow, [(w, b), (v, c)], task, LOSS)
    passed_on = [(w, b), (np.eye(4), np.zeros(4)), (v, c)]
    whole = md.hessian(deep, passed_on, task, LOSS)
    first, last = np.arange(12), np.arange(deep.size - 15, deep.size)
    outer = np.concatenate([first, last])
    np.testing.assert_allclose(whole[np.ix_(outer, outer)], h, atol=1e-14)
