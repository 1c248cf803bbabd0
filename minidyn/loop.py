"""The loop of gradient descent in NumPy: stretches of plain updates between measurements.

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

from minidyn import _progress, model
from minidyn.record import Record, Settings
from minidyn.task import Task

CHUNK = 500  # updates between two looks at the progress bar and the keyboard


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
    # (weights, updates done, weights one update ago), replaced as one, so that an interrupt finds them consistent
    state: tuple[NDArray, int, NDArray] = field(init=False)

    def __post_init__(self) -> None:
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
            before, due = self.done, [m.next_due(self.done) for m in self.settings.measures]
            self._advance(min([last, before + CHUNK, *due]))
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
        return self._evaluate(self.state[0], self.done) is not None

    def _advance(self, stop: int) -> None:
        """Update until `stop` updates are done, or the loss is not finite."""
        rate, in_batches = self.settings.learning_rate, self.settings.batch_size is not None
        for done in range(self.done, stop):
            vector = self.state[0]
            gradient = self._evaluate(vector, done)
            if gradient is None:
                return
            step = self._batch_gradient(vector, done) if in_batches else gradient()
            self.state = vector - rate * step, done + 1, vector

    def _evaluate(self, vector: NDArray, done: int) -> Callable[[], NDArray] | None:
        """Write entry `done` of the record; the gradient there, on demand, or None where F is not finite."""
        s = self.settings
        logits, pullback = model.vjp(s.net, s.unflatten(vector), s.task.x)
        elements, slopes = s.loss.parts(logits, s.task.labels)
        weight = s.loss.spread(self.record.weights_at(done), s.task.labels)
        weighted = float((weight * elements).sum())
        self.record.write(
            done,
            loss=weighted / len(logits),
            static_loss=float(elements.sum()) / len(logits),
            accuracy=_accuracy(logits, s.task),
            validation_accuracy=self._validation_accuracy(vector),
        )
        if not np.isfinite(weighted):
            return None
        return lambda: pullback(weight * slopes / len(logits))

    def _validation_accuracy(self, vector: NDArray) -> float | None:
        s = self.settings
        if s.validation is None:
            return None
        return _accuracy(s.net.logits(s.unflatten(vector), s.validation.x), s.validation)

    def _batch_gradient(self, vector: NDArray, done: int) -> NDArray:
        s = self.settings
        batch = s.batch(done)
        logits, pullback = model.vjp(s.net, s.unflatten(vector), s.task.x[batch])
        return pullback(s.loss.gradient(logits, s.task.labels[batch], s.start + done))


def _accuracy(logits: NDArray, task: Task) -> float:
    return np.count_nonzero(logits.argmax(axis=1) == task.labels) / len(task)
