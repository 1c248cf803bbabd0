"""Runs whose steps are limited where the loss is sharp: the bounce is taken away, and the rest is left as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

import minidyn as md
from minidyn import _checks as check
from minidyn.experiments.grids import Budget, spiral_ends
from minidyn.training.capped import StepLimit, train_capped

LIMITS = {
    "as it comes": StepLimit(kind="none"),
    "six directions": StepLimit(directions=6, bound=1.7),
    "all sharp directions": StepLimit(directions=40, bound=1.0),
    "whole step": StepLimit(kind="all", bound=1.7),
}
DETAILS = {  # other ways to limit the step in the leading directions
    "one direction": StepLimit(directions=1, bound=1.7),
    "two directions": StepLimit(directions=2, bound=1.7),
    "three directions": StepLimit(directions=3, bound=1.7),
    "twelve directions": StepLimit(directions=12, bound=1.7),
    "six directions, 1.0": StepLimit(directions=6, bound=1.0),
    "six directions, 1.9": StepLimit(directions=6, bound=1.9),
    "all sharp directions, 1.7": StepLimit(directions=40, bound=1.7),
    "every 5 updates": StepLimit(directions=6, bound=1.7, every=5),
    "every 50 updates": StepLimit(directions=6, bound=1.7, every=50),
    "never rising": StepLimit(directions=40, bound=1.0, descends=True),
}
REGIMES: dict[str, tuple[float, int]] = {  # amplitude and period
    "static": (1.0, 50),
    "A=20, T=50": (20.0, 50),
    "A=70, T=5000": (70.0, 5000),
}


@dataclass(frozen=True, kw_only=True)
class LimitedRun:
    """A run on spirals of its own whose steps are limited.

    Attributes
    ----------
    limit : StepLimit
    width : int
    amplitude, period : float, int
        Of the oscillation; amplitude 1 is the static loss.
    seed : int
        Of the initial weights and of the samples.
    budget : Budget
    learning_rate : float
    """

    limit: StepLimit
    width: int
    amplitude: float
    period: int
    seed: int
    budget: Budget
    learning_rate: float = 1.0

    def __post_init__(self) -> None:
        check.integer("rest", self.budget.rest, least=1, most=self.budget.steps - 2)

    def ends(self) -> dict[str, float]:
        """How the run ends, and how it bounced before the rest.

        "raised": the fraction of updates that raised the loss that they descended; "swing": see `swing`;
        "sharpness_on_the_way": the median sharpness of F with the class weights in force, at the looks.
        """
        net, task = md.MLP(2, self.width, 3), md.spiral(seed=self.seed)
        disturbed = self.budget.steps - self.budget.rest
        loss = md.CrossEntropy(md.Oscillation(self.amplitude, self.period, rest_from=disturbed))
        start, rate = net.init(self.seed), self.learning_rate
        run = train_capped(net, start, task, loss, self.limit, learning_rate=rate, steps=self.budget.steps)
        bounce = run.history.sel(update=slice(0, disturbed - 1), look_step=slice(0, disturbed - 1))
        return {
            **spiral_ends(net, run.params, self.seed),
            "raised": float(bounce.raised.mean()),
            "swing": swing(bounce, self.limit.every),
            "sharpness_on_the_way": float(bounce.hessian_max.median()),
        }


def swing(history: xr.Dataset, every: int) -> float:
    """The mean amplitude of the oscillation of period 2 along the leading eigenvector, in weight space.

    The weights x_t = ±a along it make steps of ∓2a, which differ by 4a from one update to the next. Updates that
    follow a look at the Hessian are left out, for the eigenvector is another one there.

    Parameters
    ----------
    history : xarray.Dataset
        Of a `CappedRun`.
    every : int
        Number of updates between two looks.
    """
    changes = np.abs(np.diff(history.along.values)) / 4
    return float(changes[history["update"].values[1:] % every != 0].mean())
