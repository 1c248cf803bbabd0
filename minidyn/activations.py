"""The activations of a network's hidden units: each function with its first and second derivative beside it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp, primitive
from numpy.typing import NDArray

Function = Callable[..., Any]


class Activation(NamedTuple):
    """A function of one number, and its derivatives, which may use those of lower order; all of them elementwise."""

    value: Function  # of z, written in `autograd.numpy`
    slope: Function  # of z and the value
    curvature: Function | None  # of z, the value and the slope; None if it is 0 wherever it exists


# The error function of the standard library: NumPy has none.
erf = primitive(np.vectorize(math.erf, otypes=[float]))
defvjp(erf, lambda answer, z: lambda g: g * 2 / math.sqrt(math.pi) * anp.exp(-(z**2)))


def _normal_density(z: Any) -> Any:
    return anp.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def _normal_distribution(z: NDArray, gelu: NDArray) -> NDArray:
    """P(N(0, 1) <= z), from z times it: the error function takes long."""
    return np.divide(gelu, z, out=np.full_like(z, 0.5), where=z != 0)


ACTIVATIONS = {
    "relu": Activation(
        value=lambda z: anp.where(z <= 0, 0.0, z),  # NaN stays NaN
        slope=lambda z, a: z > 0,
        curvature=None,
    ),
    "tanh": Activation(
        value=anp.tanh,
        slope=lambda z, a: 1 - a**2,
        curvature=lambda z, a, slope: -2 * a * slope,
    ),
    "gelu": Activation(
        value=lambda z: z * (1 + erf(z / math.sqrt(2))) / 2,
        slope=lambda z, a: _normal_distribution(z, a) + z * _normal_density(z),
        curvature=lambda z, a, slope: _normal_density(z) * (2 - z**2),
    ),
    "softplus": Activation(
        value=lambda z: anp.logaddexp(0.0, z),
        slope=lambda z, a: np.exp(z - a),
        curvature=lambda z, a, slope: slope * (1 - slope),
    ),
}
