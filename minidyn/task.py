"""The task to learn: the spirals of the papers, or the reader's own data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minidyn import _checks as check
from minidyn import _html
from minidyn.labels import as_labels

NAMES = 5  # of classes that a repr shows


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Task:
    """A classification task: P samples in d dimensions, each with one of C labels. Immutable.

    Parameters
    ----------
    x : array_like, shape (P, d)
        The samples; copied to float64.
    labels : array_like, shape (P,) or (P, C)
        The class of each sample: integers from 0 to C - 1; strings; or one-hot rows, with a 1 in the column of the
        class and otherwise 0.
    classes : int or sequence of str
        The number of classes C, at least 2, or their names in order. A class may have no sample. It may be left out
        if labels are one-hot rows, or strings of all classes, whose order is then the alphabetical one.

    Attributes
    ----------
    x : numpy.ndarray, shape (P, d)
    labels : numpy.ndarray of int64, shape (P,)
        The class of each sample, 0 to C - 1.
    classes : int
    names : tuple of str
        Of the classes, if they have names.

    Raises
    ------
    TypeError
        If `x` is not numeric, `labels` are none of the above, or `classes` is neither an integer nor names.
    ValueError
        If shapes disagree, `x` is not finite, there is no sample, a label is not one of the classes, a row has not a
        single 1, or `classes` is left out where it is in doubt: for integers, and for strings that are numbers.

    Examples
    --------
    >>> import minidyn as md
    >>> task = md.Task([[0.0, 1.0], [1.0, 0.0]], [0, 1], classes=2)
    >>> task
    Task(2 samples in 2 dimensions, 2 classes)
    >>> md.Task([[0.0, 1.0], [1.0, 0.0]], ["dog", "cat"], classes=["dog", "cat", "bird"])
    Task(2 samples in 2 dimensions, 3 classes: dog, cat, bird)
    >>> md.Task([[0.0, 1.0], [1.0, 0.0]], [[0, 1, 0], [1, 0, 0]]).labels
    array([1, 0])
    """

    x: np.ndarray
    labels: np.ndarray
    classes: int
    names: tuple[str, ...]

    def __init__(self, x: ArrayLike, labels: ArrayLike, classes: int | Sequence[str] | None = None):
        samples = check.array("x", x, (None, None)).copy()
        indices, count, names = as_labels(labels, len(samples), classes)
        for array in (samples, indices):
            array.setflags(write=False)
        for name, value in (("x", samples), ("labels", indices), ("classes", count), ("names", names)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.x)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy made in another process is made by the constructor: immutable, and in memory of its own."""
        return Task, (self.x, self.labels, self.names or self.classes)

    def __repr__(self) -> str:
        names = f": {', '.join(self.names[:NAMES])}{', ...' * (self.classes > NAMES)}" if self.names else ""
        return f"Task({len(self)} samples in {self.x.shape[1]} dimensions, {self.classes} classes{names})"

    @property
    def kind(self) -> tuple[int, int, tuple[str, ...]]:
        """What validation data must have in common with a task: the dimensions, the classes and their names."""
        return self.x.shape[1], self.classes, self.names

    def _repr_html_(self) -> str:
        counts = np.bincount(self.labels, minlength=self.classes)
        picture = _html.dots(self.x, self.labels, "The samples by class.") if self.x.shape[1] == 2 else ""
        named = (f"{name} {count}" for name, count in zip(self.names or [""] * len(counts), counts, strict=True))
        samples = ", ".join(text.strip() for text in islice(named, 20)) + ", ..." * (self.classes > 20)
        return f"<p>{escape(repr(self))}</p>{picture}{_html.table({'samples per class': samples})}"


def spiral(
    points_per_class: int = 100,
    classes: int = 3,
    *,
    revolutions: float = 4,
    noise: float = 0.2,
    seed: int = 0,
) -> Task:
    """Interleaved spiral arms, one per class: the papers' toy task.

    Arm j has radii linspace(0, 1) and angles linspace(2πj/C, 2πj/C + `revolutions` π) + `noise` N(0, 1).
    With the defaults this is, bit for bit, the data published with "Tilting the playing field".

    Parameters
    ----------
    points_per_class : int
        Number of samples per arm, at least 1.
    classes : int
        Number of arms C, at least 2.
    revolutions : float
        The angle that an arm sweeps, in half turns (units of π); the papers' 4 is two full turns.
    noise : float
        Standard deviation of the angle, in radians; at least 0.
    seed : int
        Seed of `numpy.random.RandomState`; arms draw in order.

    Returns
    -------
    Task
        `points_per_class` * `classes` samples in the plane, arm after arm.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number of the kind above.

    Examples
    --------
    >>> import minidyn as md
    >>> md.spiral()
    Task(300 samples in 2 dimensions, 3 classes)
    """
    points = check.integer("points_per_class", points_per_class, least=1)
    arms = check.integer("classes", classes, least=2)
    sweep = check.real("revolutions", revolutions) * np.pi
    noise = check.real("noise", noise, least=0)
    random = np.random.RandomState(check.integer("seed", seed, least=0, most=2**32 - 1))
    radius = np.linspace(0.0, 1, points)
    samples = []
    for arm in range(arms):
        first = 2 * np.pi * arm / arms
        angle = np.linspace(first, first + sweep, points) + random.randn(points) * noise
        samples.append(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1))
    return Task(np.concatenate(samples), np.repeat(np.arange(arms), points), arms)
