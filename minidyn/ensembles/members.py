"""What engines that train many networks together share: launches of like members, and measures on the processor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minidyn.ensembles.interface import Ensemble, EnsembleEngine, Member, RunResult
from minidyn.mlp import MLP
from minidyn.training.measures import as_measures
from minidyn.training.record import SERIES
from minidyn.training.settings import Settings


def widths(member: Member) -> tuple[int, int, int]:
    """Inputs, hidden units and outputs."""
    assert isinstance(member.net, MLP)
    inputs, hidden, outputs = member.net.widths
    return inputs, hidden, outputs


def check_activations(members: Sequence[Member], engine: EnsembleEngine) -> None:
    """Raise a ValueError if an engine is to train units that it cannot compute."""
    for member in members:
        if member.net.activation not in engine.activations:
            allowed = " or ".join(map(repr, engine.activations))
            raise ValueError(f"engine {engine.name!r} trains networks of activation {allowed}, got {member.net!r:.80}")


def shape(member: Member) -> Hashable:
    """Members for which this is the same can be trained together."""
    validation = member.validation
    return widths(member), type(member.loss), member.loss.per_output, len(member.task), validation and len(validation)


def launches(members: Sequence[Member], size: Callable[[Member], int]) -> Iterator[list[int]]:
    """The numbers of the members that are trained together, at most `size(member)` at once."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for number, member in enumerate(members):
        groups[shape(member)].append(number)
    for numbers in groups.values():
        step = size(members[numbers[0]])
        yield from (numbers[first : first + step] for first in range(0, len(numbers), step))


def subset(ensemble: Ensemble, numbers: Sequence[int]) -> Ensemble:
    """Some members of an ensemble."""
    return replace(ensemble, members=[ensemble.members[n] for n in numbers])


def train_in_launches(
    ensemble: Ensemble, size: Callable[[Member], int], train: Callable[[Ensemble], Iterable[RunResult]]
) -> list[RunResult]:
    """The results of all members, by `train` of those that go together; an error there is that of each of them."""
    results: dict[int, RunResult] = {}
    for numbers in launches(ensemble.members, size):
        try:
            results |= zip(numbers, list(train(subset(ensemble, numbers))), strict=True)
        except Exception as error:  # of the device, say
            results |= {n: RunResult(error=error) for n in numbers}
    return [results[n] for n in range(len(ensemble.members))]


def settings_of(members: Sequence[Member], measure: Mapping[str, Any]) -> list[Settings]:
    """The members as the loop of `train` knows them, for their Γ and for the measures that it takes."""
    measures = as_measures({name: request for name, request in measure.items() if name not in SERIES})
    return [
        Settings(net=m.net, task=m.task, loss=m.loss, learning_rate=m.learning_rate, measures=measures) for m in members
    ]


class ProcessorMeasures:
    """The measures of `train`, taken network by network on the processor."""

    def __init__(self, settings: Sequence[Settings]):
        self.settings = settings
        self.warm: list[dict[str, NDArray]] = [{} for _ in settings]
        self.shapes: dict[str, tuple[int, ...]] = {}  # of the entries of each measure
        self.errors: dict[int, Exception] = {}  # of the networks in which a measure failed

    def take(self, name: str, done: int, vectors: NDArray, alive: NDArray) -> NDArray:
        """The entries of all networks in a history, NaN for those that have diverged or failed."""
        values = {}
        for n in set(np.flatnonzero(alive).tolist()) - self.errors.keys():
            try:
                values[n] = self._take(n, name, done, vectors[n])
            except Exception as error:
                self.errors[n] = error
        missing = np.full(self.shapes.get(name, ()), np.nan)
        return np.stack([values.get(n, missing) for n in range(len(self.settings))])

    def _take(self, n: int, name: str, done: int, vector: NDArray) -> NDArray:
        measure = next(m for m in self.settings[n].measures if m.name == name)
        value, start_vector = measure(self.settings[n], vector, done, self.warm[n].get(name))
        if start_vector is not None:
            self.warm[n][name] = start_vector
        if value.shape != self.shapes.setdefault(name, value.shape):
            raise ValueError(f"measure {name!r} must keep its shape {self.shapes[name]}, got {value.shape}")
        return value
