"""Runs of the static loss that are disturbed until their last updates: by class weights, or by noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import minidyn as md
from minidyn import _checks as check
from minidyn.experiments.grids import Budget, spiral_ends
from minidyn.parameters import Structure
from minidyn.training.record import Record
from minidyn.training.settings import Settings
from minidyn.training.state import State


@dataclass(frozen=True)
class FixedWeights:
    """Class weights that do not change: class 0 always counts `amplitude` times as much as the others."""

    amplitude: float
    classes: int = 3

    def weights(self, step: int) -> NDArray:
        raw = np.array([self.amplitude, *[1.0] * (self.classes - 1)])
        return self.classes * raw / raw.sum()


@dataclass(frozen=True)
class PermutedSchedule:
    """The class weights of `gamma`, but the classes have their turns in a given order."""

    gamma: md.Oscillation
    order: tuple[int, ...]
    classes: int = 3

    def weights(self, step: int) -> NDArray:
        turn = step // self.gamma.period
        return np.roll(self.gamma.weights(step), self.order[turn] - turn)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Noise that is drawn anew for each update.

    Attributes
    ----------
    labels : float
        The fraction of labels that are replaced by random ones.
    gradient : float
        The standard deviation of what is added to each component of the gradient.
    batch : int, optional
        The number of samples of an update. (Such batches do not pass through the data epoch by epoch, as those of
        `train` do, but are compiled.)
    """

    labels: float = 0.0
    gradient: float = 0.0
    batch: int | None = None


def train_with_noise(net: md.MLP, params: Any, task: md.Task, noise: Noise, *, steps: int, seed: int) -> Any:
    """The parameters after `steps` noisy updates of the static loss, at η = 1."""
    from minidyn.training import compiled_engine as compiled  # here, for it needs numba

    random = np.random.RandomState([seed, 1])
    batch = md.Task(task.x[: noise.batch], task.labels[: noise.batch], task.classes)
    settings = Settings(net=net, task=batch, loss=md.CrossEntropy(), learning_rate=1.0, engine="compiled")
    engine, record = compiled.CompiledEngine(settings), Record(settings, 0, steps)
    vector = Structure(params).flatten(params)
    for done in range(steps):
        if noise.batch:
            drawn = random.choice(len(task), noise.batch, replace=False)
            engine.replace_samples(md.Task(task.x[drawn], task.labels[drawn], task.classes))
        if noise.labels:
            engine.replace_samples(md.Task(task.x, with_random_labels(task, noise.labels, random), task.classes))
        vector = engine.update(State(vector, done, vector), done + 1, record).vector
        if noise.gradient:
            vector -= noise.gradient * random.randn(net.size)
    return Structure(params).unflatten(vector)


def with_random_labels(task: md.Task, fraction: float, random: np.random.RandomState) -> NDArray:
    """The labels of a task, of which a fraction is replaced by random ones."""
    drawn = random.randint(task.classes, size=len(task))
    return np.where(random.rand(len(task)) < fraction, drawn, task.labels)


def update_increases_loss(
    net: Any, params: Any, task: md.Task, loss: Any, step: int, *, learning_rate: float | Callable[[int], float]
) -> float:
    """Whether the next update increases the very loss that it descends, as when it bounces in a valley: 1 or 0."""
    rate = learning_rate(step) if callable(learning_rate) else learning_rate
    structure = Structure(params)
    gradient = structure.flatten(md.gradient(net, params, task, loss, step))
    updated = structure.unflatten(structure.flatten(params) - rate * gradient)
    before, after = (loss.value(net.logits(p, task.x), task.labels, step) for p in (params, updated))
    return float(after > before)


SCHEDULES: dict[str, Callable[[md.Oscillation, tuple[int, ...]], Any]] = {
    "static": lambda gamma, order: None,
    "oscillation": lambda gamma, order: gamma,
    "random turns": PermutedSchedule,
    "one class held": lambda gamma, order: FixedWeights(gamma.amplitude),
}
NOISES: dict[str, Callable[[Any], Noise]] = {
    "label noise": lambda fraction: Noise(labels=fraction),
    "gradient noise": lambda deviation: Noise(gradient=deviation),
    "mini-batches": lambda size: Noise(batch=size),
}


@dataclass(frozen=True, kw_only=True)
class DisturbedRun:
    """A run that is disturbed until its last `budget.rest` updates, which are of the static loss."""

    kind: str
    strength: float
    width: int
    seed: int
    gamma: md.Oscillation
    budget: Budget

    def __post_init__(self) -> None:
        check.choice("kind", self.kind, (*SCHEDULES, *NOISES))
        check.integer("rest", self.budget.rest, least=1, most=self.budget.steps - 1)

    def ends(self) -> dict[str, float]:
        net, task, static = md.MLP(2, self.width, 3), md.spiral(), md.CrossEntropy()
        disturb = self._with_noise if self.kind in NOISES else self._with_weights
        params = disturb(net, task, self.budget.steps - self.budget.rest)
        run = md.train(net, params, task, static, learning_rate=1.0, steps=self.budget.rest, progress=False)
        return spiral_ends(net, run.params, 0)

    def _with_weights(self, net: md.MLP, task: md.Task, steps: int) -> Any:
        order = np.random.RandomState([self.seed, 1]).randint(3, size=steps // self.gamma.period + 1)
        loss = md.CrossEntropy(SCHEDULES[self.kind](self.gamma, tuple(order)))
        return md.train(net, net.init(self.seed), task, loss, learning_rate=1.0, steps=steps, progress=False).params

    def _with_noise(self, net: md.MLP, task: md.Task, steps: int) -> Any:
        noise = NOISES[self.kind](self.strength)
        return train_with_noise(net, net.init(self.seed), task, noise, steps=steps, seed=self.seed)
