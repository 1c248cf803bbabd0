"""Γ(t) of a loss: an `Oscillation`, or a waveform of your own; its weights, checked, and what a state keeps of it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from minidyn import _checks as check
from minidyn.oscillation import Oscillation

REMEMBERED = 64  # steps at most whose weights a state keeps of a waveform that is no Oscillation


class Waveform(Protocol):
    """What a loss asks of its `gamma`: `minidyn.Oscillation` has it, and so can a waveform of your own.

    Examples
    --------
    A Γ(t) that emphasises the second of two classes more and more:

    >>> from minidyn.torch import DynamicalCrossEntropyLoss
    >>> class Ramp:
    ...     def weights(self, step):
    ...         share = min(step / 1000, 1)
    ...         return [1 - share / 2, 1 + share / 2]
    >>> criterion = DynamicalCrossEntropyLoss(gamma=Ramp(), start=500)
    >>> criterion.get_last_weights()
    tensor([0.7500, 1.2500], dtype=torch.float64)
    """

    def weights(self, step: int) -> Any:
        """The class weights at a step: C finite numbers of at least 0, C at least 2, a function of the step alone."""


def checked_waveform(gamma: Any, num_classes: Any, start: int, clock: dict[str, Any]) -> Waveform:
    """The waveform that a loss was given: `gamma`, or the oscillation of these settings of a clock."""
    if gamma is None:
        classes = check.integer("num_classes", num_classes, least=2)
        return Oscillation(clock["amplitude"], clock["period"], classes, **_options(clock))
    settings = [name for name, value in clock.items() if value is not None]
    if settings:
        raise TypeError(f"gamma tells the weights at each step, so {', '.join(settings)} cannot be given beside it")
    if isinstance(gamma, type) or not callable(getattr(gamma, "weights", None)):
        raise TypeError(f"gamma must have a method weights(step), as minidyn.Oscillation has, got {gamma!r:.80}")
    classes = len(class_weights(gamma, start))
    for name, value in (("num_classes", num_classes), ("gamma.classes", getattr(gamma, "classes", None))):
        if value is not None and value != classes:
            raise ValueError(f"{name} must be the number of weights that gamma gives, {classes}, got {value!r}")
    return gamma


def _options(clock: dict[str, Any]) -> dict[str, Any]:
    return {name: clock[name] for name in ("dwell", "rest_from")}


def class_weights(gamma: Waveform, step: int, classes: int | None = None) -> NDArray:
    """Γ at a step, shape (C,); a ValueError if a waveform gives anything but finite weights of at least 0."""
    weights, name = gamma.weights(step), f"gamma.weights({step})"
    if isinstance(weights, Tensor):
        weights = weights.detach().cpu().double()
    weights = check.array(name, weights, (classes,))
    if len(weights) < 2 or weights.min() < 0:
        raise ValueError(f"{name} must hold two weights or more, each >= 0, got {weights}")
    return weights


def record(gamma: Waveform, step: int) -> Tensor:
    """What a state keeps of Γ(t): the settings of an Oscillation (5,), or rows of a step and its weights (n, 1 + C)."""
    if type(gamma) is Oscillation:
        rest_from = -1 if gamma.rest_from is None else gamma.rest_from
        settings = [gamma.amplitude, gamma.period, gamma.classes, gamma.dwell, rest_from]
        return torch.tensor(settings, dtype=torch.float64)
    steps = np.unique(np.linspace(0, step, min(step + 1, REMEMBERED)).astype(np.int64))
    return torch.tensor(np.array([[k, *class_weights(gamma, int(k))] for k in steps]))


def difference(gamma: Waveform, state: Tensor) -> str | None:
    """In which way the Γ(t) of a `record` is another than `gamma`; None if it is the same as far as the record goes."""
    if state.ndim == 2:
        return _different_weights(gamma, state)
    if type(gamma) is Oscillation and torch.equal(state, record(gamma, 0)):
        return None
    amplitude, period, classes, dwell, rest_from = state.tolist()
    return (
        f"amplitude={amplitude:g}, period={period:g}, num_classes={classes:g}, "
        f"dwell={dwell:g}, rest_from={None if rest_from < 0 else int(rest_from)}"
    )


def _different_weights(gamma: Waveform, state: Tensor) -> str | None:
    for step, *weights in state.tolist():
        here = class_weights(gamma, int(step))
        if len(here) != len(weights) or not np.allclose(here, weights, rtol=1e-9, atol=0):
            return f"the weights {weights} at step {int(step)}, where this one has {here.tolist()}"
    return None


def shown(gamma: Waveform) -> str:
    """A waveform as text, the same in each process: its name, if it has no representation of its own."""
    return f"gamma={type(gamma).__qualname__}" if type(gamma).__repr__ is object.__repr__ else str(gamma)
