"""The loop of gradient descent: measurements, and between them stretches of plain updates by an engine.

Entry k of the record is measured after k updates, with the Γ of the update to come: the loss that entry k
shows is the one whose gradient update k + 1 follows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from minidyn import _progress
from minidyn.training import numpy_engine as engine
from minidyn.training.numpy_engine import Engine, State
from minidyn.training.record import Record
from minidyn.training.settings import Settings


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a stretch of descent leaves: the weights reached, and the record on the way."""

    vector: NDArray
    done: int
    history: xr.Dataset
    status: str
    warm: dict[str, NDArray]  # eigenvectors from which the next measurements start


def descend(settings: Settings, before: Outcome, steps: int, *, progress: bool) -> Outcome:
    """Go on for `steps` updates from where `before` stands."""
    descent = _Descent(settings, before.vector, before.done, steps, dict(before.warm), before.history)
    with (
        threadpool_limits(1, "blas"),  # at these sizes a second thread costs more than it brings
        np.errstate(over="ignore", invalid="ignore", divide="ignore"),
        _progress.bar(steps, "training", "steps", shown=progress) as bar,
    ):
        try:
            status = descent.go(bar.update)
        except KeyboardInterrupt:
            status = "interrupted"
            warnings.warn(f"interrupted after {descent.done} updates; the record so far is kept", stacklevel=4)
        except Exception as error:
            error.outcome = descent.finish("failed")  # type: ignore[attr-defined]
            error.add_note(f"the run up to update {descent.done} is kept in this error's attribute `run`")
            raise
        if status == "diverged":
            warnings.warn(
                f"diverged: the loss is not finite after {descent.done} updates (learning rate "
                f"{settings.learning_rate:g}); the record up to there is kept",
                RuntimeWarning,
                stacklevel=4,
            )
        return descent.finish(status)


@dataclass
class _Descent:
    """The state of one descent: where it is, and its record so far."""

    settings: Settings
    vector: NDArray
    first: int
    steps: int
    warm: dict[str, NDArray]
    history: xr.Dataset  # of the descent that this one continues
    record: Record = field(init=False)
    engine: Engine = field(init=False)
    state: State = field(init=False)  # replaced as one, so that an interrupt finds it consistent

    def __post_init__(self) -> None:
        self.engine = engine.start(self.settings)
        self.record = Record(self.settings, self.first, self.steps)
        self.state = self.vector, self.first, self.vector

    @property
    def done(self) -> int:
        return self.state[1]

    def go(self, tick: Callable[[int], Any]) -> str:
        """Alternate between measuring and stretches of plain descent; the way it ended."""
        last = self.first + self.steps
        while self._is_finite_here():
            self._measure()
            if self.done == last:
                return "finished"
            vector, before, _ = self.state
            due = [measure.next_due(before) for measure in self.settings.measures]
            stop = min([last, before + self.engine.stretch, *due])
            self.state = self.engine.advance(vector, before, stop, self.record)
            tick(self.done - before)
        return "diverged"

    def finish(self, status: str) -> Outcome:
        """Step back where the last update left the finite numbers, and hand over."""
        if not self._is_finite_here():
            self.state = self.state[2], self.done - 1, self.state[2]
        return Outcome(self.state[0], self.done, self.record.dataset(self.done), status, self.warm)

    def _measure(self) -> None:
        vector, done, _ = self.state
        for measure in self.settings.measures:
            if measure.is_due(done) and not self._has(measure.name, done):
                self.record.keep(measure.name, done, measure(self.settings, vector, done, self.warm))

    def _has(self, name: str, done: int) -> bool:
        """Was this already measured before the descent was resumed here?"""
        return name in self.history and int(self.history[f"{name}_step"][-1]) == self.settings.start + done

    def _is_finite_here(self) -> bool:
        return self.engine.evaluate(self.state[0], self.done, self.record)
