"""Bursts without class weights: under the static loss the learning rate makes η·λ_max swing as the class weights do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import minidyn as md
from minidyn import _checks as check
from minidyn.experiments.grids import Budget, spiral_ends
from minidyn.experiments.tilting.disturbances import update_increases_loss

KINDS = ("static", "oscillation", "swinging rate", "mean rate", "swinging rate, mean 1")
EVERY = 201  # updates between two looks; it shares no divisor with the periods, so that all phases of a turn are seen
PHASES = 25  # of a turn at which the sharpness is averaged


@dataclass(frozen=True)
class SwingingRate:
    """A learning rate that repeats itself from turn to turn, and is 1 from a step on.

    Attributes
    ----------
    turn : tuple of float
        The rates of one turn, one per step.
    rest_from : int
        From this step on the rate is 1.
    """

    turn: tuple[float, ...]
    rest_from: int

    def __call__(self, step: int) -> float:
        return self.turn[step % len(self.turn)] if step < self.rest_from else 1.0

    @property
    def mean(self) -> float:
        """The mean rate before the rest."""
        return float(np.mean([self(step) for step in range(self.rest_from)]))

    def scaled(self, factor: float) -> SwingingRate:
        """All rates before the rest times a factor."""
        return SwingingRate(tuple(factor * rate for rate in self.turn), self.rest_from)


@dataclass(frozen=True, kw_only=True)
class SwingingRun:
    """Runs from the same weights on the same samples: one whose loss oscillates, the others of the static loss.

    Attributes
    ----------
    width : int
    amplitude, period : float, int
        Of the oscillation.
    seed : int
        Of the initial weights and of the samples.
    budget : Budget
    """

    width: int
    amplitude: float
    period: int
    seed: int
    budget: Budget

    def __post_init__(self) -> None:
        check.integer("rest", self.budget.rest, least=1, most=self.budget.steps - 1)

    @property
    def disturbed(self) -> int:
        """Number of updates before the rest."""
        return self.budget.steps - self.budget.rest

    def ends(self) -> dict[str, dict[str, float]]:
        """How the runs of each kind end, and how they bounced before the rest.

        Returns
        -------
        dict of dict of float
            "static": the static loss, η = 1. "oscillation": class weights, η = 1. "swinging rate": the static loss; at
            each phase of a turn η is the factor by which the class weights changed the sharpness in the run before.
            "mean rate": the static loss at the mean of these rates. "swinging rate, mean 1": these rates over their
            mean, so that the rates add up to what they do at η = 1.

            Besides what `spiral_ends` returns: "rate", the mean η; "raised", the fraction of the looks at which the
            next update raised the loss that it descends; "above_two", the fraction at which η·λ_max was above 2.
        """
        plain = SwingingRate((1.0,), self.disturbed)
        oscillation = md.Oscillation(self.amplitude, self.period, rest_from=self.disturbed)
        oscillating = self._train(md.CrossEntropy(oscillation), plain)
        swinging = SwingingRate(tuple(sharpness_factor(oscillating.history, self.period)), self.disturbed)
        mean = swinging.mean
        rates = (plain, swinging, plain.scaled(mean), swinging.scaled(1 / mean))
        static, *others = (self._train(md.CrossEntropy(), rate) for rate in rates)
        return {kind: self._end(run) for kind, run in zip(KINDS, (static, oscillating, *others), strict=True)}

    def _train(self, loss: md.CrossEntropy, rate: SwingingRate) -> md.Run:
        net = md.MLP(2, self.width, 3)
        measures: dict[str, Any] = {
            "hessian_max": EVERY,
            "raises": (EVERY, partial(update_increases_loss, learning_rate=rate)),
        }
        if loss.gamma is not None:
            measures["static_max"] = (EVERY, static_sharpness)
        return md.train(
            net,
            net.init(self.seed),
            md.spiral(seed=self.seed),
            loss,
            learning_rate=rate,
            steps=self.budget.steps,
            measure=measures,
            progress=False,
        )

    def _end(self, run: md.Run) -> dict[str, float]:
        rate: Callable[[int], float] = run.settings.learning_rate  # type: ignore[assignment]
        before_rest = slice(0, self.disturbed - 1)
        looks = run.history.sel(hessian_max_step=before_rest, raises_step=before_rest)
        rates = np.array([rate(int(step)) for step in looks.hessian_max_step.values])
        return {
            **spiral_ends(run.settings.net, run.params, self.seed),
            "rate": float(np.mean([rate(step) for step in range(self.disturbed)])),
            "raised": float(looks.raises.mean()),
            "above_two": float((rates * looks.hessian_max.values > 2).mean()),
        }


def sharpness_factor(history: xr.Dataset, period: int) -> NDArray:
    """By which factor the class weights change the sharpness, for each step of a turn: the geometric mean of all turns.

    Parameters
    ----------
    history : xarray.Dataset
        With "hessian_max" and "static_max", the sharpness with and without the class weights, at the same steps.
    period : int
        Length of a turn in steps.
    """
    phases = min(PHASES, period)
    steps = history.hessian_max_step.values
    phase = steps % period * phases // period
    count = np.bincount(phase, minlength=phases)
    factor = np.bincount(phase, np.log(history.hessian_max.values / history.static_max.values), phases)
    seen = np.flatnonzero(count)
    middle = (seen + 0.5) * period / phases
    return np.exp(np.interp(np.arange(period), middle, factor[seen] / count[seen], period=period))


def static_sharpness(net: Any, params: Any, task: md.Task, loss: Any, step: int) -> float:
    """The sharpness without class weights."""
    return float(md.hessian_eigenvalues(net, params, task, md.CrossEntropy(), tolerance=1e-4).values[0])
