"""Γ(t): which class the loss listens to, and how much, at each step."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from minidyn import _checks as check


@dataclass(frozen=True)
class Oscillation:
    """Class weights that take turns: for a period each, one class counts up to `amplitude` times as much.

    During its turn a class's raw weight rises linearly from 1 to A in T/2 steps and falls back to 1, while
    the other raw weights are 1; Γ_i = C raw_i / Σ raw, so that ΣΓ = C. The next turn is the next class's,
    cyclically. A = 1 gives Γ = 1: the standard loss. If T is odd, the peak lies between two steps.

    Parameters
    ----------
    amplitude : float
        A, 1 to 1e300.
    period : int
        T, in steps (gradient updates), at least 2; 1 if A = 1, since in a turn of one step no weight could rise.
    classes : int
        C, at least 2.
    dwell : int, optional
        Number of steps that each class is held, at least `period` (the default); the raw weight is 1 beyond the
        period. The published notebook's clock holds each class `dwell=T + 1` steps.
    rest_from : int, optional
        Γ = 1 from that step on. Default: never.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of the kind above.

    Notes
    -----
    Source: Ruiz-Garcia, Zhang, Schoenholz & Liu, "Tilting the playing field", ICML 2021.

    Examples
    --------
    >>> import minidyn as md
    >>> gamma = md.Oscillation(amplitude=4, period=100)
    >>> gamma.weights(50)
    array([2. , 0.5, 0.5])
    >>> gamma.weights([0, 50, 150]).shape
    (3, 3)
    """

    amplitude: float
    period: int
    classes: int = 3
    _: KW_ONLY
    dwell: int | None = None
    rest_from: int | None = None

    def __post_init__(self) -> None:
        amplitude = check.real("amplitude", self.amplitude, least=1, most=LARGEST_AMPLITUDE)
        period = check.integer("period", self.period, least=1)
        if period == 1 and amplitude > 1:
            raise ValueError(
                f"period must be >= 2 if amplitude exceeds 1: in one step no weight can rise, got {period}"
            )
        dwell = period if self.dwell is None else check.integer("dwell", self.dwell, least=period)
        rest_from = None if self.rest_from is None else check.integer("rest_from", self.rest_from, least=0)
        checked = {
            "amplitude": amplitude,
            "period": period,
            "classes": check.integer("classes", self.classes, least=2),
            "dwell": dwell,
            "rest_from": rest_from,
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def weights(self, step: Any) -> np.ndarray:
        """Γ at a step, or at each of an array of steps.

        Parameters
        ----------
        step : int or array_like of int, shape (n,)
            The value of the clock, at least 0.

        Returns
        -------
        numpy.ndarray, shape (C,) or (n, C)
            The class weights; they sum to C.

        Raises
        ------
        TypeError, ValueError
            If a step is not an integer of at least 0.
        """
        steps = check.steps("step", step)
        turn, phase = np.divmod(steps, self.dwell or self.period)
        ramp = np.maximum(1 - np.abs(2 * phase / self.period - 1), 0.0)  # 0 -> 1 -> 0, then 0 until the dwell ends
        if self.rest_from is not None:
            ramp = np.where(steps < self.rest_from, ramp, 0.0)
        raised = (self.amplitude - 1) * ramp
        raw = 1 + raised[..., None] * (np.arange(self.classes) == turn[..., None] % self.classes)
        return self.classes * raw / (self.classes + raised)[..., None]

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value that a weight can take: C/(A+C-1) and CA/(A+C-1)."""
        total = self.amplitude + self.classes - 1
        return self.classes / total, self.classes * self.amplitude / total


LARGEST_AMPLITUDE = 1e300  # beyond it the sum of the raw weights overflows
