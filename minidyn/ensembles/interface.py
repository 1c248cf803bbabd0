"""What an engine for many networks takes and returns: an `Ensemble` of members in, one `RunResult` per member out.

An engine trains every member by full-batch gradient descent, as `minidyn.train` does, and nothing that happens to one
member changes the result of another. It defines nothing: the network, the losses and the loop stand in `mlp`,
`losses` and `training`, and an engine agrees with them to rounding (in chaos, therefore, only statistically).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from minidyn.losses import Loss
from minidyn.mlp import MLP
from minidyn.task import Task


@dataclass(frozen=True, eq=False, kw_only=True)
class Member:
    """One network of an ensemble: those arguments of `train` in which the members may differ."""

    net: MLP
    params: Any  # where descent starts, [(W, b), ...]
    task: Task
    loss: Loss
    learning_rate: float
    validation: Task | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Ensemble:
    """Networks to be trained, for how many updates, and what to measure on the way.

    `measure` is that of `train`, and may also name "loss", "static_loss", "accuracy" and "validation_accuracy", with
    a cadence each.
    """

    members: Sequence[Member]
    steps: int
    measure: Mapping[str, Any]

    @property
    def cadences(self) -> dict[str, int]:
        """Number of updates between two entries of each history."""
        return {name: cadence(request) for name, request in self.measure.items()}


@dataclass(frozen=True, eq=False, kw_only=True)
class RunResult:
    """How the run of one member ended, and its histories; or the error that ended it, and nothing else of use."""

    params: Any = None  # reached at the last update with a finite loss, [(W, b), ...], float64
    updates: int = 0
    diverged: bool = False
    histories: dict[str, NDArray] = field(default_factory=dict)  # NaN after a run diverged
    error: Exception | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class FinalValues:
    """What is computed where a run ended, in float64."""

    static_loss: float
    accuracy: float
    validation_accuracy: float | None = None  # None without validation data
    sharpness: float  # largest Hessian eigenvalue of the static loss; NaN if the run diverged


class EnsembleEngine(Protocol):
    """A way to train an ensemble: one of those that `minidyn.ensembles.choose` knows by name."""

    @property
    def name(self) -> str:
        """The name by which the engine was chosen."""

    @property
    def activations(self) -> Collection[str]:
        """The activations of the networks that it can train."""

    @property
    def device(self) -> str | None:
        """The device on which it computes, or None if it has no choice."""

    @property
    def chunk_size(self) -> int:
        """Largest number of members that are best trained by one call."""

    @property
    def chunk_work(self) -> float:
        """Products of weights, samples and updates that take seconds: what a call should not exceed."""

    @property
    def one_by_one(self) -> bool:
        """Whether the members are trained one after the other, so that a call can be left after any of them."""

    @property
    def workers(self) -> int:
        """Number of processes that are best used at once."""

    def train(self, ensemble: Ensemble) -> Iterator[RunResult]:
        """Train all members; their results, in the order of the members, as soon as they are there.

        An error in one member, such as in a measure, is in its result; the other members go on.
        """

    def final_values(self, ensemble: Ensemble, results: Sequence[RunResult]) -> Sequence[FinalValues]:
        """What is computed where each run ended, in the order of the members."""


def cadence(request: Any) -> int:
    """The cadence in what a reader asks of a measure: itself, or the first of (cadence, function)."""
    return request if isinstance(request, int) else request[0]


def measured_steps(every: int, steps: int) -> NDArray:
    """The numbers of updates after which a measure is taken."""
    return np.arange(0, steps + 1, every)
