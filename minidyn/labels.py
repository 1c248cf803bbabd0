"""Labels as a reader has them, integers, strings or one-hot rows, and the classes that they mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minidyn import _checks as check


class Labels(NamedTuple):
    """The class of each sample, and the classes."""

    indices: NDArray  # (P,) of int64
    classes: int
    names: tuple[str, ...]  # empty if the classes have none


def as_labels(value: Any, samples: int, classes: Any) -> Labels:
    """The labels of `samples` samples; `value` and `classes` are what `Task` takes."""
    names = () if classes is None or np.ndim(classes) == 0 else _names(classes)
    count = len(names) or (None if classes is None else check.integer("classes", classes, least=2))
    try:
        labels = np.asarray(value)
    except ValueError:  # rows of different lengths
        raise TypeError(f"labels must be integers, strings or one-hot rows, got {value!r:.80}") from None
    if samples == 0:
        raise ValueError("x must hold at least one sample, got none")
    if labels.ndim == 2 and labels.shape[1] > 1:
        return _of_one_hot(labels, samples, count, names)
    if labels.shape != (samples,):
        raise ValueError(f"labels must have shape ({samples},), one per sample of x, got {labels.shape}")
    if labels.dtype.kind in "iu":
        return _of_integers(labels, count, names)
    return _of_strings(labels, value, count, names)


def _names(classes: Any) -> tuple[str, ...]:
    """`classes` as names in order."""
    names = tuple(classes)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"classes must be an integer, or names in order, got {classes!r:.80}")
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"classes must be at least two different names, got {classes!r:.80}")
    return tuple(map(str, names))


def _of_integers(labels: NDArray, count: int | None, names: tuple[str, ...]) -> Labels:
    if count is None:
        raise ValueError("classes must be given if labels are integers, for a class may have no sample; got None")
    if labels.min() < 0 or labels.max() >= count:
        raise ValueError(f"labels must lie in 0..{count - 1}, got {labels.min()}..{labels.max()}")
    return Labels(labels.astype(np.int64), count, names)


def _of_one_hot(labels: NDArray, samples: int, count: int | None, names: tuple[str, ...]) -> Labels:
    """The class of each row that has a 1 in its column, and otherwise 0."""
    count = labels.shape[1] if count is None else count
    if labels.shape != (samples, count):
        raise ValueError(f"one-hot labels must have shape ({samples}, {count}), got {labels.shape}")
    if labels.dtype.kind not in check.REAL:
        raise TypeError(f"one-hot labels must be numbers, 0 or 1, got {labels.dtype}")
    ones, zeros = labels == 1, labels == 0
    is_one_hot = (ones | zeros).all(axis=1) & (ones.sum(axis=1) == 1)
    if not is_one_hot.all():
        sample = int(is_one_hot.argmin())
        raise ValueError(f"one-hot labels must have a single 1 in each row, got {labels[sample]} for sample {sample}")
    return Labels(labels.argmax(axis=1).astype(np.int64), count, names)


def _of_strings(labels: NDArray, value: Any, count: int | None, names: tuple[str, ...]) -> Labels:
    """The place of each string among the names, or in alphabetical order."""
    strings = labels.tolist()
    if not all(isinstance(label, str) for label in strings):
        raise TypeError(f"labels must be integers, strings or one-hot rows, got {labels.dtype} in {value!r:.80}")
    present = sorted(set(strings))
    index = {name: number for number, name in enumerate(names or _in_order(present, count))}
    unknown = [label for label in present if label not in index]
    if unknown:
        raise ValueError(f"labels must be among the classes {', '.join(map(repr, index))}, got {unknown[0]!r}")
    return Labels(np.array([index[label] for label in strings], dtype=np.int64), len(index), tuple(index))


def _in_order(present: Sequence[str], count: int | None) -> Sequence[str]:
    """The names of the classes in alphabetical order, if that leaves no doubt which they are and what the order is."""
    shown = ", ".join(map(repr, present[:10])) + ", ..." * (len(present) > 10)
    if len(present) < 2 or count not in (None, len(present)):
        expected = "at least two" if count is None else count
        raise ValueError(f"classes must name all classes in order, unless labels hold {expected}; they hold {shown}")
    if all(re.fullmatch(r"\s*[+-]?\d+(\.\d*)?\s*", label) for label in present):
        raise ValueError(
            f"classes must name the classes in order if their names are numbers, got labels {shown}: "
            "or make integers of the labels"
        )
    return present
