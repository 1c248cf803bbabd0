"""A checker of derivatives: central differences along random directions."""

from __future__ import annotations

import numpy as np


def check_derivative(function, derivative, point, *, pattern=None, directions=5, h=1e-5, tolerance=1e-6):
    """Demand that `derivative(u)` is the slope of `function` at `point` along random unit directions u.

    `function` takes a vector to a number or an array. Where it has kinks, `pattern(vector)` says on which side of
    them a vector lies, as a boolean array: directions that cross a kink within `h` are not used. An AssertionError says
    where function and derivative differ, or that too few directions are free of kinks.
    """
    random = np.random.RandomState(0)
    checked = 0
    for _ in range(10 * directions):
        u = random.randn(len(point))
        u /= np.linalg.norm(u)
        ahead, behind = point + h * u, point - h * u
        if pattern is not None and (pattern(ahead) != pattern(behind)).any():
            continue
        slope = (np.asarray(function(ahead)) - function(behind)) / (2 * h)
        error = np.abs(slope - derivative(u)).max() / np.abs(slope).max()
        assert error <= tolerance, f"function and derivative differ by {error:.1e} of the slope"
        checked += 1
        if checked == directions:
            return
    raise AssertionError(f"only {checked} of {directions} directions cross no kink: choose a smaller h than {h}")
