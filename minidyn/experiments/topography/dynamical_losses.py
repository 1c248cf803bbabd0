"""Weights at which the squared error vanishes, under oscillations: gradient, curvature, and where descent goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

import minidyn as md
from minidyn.experiments.parallel import in_parallel
from minidyn.experiments.registry import experiment
from minidyn.experiments.statistics import format_range
from minidyn.experiments.topography.losses import dynamical_loss
from minidyn.losses import Loss
from minidyn.parameters import Structure

LOSSES = ("mse_sample", "mse_output")
AMPLITUDE = 70
STATIC_RATE = 0.3  # η of the static loss, before the oscillation and after it
RELATIVE_STEPS = (0.6, 1.8)  # η λ_max under the static loss: stable there; the second is not in every phase of a cycle
PERTURBATION = 1e-6  # of the norm of the weights
AT_ZERO = 1e-12  # a static loss below this has vanished


def outer_arms(points_per_class: int = 10, radius: float = 0.3) -> md.Task:
    """A few samples of the spirals that can be fitted exactly: without the middle, where the arms meet in one point.

    Examples
    --------
    >>> from minidyn.experiments.topography.dynamical_losses import outer_arms
    >>> len(outer_arms())
    21
    """
    task = md.spiral(points_per_class)
    outer = np.linalg.norm(task.x, axis=1) > radius
    return md.Task(task.x[outer], task.labels[outer], task.classes)


def perturbed(net: md.MLP, params: Any, seed: int = 0) -> Any:
    """Weights that are a millionth of their norm away, in a random direction.

    Exactly at zero loss float64 freezes descent: updates are smaller than the spacing of the numbers they are added
    to, so that descent does not leave even an unstable minimum.
    """
    vector = Structure(params).flatten(params)
    direction = np.random.RandomState([seed, 1]).randn(len(vector))
    return net.unflatten(vector + PERTURBATION * np.linalg.norm(vector) * direction / np.linalg.norm(direction))


def _summarise(data: xr.Dataset) -> str:
    rows = [
        f"static loss {float(data.static_loss.max()):.1e} at most, |gradient| {float(data.gradient.max()):.1e} at most "
        f"for any Γ; sharpest Γ / static {format_range(data.sharpness.max('phase') / data.static_sharpness)}"
    ]
    for step in data.relative_step.values:
        for loss in data.loss.values:
            cell = data.sel(relative_step=step, loss=loss)
            rows.append(
                f"η λ_max = {step:g}, {loss}: greatest loss {format_range(cell.highest, '.1e')}, at the end "
                f"{float(cell['last'].max()):.1e} at most, distance {float(cell.moved.median()):.1e}, back at zero "
                f"after the rest {int((cell.final_loss < AT_ZERO).sum())}"
            )
    return "\n".join(rows)


@dataclass(frozen=True, kw_only=True)
class Minimum:
    """A search for zero-loss weights, and descent from there while the loss oscillates.

    Attributes
    ----------
    width : int
    steps : int
        Updates of the static loss that lead to the minimum.
    turns : int
        Turns of the oscillation after that.
    period : int
    rest : int
        Updates of the static loss after the turns.
    """

    width: int
    steps: int
    turns: int
    period: int
    rest: int

    @property
    def net(self) -> md.MLP:
        return md.MLP(2, self.width, 3)

    def losses(self) -> list[Loss]:
        return [dynamical_loss(name, AMPLITUDE, self.period) for name in LOSSES]

    def table(self, seed: int) -> xr.Dataset:
        """Everything that "global-minima" says of one seed."""
        params = self._descend_statically(self.net.init(seed), self.steps)
        loss, sharpness = self._static_loss_and_sharpness(params)
        table = xr.Dataset({"static_loss": loss, "static_sharpness": sharpness})
        return table.merge(self._cycle(params)).merge(self._descents(params, sharpness, seed))

    def _descend_statically(self, params: Any, steps: int) -> Any:
        problem = self.net, params, outer_arms(), md.SquaredError()
        return md.train(*problem, learning_rate=STATIC_RATE, steps=steps, progress=False).params

    def _static_loss_and_sharpness(self, params: Any) -> tuple[float, float]:
        task, static = outer_arms(), md.SquaredError()
        loss = float(static.value(self.net.logits(params, task.x), task.labels))
        return loss, _sharpness(self.net, params, task, static, 0)

    def _cycle(self, params: Any) -> xr.Dataset:
        """|∇F| and λ_max of F at fixed weights, through a cycle of each loss."""
        phases = range(0, 3 * self.period, self.period // 20)
        columns = {
            name: [[measure(self.net, params, outer_arms(), loss, phase) for phase in phases] for loss in self.losses()]
            for name, measure in (("gradient", _gradient_norm), ("sharpness", _sharpness))
        }
        coords = {"loss": list(LOSSES), "phase": list(phases)}
        return xr.Dataset({name: (("loss", "phase"), column) for name, column in columns.items()}, coords)

    def _descents(self, params: Any, sharpness: float, seed: int) -> xr.Dataset:
        """Where descent goes from fixed weights, for each loss and step size."""
        names = "highest", "last", "moved", "final_loss", "final_sharpness"
        rows = [
            self._descent(params, loss, relative_step / sharpness, seed)
            for loss, relative_step in product(self.losses(), RELATIVE_STEPS)
        ]
        table = np.reshape(rows, (len(LOSSES), len(RELATIVE_STEPS), len(names)))
        coords = {"loss": list(LOSSES), "relative_step": list(RELATIVE_STEPS)}
        return xr.Dataset({name: (tuple(coords), table[:, :, k]) for k, name in enumerate(names)}, coords)

    def _descent(self, params: Any, loss: Loss, learning_rate: float, seed: int) -> tuple[float, ...]:
        task = outer_arms()
        run = md.train(
            self.net,
            perturbed(self.net, params, seed),
            task,
            loss,
            learning_rate=learning_rate,
            steps=self.turns * self.period,
            start=self.period // 2,
            progress=False,
        )
        before, after = (Structure(params).flatten(weights) for weights in (params, run.params))
        distance = float(np.linalg.norm(after - before) / np.linalg.norm(before))
        rested = self._static_loss_and_sharpness(self._descend_statically(run.params, self.rest))
        return float(run.history.loss.max()), float(run.history.static_loss[-1]), distance, *rested


MINIMUM = Minimum(width=100, steps=200000, turns=6, period=1000, rest=60000)


def _gradient_norm(net: md.MLP, params: Any, task: md.Task, loss: Loss, step: int) -> float:
    gradient = md.gradient(net, params, task, loss, step)
    return float(np.linalg.norm(Structure(params).flatten(gradient)))


def _sharpness(net: md.MLP, params: Any, task: md.Task, loss: Loss, step: int) -> float:
    return float(md.hessian_eigenvalues(net, params, task, loss, step).values[0])


@experiment(
    "global-minima",
    shows="zero-loss weights of the squared error under oscillations: gradient, curvature, and where descent goes",
    claims=("C8",),
    quick={"seeds": range(2), "steps": 120000, "turns": 1, "period": 300, "rest": 300},
    sample={"seeds": range(2)},
    summary=_summarise,
)
def global_minima(*, seeds: Sequence[int] = range(20), minimum: Minimum = MINIMUM) -> xr.Dataset:
    """What happens at weights at which the static squared error vanishes, over "seed", when the clock runs.

    - static_loss, static_sharpness: after `steps` updates of the static loss at η = 0.3
    - gradient, sharpness, over (loss, phase): |∇F| and λ_max of F at these weights, throughout a cycle
    - highest, last, moved, over (loss, relative_step): the greatest F, and the static loss at the end, while descent
      goes on for `turns` turns, from mid-turn, at η = relative_step / static_sharpness, from `perturbed` weights; and
      the distance that it has gone, relative to the norm of the weights
    - final_loss, final_sharpness: of the static loss, after `rest` more updates of it at η = 0.3
    """
    tables = in_parallel(minimum.table, seeds, "global-minima")
    return xr.concat(tables, xr.IndexVariable("seed", list(seeds)))
