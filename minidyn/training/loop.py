"""The loop of gradient descent: measurements, and between them updates by an engine.

Entry k of the record is measured after k updates, with the Γ of the update to come: the loss that entry k
shows is the one whose gradient update k + 1 follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from minidyn.training import engines
from minidyn.training.callbacks import Callback
from minidyn.training.engines import Engine
from minidyn.training.record import Record, join
from minidyn.training.settings import Settings
from minidyn.training.state import Evaluation, State


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a descent leaves: the weights reached, the record of all updates so far, and how it ended."""

    vector: NDArray
    done: int = 0
    moments: NDArray | None = None  # of the optimiser; None: all 0
    history: xr.Dataset = field(default_factory=xr.Dataset)
    status: str = "new"
    start_vectors: dict[str, NDArray] = field(default_factory=dict)  # by measure: where its next iteration starts
    error: BaseException | None = None  # what ended a failed descent


def descend(
    settings: Settings, before: Outcome, steps: int, tick: Callable[[int], Any], callbacks: Sequence[Callback] = ()
) -> Outcome:
    """Go on for `steps` updates from where `before` stands, telling `tick` of them; what was done is always kept.

    Callbacks are functions of the outcome so far.
    """
    descent = _Descent(settings, before, steps, callbacks)
    with (
        threadpool_limits(1, "blas"),  # at these sizes a second thread costs more than it brings
        np.errstate(all="ignore"),  # a loss that is not finite ends the descent; underflow harms nothing
    ):
        try:
            return descent.outcome(descent.run(tick))
        except KeyboardInterrupt:
            return descent.outcome("interrupted")
        except BaseException as error:
            return descent.outcome("failed", error)


@dataclass
class _Descent:
    """A descent under way: its record, and the state it has reached."""

    settings: Settings
    before: Outcome
    steps: int
    callbacks: Sequence[Callback]
    engine: Engine = field(init=False)
    record: Record = field(init=False)
    state: State = field(init=False)  # replaced as one, so that an interrupt finds it consistent
    here: Evaluation | None = None  # of this state or the one before
    start_vectors: dict[str, NDArray] = field(init=False)

    def __post_init__(self) -> None:
        vector, done = self.before.vector, self.before.done
        self.engine = engines.start(self.settings)
        self.record = Record(self.settings, done, self.steps)
        moments = self.before.moments
        if moments is None:
            moments = np.zeros((self.settings.optimizer.count, len(vector)))
        self.state = State(vector, done, vector, moments, moments)
        self.start_vectors = dict(self.before.start_vectors)

    def run(self, tick: Callable[[int], Any]) -> str:
        """Measure and update in turn; the way it ended."""
        last = self.before.done + self.steps
        while True:
            self.here = self.engine.evaluate(self.state, self.record)
            if not self.here.is_finite:
                return "diverged"
            self._measure()
            if self._is_stopped():
                return "stopped"
            done = self.state.done
            if done == last:
                return "finished"
            due = [measure.next_due(done) for measure in self.settings.measures]
            due += [callback.next_due(done) for callback in self.callbacks]
            self.state = self.engine.advance(self.here, min([last, done + self.engine.chunk, *due]), self.record)
            tick(self.state.done - done)

    def outcome(self, status: str, error: BaseException | None = None) -> Outcome:
        """The last state at which F is known to be finite, and the record up to there."""
        vector, done, previous, moments, previous_moments = self.state
        if not (self.here is not None and self.here.is_finite and self.here.state is self.state):
            vector, moments, done = previous, previous_moments, done - 1
        history = join(self.before.history, self.record.dataset(done))
        return Outcome(vector, max(done, self.before.done), moments, history, status, self.start_vectors, error)

    def _measure(self) -> None:
        vector, done = self.state.vector, self.state.done
        for measure in self.settings.measures:
            if measure.is_due(done) and not self._is_measured(measure.name, done):
                start_vector = self.start_vectors.get(measure.name)
                value, start_vector = measure(self.settings, vector, done, start_vector)
                self.record.add(measure.name, done, value)
                if start_vector is not None:
                    self.start_vectors[measure.name] = start_vector

    def _is_stopped(self) -> bool:
        """Whether a callback that is due says so; where a finished run is resumed they have been asked before."""
        done = self.state.done
        if done == self.before.done and self.before.status == "finished":
            return False
        answers = [callback.stops(self.outcome("running")) for callback in self.callbacks if callback.is_due(done)]
        return any(answers)

    def _is_measured(self, name: str, done: int) -> bool:
        """Whether this was measured before the descent was resumed here."""
        history = self.before.history
        return name in history and int(history[f"{name}_step"][-1]) == self.settings.start + done
