"""Engines: how a stretch of updates is computed. The loop, the record and what they mean are the same for all.

The NumPy engine takes every problem and is the one to read. The compiled engine (`compiled_engine`) does the same
sums in another order: results agree to rounding, which a chaotic run amplifies like any other perturbation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn import derivatives
from minidyn.losses import CrossEntropy, SquaredError
from minidyn.mlp import MLP
from minidyn.task import Task
from minidyn.training.record import Record
from minidyn.training.settings import Settings

State = tuple[NDArray, int, NDArray]  # weights, updates done, weights one update ago


class Engine(Protocol):
    """What the loop asks of an engine."""

    stretch: int  # updates at most between two looks at the progress bar and the keyboard

    def evaluate(self, vector: NDArray, done: int, record: Record) -> bool:
        """Write entry `done` of the record; is F finite there?"""

    def advance(self, vector: NDArray, done: int, stop: int, record: Record) -> State:
        """Go on from what was evaluated last until `stop` updates are done, or F is not finite.

        All entries before the last update are written.
        """


def choose(wish: str, net: Any, loss: Any, batch_size: int | None) -> str:
    """The engine for a problem, "numpy" or "compiled"; raise where the reader wishes what cannot be."""
    wish = check.choice("engine", wish, ("auto", "numpy", "compiled"))
    fits = type(net) is MLP and type(loss) in (CrossEntropy, SquaredError) and batch_size is None
    if wish == "compiled" and not fits:
        raise ValueError(
            "engine 'compiled' takes an MLP, a CrossEntropy or SquaredError, and full batches, "
            f"got {net!r:.80}, {loss!r:.80} and batch_size={batch_size}"
        )
    if wish == "auto":
        return "compiled" if fits and _has_numba() else "numpy"
    return wish


def start(settings: Settings) -> Engine:
    """The engine that the settings name, ready to run."""
    if settings.engine == "numpy":
        return NumpyEngine(settings)
    if not _has_numba():
        raise ImportError("engine 'compiled' needs numba: pip install 'minidyn[fast]', or choose engine='numpy'")
    from minidyn.training.compiled_engine import CompiledEngine

    return CompiledEngine(settings)


class NumpyEngine:
    """Each update by itself, with the derivatives that the model and the loss define."""

    stretch = 1

    def __init__(self, settings: Settings):
        self.settings = settings
        self.gradient: Callable[[], NDArray]  # where F was evaluated last

    def evaluate(self, vector: NDArray, done: int, record: Record) -> bool:
        s = self.settings
        logits, pullback = derivatives.vjp(s.net, s.unflatten(vector), s.task.x)
        elements, slopes = s.loss.terms_and_gradient(logits, s.task.labels)
        class_loss = s.loss.sum_per_class(elements, s.task.labels, s.task.classes) / len(logits)
        record.write(done, class_loss, _accuracy(logits, s.task), self._validation_accuracy(vector))
        class_weights = record.weights_at(done)
        weight = s.loss.expand(class_weights, s.task.labels)
        self.gradient = lambda: pullback(weight * slopes / len(logits))
        return math.isfinite(class_weights @ class_loss)

    def advance(self, vector: NDArray, done: int, stop: int, record: Record) -> State:
        s = self.settings
        gradient = self.gradient() if s.batch_size is None else self._batch_gradient(vector, done)
        return vector - s.learning_rate * gradient, done + 1, vector

    def _batch_gradient(self, vector: NDArray, done: int) -> NDArray:
        s = self.settings
        batch = s.batch(done)
        logits, pullback = derivatives.vjp(s.net, s.unflatten(vector), s.task.x[batch])
        return pullback(s.loss.gradient(logits, s.task.labels[batch], s.start + done))

    def _validation_accuracy(self, vector: NDArray) -> float | None:
        s = self.settings
        if s.validation is None:
            return None
        return _accuracy(s.net.logits(s.unflatten(vector), s.validation.x), s.validation)


def _accuracy(logits: NDArray, task: Task) -> float:
    return np.count_nonzero(logits.argmax(axis=1) == task.labels) / len(task)


@cache
def _has_numba() -> bool:
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True
