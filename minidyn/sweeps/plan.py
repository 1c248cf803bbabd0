"""The plan of a sweep: everything that was asked, checked before any run starts, and the runs that follow from it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, asdict, dataclass, field
from itertools import product
from typing import Any

from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn.ensembles import Ensemble, EnsembleEngine, Member
from minidyn.ensembles.interface import cadence, measured_steps
from minidyn.mlp import MLP
from minidyn.oscillation import Oscillation
from minidyn.sweeps.axes import LOSSES, Cell, cells, checked_axes, checked_value
from minidyn.sweeps.datasets import DataKey, Dataset, digest, make_datasets
from minidyn.training.record import RESERVED, SERIES


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
        keys = product(axes.get("noise", [Cell.noise]), axes.get("data_seed", [Cell.data_seed]))
        in_order = cells(axes, **settings)
        checked = {
            **settings,
            "steps": steps,
            "rest": check.integer("rest", self.rest, least=0, most=steps),
            "grid": axes,
            "cells": in_order,
            "runs": sorted(dict.fromkeys(in_order), key=lambda cell: -cell.width),
            "datasets": make_datasets(task, validation, keys),
            "measure": _checked_measure(self.measure, validation),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def with_engine(self, engine: EnsembleEngine) -> Plan:
        """The same runs by another engine."""
        plan = copy.copy(self)
        object.__setattr__(plan, "engine", engine)
        return plan

    def chunks(self) -> list[range]:
        """The numbers of the runs that are trained, and written, together."""
        size = self.engine.chunk_size
        return [range(first, min(first + size, len(self.runs))) for first in range(0, len(self.runs), size)]

    def ensemble(self, numbers: Sequence[int]) -> Ensemble:
        """Some of the runs, as an engine trains them."""
        return Ensemble(members=[self.member(self.runs[n]) for n in numbers], steps=self.steps, measure=self.measure)

    def member(self, cell: Cell) -> Member:
        task, validation = self.datasets[cell.noise, cell.data_seed]
        net = MLP(task.x.shape[1], cell.width, task.classes)
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
        """Everything that the results depend on, for the store."""
        defaults = Cell(loss=self.loss, learning_rate=self.learning_rate)
        data = {f"noise {noise:g}, data_seed {seed}": pair for (noise, seed), pair in self.datasets.items()}
        return {
            "grid": self.grid,
            "steps": self.steps,
            "rest": self.rest,
            **asdict(defaults),
            "data": {name: digest(pair.task) for name, pair in data.items()},
            "validation": {name: digest(pair.validation) for name, pair in data.items()},
            "measure": {name: cadence(request) for name, request in self.measure.items()},
            "engine": self.engine.name,
        }


def _checked_measure(measure: Any, validation: Any) -> Mapping[str, Any]:
    if not isinstance(measure, Mapping | None):
        raise TypeError(f"measure must map names to cadences, got {measure!r:.80}")
    for name, request in (measure or {}).items():
        if name in RESERVED and name not in SERIES:
            raise ValueError(f"measure must not name {name!r}")
        if name in SERIES:
            check.integer(f"measure[{name!r}]", request, least=1)
    if "validation_accuracy" in (measure or {}) and validation is None:
        raise ValueError("measure names 'validation_accuracy', but validation is None")
    return dict(measure or {})
