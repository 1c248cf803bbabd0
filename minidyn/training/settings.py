"""What a run was asked to do: everything that `train` was given, checked, and the measures to take on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn import _provenance, model, optimizers
from minidyn.losses import Loss
from minidyn.model import Model
from minidyn.optimizers import Optimizer
from minidyn.oscillation import Oscillation
from minidyn.parameters import Structure
from minidyn.task import Task


class Measurement(NamedTuple):
    """What a measure returns: the value, and the vector from which an iteration finds the next value fastest."""

    value: NDArray
    start_vector: NDArray | None = None


Schedule = Callable[[int], float]  # from the value of the clock to η
Function = Callable[["Settings", NDArray, int, NDArray | None], Measurement]


@dataclass(frozen=True)
class Measure:
    """A named function of the weights, taken whenever `every` divides the number of updates done."""

    name: str
    every: int
    function: Function | None  # None: a measure of the reader's own that was not given to load_run
    definition: Any = None  # the reader's own function

    def is_due(self, done: int) -> bool:
        return done % self.every == 0

    def next_due(self, done: int) -> int:
        return (done // self.every + 1) * self.every

    def check_callable(self) -> None:
        if self.function is None:
            raise ValueError(f"measure {self.name!r} is your own: give load_run measure={{{self.name!r}: f}} to resume")

    def __call__(self, settings: Settings, vector: NDArray, done: int, start_vector: NDArray | None) -> Measurement:
        """Measure the weights after `done` updates; an iteration starts from `start_vector`."""
        self.check_callable()
        measured = self.function(settings, vector, settings.start + done, start_vector)  # type: ignore[misc]
        value = np.array(measured.value)
        if value.dtype.kind not in check.REAL:
            raise TypeError(f"measure {self.name!r} must return real numbers, got {value!r:.80}")
        return measured._replace(value=value)


@dataclass(frozen=True, eq=False, kw_only=True)
class Settings:
    """Everything that `train` was given, checked."""

    net: Model
    task: Task
    loss: Loss
    learning_rate: float | Schedule
    optimizer: Optimizer = optimizers.PLAIN
    start: int = 0
    batch_size: int | None = None
    seed: int = 0
    validation: Task | None = None
    measures: tuple[Measure, ...] = ()
    engine: str = "numpy"
    initial: NDArray | None = None  # the weights where descent starts, flat; runs saved before 0.2 do not have them
    structure: Structure = field(init=False)  # of what `net.init` returns

    def __post_init__(self) -> None:
        object.__setattr__(self, "structure", model.structure_of(self.net, self.net.init(0), self.task.x))

    @property
    def size(self) -> int:
        return self.structure.size

    def unflatten(self, vector: NDArray) -> Any:
        return self.structure.unflatten(vector)

    def description(self) -> dict[str, Any]:
        """The settings in words and numbers, for whoever reads a record; the initial weights are not among them."""
        names = ("net", "task", "loss", "learning_rate", "optimizer", "start", "batch_size", "seed", "validation")
        described = {name: _provenance.shown(getattr(self, name)) for name in (*names, "engine")}
        return described | {"measure": {measure.name: measure.every for measure in self.measures}}

    def provenance(self) -> dict[str, Any]:
        """What a record says of its making: the settings as JSON, the programs, the machine and the date."""
        return {"settings": json.dumps(self.description(), ensure_ascii=False), **_provenance.provenance()}

    def batch(self, done: int) -> NDArray:
        """The samples of the update that follows `done` updates: each epoch has its own order, drawn afresh,
        so that a resumed run needs no state."""
        assert self.batch_size is not None
        samples = len(self.task)
        epoch, batch = divmod(done, -(-samples // self.batch_size))
        order = np.random.RandomState([self.seed, epoch]).permutation(samples)
        return order[batch * self.batch_size : (batch + 1) * self.batch_size]

    def class_weights(self, first: int, stop: int) -> NDArray:
        """Γ from `first` updates up to `stop`, shape (stop - first, C)."""
        if self.loss.gamma is None:
            return np.ones((stop - first, self.task.classes))
        steps = np.arange(self.start + first, self.start + stop)
        if type(self.loss.gamma) is Oscillation:
            return self.loss.gamma.weights(steps)
        return np.stack([self.loss.class_weights(int(step), self.task.classes) for step in steps])

    def learning_rates(self, first: int, stop: int) -> NDArray:
        """η from `first` updates up to `stop`, shape (stop - first,)."""
        if not callable(self.learning_rate):
            return np.full(stop - first, self.learning_rate)
        steps = range(self.start + first, self.start + stop)
        return np.array([check.real(f"learning_rate({s})", self.learning_rate(s), least=0) for s in steps])
