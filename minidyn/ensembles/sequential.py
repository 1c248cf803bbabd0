"""The engines "numpy" and "compiled" for ensembles: one network after the other, by `minidyn.train`."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from minidyn.activations import ACTIVATIONS
from minidyn.ensembles.evaluation import final_values
from minidyn.ensembles.interface import Ensemble, FinalValues, Member, RunResult, measured_steps
from minidyn.losses import accuracy
from minidyn.training import Run, train
from minidyn.training.engines import COMPILED_ACTIVATIONS
from minidyn.training.record import SERIES

CHUNK = 8  # runs per call
WORK = 5e10  # weights times samples times updates per call: some seconds on one core


@dataclass(frozen=True)
class SequentialEngine:
    """Trains the members one by one with `train`, which computes with the engine of the same name."""

    name: str
    device: None = None
    one_by_one: bool = True

    @property
    def activations(self) -> Collection[str]:
        return COMPILED_ACTIVATIONS if self.name == "compiled" else ACTIVATIONS

    @property
    def chunk_size(self) -> int:
        return CHUNK

    @property
    def chunk_work(self) -> float:
        return WORK

    @property
    def workers(self) -> int:
        return joblib.cpu_count()

    def train(self, ensemble: Ensemble) -> Iterator[RunResult]:
        for member in ensemble.members:
            yield self._result(member, ensemble)

    def _result(self, member: Member, ensemble: Ensemble) -> RunResult:
        try:
            run = self._run(member, ensemble)
        except Exception as error:
            return RunResult(error=error)
        if run.status == "interrupted":  # a part of a run is no result of it
            raise KeyboardInterrupt
        return RunResult(
            params=run.params,
            updates=run.history.sizes["step"] - 1,
            diverged=run.status == "diverged",
            histories={name: _history(run.history, name, ensemble) for name in ensemble.measure},
        )

    def final_values(self, ensemble: Ensemble, results: Sequence[RunResult]) -> list[FinalValues]:
        return [final_values(member, result) for member, result in zip(ensemble.members, results, strict=True)]

    def _run(self, member: Member, ensemble: Ensemble) -> Run:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # divergence is in the result
            warnings.filterwarnings("ignore", "interrupted")  # and this is told by who called
            return train(
                member.net,
                member.params,
                member.task,
                member.loss,
                learning_rate=member.learning_rate,
                steps=ensemble.steps,
                measure=_measures(member, ensemble),
                engine=self.name,
                progress=False,
            )


def _measures(member: Member, ensemble: Ensemble) -> dict[str, Any]:
    """What `train` is asked to measure: its own series come by themselves, on the training data, at every step."""
    measures = {name: request for name, request in ensemble.measure.items() if name not in SERIES}
    if "validation_accuracy" in ensemble.measure:
        validation: Any = member.validation

        def validation_accuracy(net: Any, params: Any, task: Any, loss: Any, step: int) -> float:
            return accuracy(net.logits(params, validation.x), validation.labels)

        measures[_on_validation(ensemble)] = ensemble.cadences["validation_accuracy"], validation_accuracy
    return measures


def _on_validation(ensemble: Ensemble) -> str:
    """A name that no measure of the reader has, for the accuracy on validation data at a cadence."""
    return "accuracy_" + "_".join(["on_validation", *ensemble.measure])


def _history(history: xr.Dataset, name: str, ensemble: Ensemble) -> NDArray:
    """A history at its cadence, NaN for the steps that the run did not reach."""
    steps = measured_steps(ensemble.cadences[name], ensemble.steps)
    if name in SERIES and name != "validation_accuracy":
        values = history[name].values[steps[steps < history.sizes["step"]]]
    else:
        values = history[_on_validation(ensemble) if name == "validation_accuracy" else name].values
    padded = np.full((len(steps), *values.shape[1:]), np.nan)
    padded[: len(values)] = values
    return padded
