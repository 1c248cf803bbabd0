"""Parameters: nested lists, tuples and dicts of arrays, as one flat vector and back.

The order is that of the nesting, dicts by their sorted keys, and arrays row-major.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class _Slot:
    """Where an array lies in the vector."""

    start: int
    stop: int
    shape: tuple[int, ...]


class Structure:
    """The nesting of some parameters and the shapes of their arrays.

    Attributes
    ----------
    size : int
        How many numbers there are in all.
    """

    def __init__(self, params: Any):
        self.size = 0
        self._slots = _map(self._append, params)

    def _append(self, leaf: Any) -> _Slot:
        start, shape = self.size, _as_array("params", leaf).shape
        self.size += int(np.prod(shape))
        return _Slot(start, self.size, shape)

    def flatten(self, params: Any) -> NDArray:
        """A new vector (size,); a ValueError if `params` have another nesting or other shapes."""
        arrays = [array.ravel() for array in _arrays(self._slots, params, "params")]
        return np.concatenate([np.empty(0), *arrays])

    def unflatten(self, vector: Any) -> Any:
        """Parameters whose arrays are views into a vector (size,), which may be one that autograd traces."""
        if np.shape(vector) != (self.size,):
            raise ValueError(f"vector must have shape ({self.size},), got {np.shape(vector)}")
        return _map(lambda slot: vector[slot.start : slot.stop].reshape(slot.shape), self._slots)


def _map(function: Callable[[Any], Any], nesting: Any) -> Any:
    """The same nesting with the function applied to each of its leaves, in order."""
    if isinstance(nesting, dict):
        mapped = copy(nesting)  # of the same type, with its keys in the same order
        mapped.update({key: _map(function, nesting[key]) for key in _keys(nesting)})
        return mapped
    if isinstance(nesting, (list, tuple)):
        items = [_map(function, nesting[key]) for key in _keys(nesting)]
        return type(nesting)(*items) if hasattr(nesting, "_fields") else type(nesting)(items)  # a named tuple, or not
    return function(nesting)


def _arrays(slots: Any, params: Any, name: str) -> Iterator[NDArray]:
    """The arrays of parameters, which must be nested and shaped like the slots."""
    if isinstance(slots, _Slot):
        array = _as_array(name, params)
        if array.shape != slots.shape:
            raise ValueError(f"{name} must have shape {slots.shape}, got {array.shape}")
        yield array
        return
    kind = dict if isinstance(slots, dict) else (list, tuple)
    if not isinstance(params, kind) or _keys(params) != _keys(slots):
        raise ValueError(f"{name} must have the entries {_keys(slots)}, got {params!r:.80}")
    for key in _keys(slots):
        yield from _arrays(slots[key], params[key], f"{name}[{key!r}]")


def _keys(nesting: Any) -> list[Any]:
    if not isinstance(nesting, dict):
        return list(range(len(nesting)))
    try:
        return sorted(nesting)
    except TypeError:
        raise TypeError(f"params must have keys that can be sorted, got {list(nesting)!r:.80}") from None


def _as_array(name: str, leaf: Any) -> NDArray:
    try:
        array = np.asarray(leaf)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be nested lists, tuples and dicts of arrays of real numbers, got {leaf!r:.80}")
    return array
