"""Optimisers: how a gradient becomes an update of the weights. `md.train(..., optimizer=md.optimizers.Momentum(0.9))`.

Each is a frozen record of its settings. What it remembers from one update to the next, its moments, travels with the
weights: a run that is saved, or resumed, keeps both. The formulas are those of PyTorch's `SGD` and `Adam`.

The stability threshold is the sharpness λ_max above which descent in a frozen quadratic valley grows along the leading
eigenvector: 2/η for plain descent, 2 (1 + β)/η with momentum β. Adam has none for λ_max: it divides each component of
the gradient by a scale of its own, so what counts is the Hessian divided by these scales, which must stay below
2 (1 + β₁)/((1 - β₁) η): 38/η by default. Source: Cohen et al., "Adaptive gradient methods at the edge of stability"
(arXiv 2207.14484).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minidyn import _checks as check


class Step(NamedTuple):
    """The weights after an update, and the moments to go on with."""

    vector: NDArray  # (p,)
    moments: NDArray  # (number of moments, p)


@dataclass(frozen=True)
class GradientDescent:
    """Plain gradient descent: w ← w - η g.

    Examples
    --------
    >>> from minidyn import optimizers
    >>> optimizers.GradientDescent().threshold(learning_rate=0.5)
    4.0
    """

    count: ClassVar[int] = 0  # number of moments
    threshold_label: ClassVar[str] = "2/η"

    def step(self, vector: NDArray, gradient: NDArray, moments: NDArray, rate: float, done: int) -> Step:
        """The update that follows `done` updates, at the learning rate `rate`."""
        return Step(vector - rate * gradient, moments)

    def threshold(self, learning_rate: Any) -> Any:
        """The stability threshold 2/η, in the shape of `learning_rate`."""
        return 2 / learning_rate


@dataclass(frozen=True)
class Momentum:
    """Gradient descent with heavy-ball momentum: v ← β v + g, w ← w - η v, from v = 0.

    Parameters
    ----------
    momentum : float
        β, from 0 to below 1.

    Raises
    ------
    TypeError, ValueError
        If `momentum` is not such a number.

    Examples
    --------
    >>> from minidyn import optimizers
    >>> optimizers.Momentum(0.5).threshold(learning_rate=0.5)
    6.0
    """

    momentum: float = 0.9

    count: ClassVar[int] = 1
    threshold_label: ClassVar[str] = "2(1+β)/η"

    def __post_init__(self) -> None:
        object.__setattr__(self, "momentum", _fraction("momentum", self.momentum))

    def step(self, vector: NDArray, gradient: NDArray, moments: NDArray, rate: float, done: int) -> Step:
        """As for `GradientDescent`."""
        velocity = self.momentum * moments[0] + gradient
        return Step(vector - rate * velocity, velocity[None])

    def threshold(self, learning_rate: Any) -> Any:
        """The stability threshold 2 (1 + β)/η, in the shape of `learning_rate`."""
        return 2 * (1 + self.momentum) / learning_rate


@dataclass(frozen=True)
class Adam:
    """Adam: w ← w - η m̂ / (√v̂ + ε), with running means m of the gradient and v of its square.

    m ← β₁ m + (1 - β₁) g, corrected for its start at 0 to m̂ = m / (1 - β₁ᵏ) at the k-th update; likewise v, with β₂ and
    g².

    Parameters
    ----------
    beta1, beta2 : float
        From 0 to below 1.
    epsilon : float
        ε, above 0.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not such a number.

    Notes
    -----
    Source: Kingma & Ba, "Adam: a method for stochastic optimization" (2015).

    Examples
    --------
    >>> from minidyn import optimizers
    >>> optimizers.Adam(epsilon=1e-6)
    Adam(beta1=0.9, beta2=0.999, epsilon=1e-06)
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    count: ClassVar[int] = 2
    threshold_label: ClassVar[None] = None

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2"):
            object.__setattr__(self, name, _fraction(name, getattr(self, name)))
        object.__setattr__(self, "epsilon", check.real("epsilon", self.epsilon, above=0))

    def step(self, vector: NDArray, gradient: NDArray, moments: NDArray, rate: float, done: int) -> Step:
        """As for `GradientDescent`."""
        mean = self.beta1 * moments[0] + (1 - self.beta1) * gradient
        square = self.beta2 * moments[1] + (1 - self.beta2) * gradient**2
        scale = np.sqrt(square / (1 - self.beta2 ** (done + 1))) + self.epsilon
        corrected = mean / (1 - self.beta1 ** (done + 1))
        return Step(vector - rate * corrected / scale, np.stack([mean, square]))

    def threshold(self, learning_rate: Any) -> None:
        """None: no sharpness is a threshold for Adam, as the module says."""
        return


Optimizer = GradientDescent | Momentum | Adam
PLAIN = GradientDescent()  # what `train` does unless it is told otherwise


def checked(optimizer: Any) -> Optimizer:
    """`optimizer`, which must be one of this module."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be a GradientDescent, Momentum or Adam, got {optimizer!r:.80}")
    return optimizer


def to_dict(optimizer: Optimizer) -> dict[str, Any]:
    """What a file needs to make the optimiser again."""
    return {"optimizer": type(optimizer).__name__, **asdict(optimizer)}


def from_dict(stored: dict[str, Any]) -> Optimizer:
    """The optimiser that `to_dict` described."""
    kinds = {"GradientDescent": GradientDescent, "Momentum": Momentum, "Adam": Adam}
    return kinds[stored["optimizer"]](**{name: value for name, value in stored.items() if name != "optimizer"})


def _fraction(name: str, value: Any) -> float:
    """`value` from 0 to below 1."""
    value = check.real(name, value, least=0)
    if value >= 1:
        raise ValueError(f"{name} must be a finite number >= 0 and < 1, got {value!r}")
    return value
