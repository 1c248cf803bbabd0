"""Other ways to disturb descent, each at its own best setting, chosen on seeds on which nothing is reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import minidyn as md
from minidyn import _checks as check
from minidyn.experiments.grids import Budget, spiral_ends
from minidyn.experiments.tilting.disturbances import FixedWeights, Noise, PermutedSchedule, train_with_noise
from minidyn.losses import one_hot, reduce_classes
from minidyn.optimizers import PLAIN, Momentum, Optimizer
from minidyn.parameters import Structure
from minidyn.training.record import Record
from minidyn.training.settings import Settings
from minidyn.training.state import State

Setting = tuple[float, ...]

CANDIDATES: dict[str, Sequence[Setting]] = {  # named before any of this was run
    "static": ((),),
    "oscillation": ((10, 50), (20, 50), (40, 250)),  # amplitude, period
    "random turns": ((10, 50), (20, 50), (40, 250)),
    "one class held": ((3,), (20,)),  # amplitude
    "gradient noise": ((0.003,), (0.01,), (0.03,)),  # standard deviation
    "mini-batches": ((10,), (30,), (100,)),  # samples
    "smaller rate": ((0.1,), (0.3,), (0.5,)),
    "larger rate": ((1.5,), (2,), (3,)),
    "momentum": ((0.9, 0.03), (0.9, 0.1), (0.9, 0.3)),  # β, η
    "sharpness-aware": ((0.03,), (0.1,), (0.3,)),  # radius
    "label smoothing": ((0.03,), (0.1,), (0.3,)),  # fraction
}


class SmoothedCrossEntropy(md.CrossEntropy):
    """Cross-entropy whose targets give a fraction of the probability to all classes alike.

    Parameters
    ----------
    fraction : float
        From 0 to 1.

    Notes
    -----
    Source: Szegedy et al., "Rethinking the Inception architecture for computer vision" (2016), label smoothing.
    """

    def __init__(self, fraction: float):
        super().__init__()
        self.fraction = check.real("fraction", fraction, least=0, most=1)

    def terms_and_gradient(self, logits: NDArray, labels: NDArray) -> tuple[NDArray, NDArray]:
        terms, gradient = super().terms_and_gradient(logits, labels)
        classes = logits.shape[1]
        truth = one_hot(labels, classes)
        above_mean = logits[truth][:, None] - reduce_classes(np.add, logits) / classes
        return terms + self.fraction * above_mean, gradient + self.fraction * (truth - 1 / classes)

    def output_hessian(self, logits: NDArray, labels: NDArray) -> NDArray:
        return md.CrossEntropy().output_hessian(logits, labels)  # what is smoothed is linear in the logits


class Problem(NamedTuple):
    """Where a run starts."""

    net: md.MLP
    params: Any
    task: md.Task
    seed: int


def descend(problem: Problem, steps: int, *, loss: Any = None, rate: float = 1.0, optimizer: Optimizer = PLAIN) -> Any:
    """The parameters after `steps` updates, of the static loss by default."""
    run = md.train(
        *problem[:3], loss or md.CrossEntropy(), learning_rate=rate, optimizer=optimizer, steps=steps, progress=False
    )
    return run.params


def turns(problem: Problem, steps: int, amplitude: float, period: float) -> Any:
    """Under an oscillation whose next class is drawn at random."""
    gamma = md.Oscillation(amplitude, int(period))
    order = np.random.RandomState([problem.seed, 1]).randint(3, size=steps // gamma.period + 1)
    return descend(problem, steps, loss=md.CrossEntropy(PermutedSchedule(gamma, tuple(order))))


def descend_aware_of_sharpness(problem: Problem, steps: int, radius: float) -> Any:
    """With the gradient at the point that is the radius uphill; half the updates, for each takes two gradients.

    Notes
    -----
    Source: Foret et al., "Sharpness-aware minimization for efficiently improving generalization" (2021), with full
    batches.
    """
    from minidyn.training import compiled_engine as compiled  # here, for it needs numba

    settings = Settings(
        net=problem.net, task=problem.task, loss=md.CrossEntropy(), learning_rate=1.0, engine="compiled"
    )
    engine, record, structure = compiled.CompiledEngine(settings), Record(settings, 0, steps), Structure(problem.params)
    vector = structure.flatten(problem.params)
    for done in range(steps // 2):
        gradient = vector - engine.update(State(vector, done, vector), done + 1, record).vector
        uphill = vector + radius * gradient / max(float(np.linalg.norm(gradient)), 1e-300)
        vector = vector + engine.update(State(uphill, done, uphill), done + 1, record).vector - uphill
    return structure.unflatten(vector)


def _noisy(problem: Problem, steps: int, noise: Noise) -> Any:
    return train_with_noise(*problem[:3], noise, steps=steps, seed=problem.seed)


# What is taken away for the last updates, which are of the static loss at η = 1 ...
DISTURBANCES: dict[str, Callable[..., Any]] = {
    "oscillation": lambda problem, steps, amplitude, period: descend(
        problem, steps, loss=md.CrossEntropy(md.Oscillation(amplitude, int(period)))
    ),
    "random turns": turns,
    "one class held": lambda problem, steps, amplitude: descend(
        problem, steps, loss=md.CrossEntropy(FixedWeights(amplitude))
    ),
    "gradient noise": lambda problem, steps, deviation: _noisy(problem, steps, Noise(gradient=deviation)),
    "mini-batches": lambda problem, steps, size: _noisy(problem, steps, Noise(batch=int(size))),
    "sharpness-aware": descend_aware_of_sharpness,
    "label smoothing": lambda problem, steps, fraction: descend(problem, steps, loss=SmoothedCrossEntropy(fraction)),
}
# ... and what stays to the end.
OPTIMISERS: dict[str, Callable[..., Any]] = {
    "static": descend,
    "smaller rate": lambda problem, steps, rate: descend(problem, steps, rate=rate),
    "larger rate": lambda problem, steps, rate: descend(problem, steps, rate=rate),
    "momentum": lambda problem, steps, momentum, rate: descend(problem, steps, rate=rate, optimizer=Momentum(momentum)),
}


@dataclass(frozen=True, kw_only=True)
class ControlRun:
    """A run on spirals of its own that differs in one respect from descent of the static loss at η = 1.

    Attributes
    ----------
    control : str
        In which respect: a key of `CANDIDATES`.
    setting : tuple of float
        How strongly.
    width : int
    seed : int
        Of the initial weights, of the samples and of what is drawn on the way.
    budget : Budget
    """

    control: str
    setting: Setting
    width: int
    seed: int
    budget: Budget

    def __post_init__(self) -> None:
        check.choice("control", self.control, tuple(CANDIDATES))
        check.integer("rest", self.budget.rest, least=1, most=self.budget.steps - 1)

    @property
    def name(self) -> str:
        """The control and its setting."""
        return ", ".join([self.control, *(f"{value:g}" for value in self.setting)])

    def ends(self) -> dict[str, float]:
        """How the run ends, as `spiral_ends` says."""
        net = md.MLP(2, self.width, 3)
        start = Problem(net, net.init(self.seed), md.spiral(seed=self.seed), self.seed)
        return spiral_ends(net, self._train(start), self.seed)

    def _train(self, start: Problem) -> Any:
        steps, rest = self.budget.steps, self.budget.rest
        if self.control in OPTIMISERS:
            return OPTIMISERS[self.control](start, steps, *self.setting)
        disturbed = DISTURBANCES[self.control](start, steps - rest, *self.setting)
        if not np.isfinite(Structure(disturbed).flatten(disturbed)).all():
            return disturbed
        return descend(start._replace(params=disturbed), rest)
