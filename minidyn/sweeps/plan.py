"""The plan of a sweep: everything that was asked, checked before any run starts, and the runs that follow from it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import InitVar, asdict, dataclass, field
from typing import Any

from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn.ensembles import Ensemble, EnsembleEngine, Member
from minidyn.ensembles.interface import cadence, measured_steps
from minidyn.mlp import MLP
from minidyn.oscillation import Oscillation
from minidyn.sweeps.axes import LOSSES, Cell, cells, checked_axes, checked_value
from minidyn.sweeps.datasets import DataKey, Dataset, check_axes_act, digest, make_datasets
from minidyn.training.measures import as_measures
from minidyn.training.record import SERIES

PER_PARAMETER = {"params", "hessian_spectrum"}  # measures whose entries are as long as the parameters


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan:
    """A checked sweep. The arguments are those of `sweep`; `engine` is one that `ensembles.choose` gave."""

    grid: Mapping[str, Any]  # once checked: the axes, lists of values
    steps: int
    task: InitVar[Any]
    loss: str
    learning_rate: float
    rest: int
    validation: InitVar[Any]
    measure: Any
    engine: EnsembleEngine
    cells: list[Cell] = field(init=False)  # in the order of the grid
    runs: list[Cell] = field(init=False)  # the different cells, the slowest first
    datasets: dict[DataKey, Dataset] = field(init=False)

    def __post_init__(self, task: Any, validation: Any) -> None:
        steps, axes = check.integer("steps", self.steps, least=1), checked_axes(self.grid)
        settings = {name: checked_value(name, getattr(self, name)) for name in ("loss", "learning_rate")}
        in_order = cells(axes, **settings)
        checked = {
            **settings,
            "steps": steps,
            "rest": check.integer("rest", self.rest, least=0, most=steps),
            "grid": axes,
            "cells": in_order,
            "runs": sorted(dict.fromkeys(in_order), key=lambda cell: -cell.width),
            "datasets": make_datasets(task, validation, dict.fromkeys(map(_data_key, in_order))),
            "measure": _checked_measure(self.measure, validation),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        check_axes_act(axes, self.datasets, fixed=not (callable(task) or callable(validation)))
        self._check_oscillations()
        _check_lengths(self.measure, {self.net(cell).size for cell in self.runs})

    def with_engine(self, engine: EnsembleEngine) -> Plan:
        """The same runs by another engine."""
        plan = copy.copy(self)
        object.__setattr__(plan, "engine", engine)
        return plan

    @property
    def activations(self) -> list[str]:
        """Those of its networks."""
        return list(dict.fromkeys(cell.activation for cell in self.cells))

    def check_engine(self) -> None:
        """Raise a ValueError if the engine cannot compute an activation of the grid."""
        for activation in self.activations:
            if activation not in self.engine.activations:
                allowed = ", ".join(map(repr, self.engine.activations))
                raise ValueError(
                    f"grid['activation'] may be {allowed} for engine {self.engine.name!r}, got {activation!r}: "
                    "engine 'numpy' computes all"
                )

    def _check_oscillations(self) -> None:
        """Raise a ValueError if a Γ of the grid cannot be, or if the rest leaves no update to oscillate in."""
        for cell in self.runs:
            self._oscillation(cell, self.datasets[_data_key(cell)].task.classes)
            if cell.period is not None and self.rest == self.steps:
                raise ValueError(f"rest must be less than steps where an amplitude exceeds 1, got {self.rest}")

    def chunks(self, numbers: Sequence[int]) -> list[list[int]]:
        """The numbers of some runs, cut into those that are trained, and written, together."""
        chunks: list[list[int]] = []
        room, work = 0, 0.0
        for number in numbers:
            cost = self._work(self.runs[number])
            if room == 0 or work + cost > self.engine.chunk_work:
                chunks.append([])
                room, work = self.engine.chunk_size, 0.0
            chunks[-1].append(number)
            room, work = room - 1, work + cost
        return chunks

    def takes_seconds(self, numbers: Sequence[int]) -> bool:
        """Whether some runs are more work than one chunk takes on."""
        return sum(self._work(self.runs[number]) for number in numbers) > self.engine.chunk_work

    def _work(self, cell: Cell) -> float:
        """Weights times samples times updates."""
        return float(self.net(cell).size) * len(self.datasets[_data_key(cell)].task) * self.steps

    def ensemble(self, numbers: Sequence[int]) -> Ensemble:
        """Some of the runs, as an engine trains them."""
        return Ensemble(members=[self.member(self.runs[n]) for n in numbers], steps=self.steps, measure=self.measure)

    def net(self, cell: Cell) -> MLP:
        task = self.datasets[_data_key(cell)].task
        return MLP(task.x.shape[1], cell.width, task.classes, activation=cell.activation)

    def member(self, cell: Cell) -> Member:
        net, (task, validation) = self.net(cell), self.datasets[_data_key(cell)]
        return Member(
            net=net,
            params=net.init(cell.seed),
            task=task,
            loss=LOSSES[cell.loss](self._oscillation(cell, task.classes)),
            learning_rate=cell.learning_rate,
            validation=validation,
        )

    def _oscillation(self, cell: Cell, classes: int) -> Oscillation | None:
        if cell.period is None:
            return None
        return Oscillation(cell.amplitude, cell.period, classes, rest_from=self.steps - self.rest)

    def history_steps(self, name: str) -> NDArray:
        """The numbers of updates after which a history has its entries."""
        return measured_steps(cadence(self.measure[name]), self.steps)

    def settings(self) -> dict[str, Any]:
        """What the sweep was asked to do, in words and numbers."""
        defaults = asdict(Cell(loss=self.loss, learning_rate=self.learning_rate))
        if "activation" not in self.grid:  # which stores of version 0.1 do not know
            del defaults["activation"]
        data = {f"noise {short(noise)}, data_seed {seed}": pair for (noise, seed), pair in self.datasets.items()}
        return {
            "grid": self.grid,
            "steps": self.steps,
            "rest": self.rest,
            **defaults,
            "data": {name: digest(pair.task) for name, pair in data.items()},
            "validation": {name: digest(pair.validation) for name, pair in data.items()},
            "measure": {name: cadence(request) for name, request in self.measure.items()},
            "engine": self.engine.name,
        }


def describe(cell: Cell, axes: Iterable[str]) -> str:
    """The settings of a cell on the axes of its grid, for a message."""
    return ", ".join(f"{name}={getattr(cell, name)!r}" for name in axes)


def short(number: float) -> str:
    """A number as people write it, 1 and not 1.0, but with all its digits."""
    return f"{number:g}" if float(f"{number:g}") == number else repr(number)


def _data_key(cell: Cell) -> DataKey:
    return DataKey(cell.noise, cell.data_seed)


def _checked_measure(measure: Any, validation: Any) -> Mapping[str, Any]:
    if not isinstance(measure, Mapping | None):
        raise TypeError(f"measure must map names to cadences, got {measure!r:.80}")
    measure = dict(measure or {})
    for name in measure.keys() & SERIES:
        check.integer(f"measure[{name!r}]", measure[name], least=1)
    as_measures({name: request for name, request in measure.items() if name not in SERIES})
    if "validation_accuracy" in measure and validation is None:
        raise ValueError("measure names 'validation_accuracy', but validation is None")
    return measure


def _check_lengths(measure: Mapping[str, Any], sizes: Set[int]) -> None:
    """Raise a ValueError if a measure has an entry per parameter, and the networks differ in their numbers."""
    for name in measure.keys() & PER_PARAMETER:
        if len(sizes) > 1:
            raise ValueError(
                f"measure[{name!r}] has an entry per parameter, but the networks of this grid have "
                f"{', '.join(map(str, sorted(sizes)))} parameters: make a sweep for each"
            )
