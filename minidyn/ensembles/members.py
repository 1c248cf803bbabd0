"""What engines that train many networks together share: which members go together, and measures on the processor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minidyn.ensembles.interface import Member
from minidyn.mlp import MLP
from minidyn.training.measures import as_measures
from minidyn.training.record import SERIES
from minidyn.training.settings import Settings


def widths(member: Member) -> tuple[int, int, int]:
    """Inputs, hidden units and outputs."""
    assert isinstance(member.net, MLP)
    inputs, hidden, outputs = member.net.widths
    return inputs, hidden, outputs


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

    def take(self, name: str, done: int, vectors: NDArray, alive: NDArray) -> NDArray:
        """The entries of all networks in a history, NaN for those that have diverged."""
        values = {}
        for n in map(int, np.flatnonzero(alive)):
            measure = next(m for m in self.settings[n].measures if m.name == name)
            values[n], start_vector = measure(self.settings[n], vectors[n], done, self.warm[n].get(name))
            if start_vector is not None:
                self.warm[n][name] = start_vector
            self.shapes[name] = values[n].shape
        missing = np.full(self.shapes[name], np.nan)  # no network has diverged at its first entry
        return np.stack([values.get(n, missing) for n in range(len(self.settings))])
