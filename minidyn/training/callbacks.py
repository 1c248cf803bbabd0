"""Callbacks: functions of the run so far that are called on the way, and may stop it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidyn import _checks as check


@dataclass(frozen=True)
class Callback:
    """A function of the run so far, called whenever `every` divides the number of updates done."""

    every: int
    function: Callable[[Any], Any]

    def is_due(self, done: int) -> bool:
        return done % self.every == 0

    def next_due(self, done: int) -> int:
        return (done // self.every + 1) * self.every

    def stops(self, run: Any) -> bool:
        """Whether the run is to stop here."""
        answer = self.function(run)
        if answer is not None and not (np.ndim(answer) == 0 and np.asarray(answer).dtype == bool):
            raise TypeError(f"a callback must return True to stop, or False or None to go on, got {answer!r:.80}")
        return bool(answer)


def as_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    """The callbacks that `train` was given: pairs of a cadence and a function."""
    if isinstance(callbacks, str) or not isinstance(callbacks, Sequence):
        raise TypeError(f"callbacks must be a list of (cadence, f(run)), got {callbacks!r:.80}")
    return tuple(_as_callback(f"callbacks[{number}]", request) for number, request in enumerate(callbacks))


def _as_callback(name: str, request: Any) -> Callback:
    if not (isinstance(request, tuple) and len(request) == 2 and callable(request[1])):
        raise TypeError(f"{name} must be (cadence, f(run)), got {request!r:.80}")
    return Callback(check.integer(f"{name}'s cadence", request[0], least=1), request[1])


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """A callback that stops a run once a variable of its history has not improved for a number of steps.

    It looks at nothing but the history, so that a run that is resumed from a file stops where it would have stopped.

    Parameters
    ----------
    name : str
        A variable of the history with one number per step, such as "validation_accuracy", or a scalar measure.
    patience : int
        Number of steps without an improvement after which the run stops, at least 1.
    best : {"smallest", "largest"}
        Which value is the best: "smallest" for a loss, "largest" for an accuracy.

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of range; and, when it is called, if the run has no such variable.

    Examples
    --------
    >>> import minidyn as md
    >>> from minidyn.training import EarlyStopping
    >>> net, task = md.MLP(2, 10, 3), md.spiral()
    >>> stopping = EarlyStopping(name="accuracy", patience=50, best="largest")
    >>> run = md.train(
    ...     net, net.init(0), task, md.CrossEntropy(), learning_rate=0.5, steps=5000, callbacks=[(10, stopping)]
    ... )
    >>> run.status
    'stopped'
    """

    name: str
    patience: int
    best: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"name must be that of a variable of the history, got {self.name!r:.80}")
        check.integer("patience", self.patience, least=1)
        check.choice("best", self.best, ("smallest", "largest"))

    def __call__(self, run: Any) -> bool:
        if self.name not in run.history:
            known = ", ".join(map(str, run.history))
            raise ValueError(f"name must be that of a variable of the history, {known}, got {self.name!r}")
        series = run.history[self.name]
        if series.ndim != 1:
            raise ValueError(f"name must be that of a variable with one number per step, got {self.name!r}")
        steps, values = series[series.dims[0]].values, series.values if self.best == "largest" else -series.values
        return bool(steps[-1] - steps[values.argmax()] >= self.patience)
