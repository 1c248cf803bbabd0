"""The benchmarks time what they say; how long it takes is theirs to print, and nobody's to assert."""

from __future__ import annotations

import importlib
from importlib.util import find_spec

import numpy as np
import pytest

import minidyn as md
from benchmarks import clock, with_autograd, with_minidyn
from benchmarks.__main__ import COMPARISONS
from benchmarks.problem import LOSS, NET, PARAMS, STEP, TASK, Way, hessian_operations, ntk_operations, step_operations

WAYS = [way for comparison in COMPARISONS for way in (comparison.ours, *comparison.others.values())]


def test_a_repetition_is_free_of_what_a_call_costs_once(monkeypatch):
    now = [0.0]

    def repeat(repetitions):
        now[0] += 5 + 0.5 * repetitions

    monkeypatch.setattr(clock.time, "perf_counter", lambda: now[0])
    assert clock.seconds_here(Way(repeat, 2, 22)) == pytest.approx(0.5)
    assert clock.seconds_here(Way(repeat, 2, 22, at_once=10)) == pytest.approx(0.05)


@pytest.mark.slow
def test_a_way_runs_in_a_process_of_its_own():
    assert 0 < clock.seconds_apart("with_numpy.matrix_product", processes=1) < 60


@pytest.mark.parametrize("way", WAYS)
def test_every_way_that_is_compared_repeats(way):
    path, *arguments = way.split()
    module, name = path.split(".")
    if module == "with_jax" and not find_spec("jax"):
        pytest.skip("JAX is not installed")
    function = getattr(importlib.import_module(f"benchmarks.{module}"), name)
    assert callable(function(*(int(text) if text.isdigit() else text for text in arguments)).repeat)


def test_both_sides_compute_the_same():
    """Ours and autograd's: the Hessian, and one update of the barest kind."""
    (hessian,) = with_autograd.hessian().repeat(1)
    assert np.allclose(md.hessian(NET, PARAMS, TASK, LOSS, STEP), hessian)
    (kernel,) = with_minidyn.ntk().repeat(1)
    jacobian = with_autograd.jacobian().repeat(1)[0].reshape(900, -1)
    assert np.allclose(kernel.reshape(900, 900), jacobian @ jacobian.T)


def test_the_operations_are_those_of_the_plain_products():
    """2 per multiplication and addition: two layers forward, their two gradients, and one layer back."""
    p, h = 300, 100
    forward = p * 3 * h + p * (h + 1) * 3
    assert step_operations(h, p) == 2 * (2 * forward + p * h * 3)
    jacobian = np.empty((900, 603))
    assert hessian_operations() == 2 * jacobian.size * 603
    assert ntk_operations() == 2 * jacobian.size * 900
