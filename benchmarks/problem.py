"""What all benchmarks compute: the published 2-100-3 network on 300 points of the spiral, at one point of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import minidyn as md

NET, TASK = md.MLP(2, 100, 3), md.spiral()
LOSS = md.CrossEntropy(md.Oscillation(70, 5000))
PARAMS, STEP, RATE = NET.init(0), 1000, 1.0
NETWORKS = 16  # that train at once in the benchmarks of many networks


class Way(NamedTuple):
    """A way to compute something: `repeat(n)` does it n times. A long call minus a short one leaves out what a call
    costs once."""

    repeat: Callable[[int], object]
    short: int = 1
    long: int = 11
    rounds: int = 5
    at_once: int = 1  # how many of them one repetition does


def step_operations(width: int = 100, points: int = 300) -> int:
    """Multiplications and additions in the matrix products of one update: outputs, gradient, back through a layer."""
    outputs = points * (3 * width + (width + 1) * 3)
    return 2 * (2 * outputs + points * width * 3)


def hessian_operations(parameters: int = 603, outputs: int = 900) -> int:
    """Of the plain product Jᵀ D J, the Gauss-Newton part of the Hessian."""
    return 2 * outputs * parameters**2


def ntk_operations(parameters: int = 603, outputs: int = 900) -> int:
    """Of the plain product J Jᵀ."""
    return 2 * outputs**2 * parameters
