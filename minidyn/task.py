"""The task to learn: the spirals of the papers, or the reader's own data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minidyn import _checks as check


@dataclass(frozen=True, eq=False)
class Task:
    """A classification task: P samples in d dimensions, each with one of C labels. Immutable.

    Parameters
    ----------
    x : array_like, shape (P, d)
        The samples; copied to float64.
    labels : array_like of int, shape (P,)
        The class of each sample, 0 to `classes` - 1.
    classes : int
        The number of classes, at least 2. A class may have no sample.

    Raises
    ------
    TypeError
        If `x` is not numeric, or `labels` or `classes` are not integers.
    ValueError
        If shapes disagree, `x` is not finite, there is no sample, or a label is out of range.

    Examples
    --------
    >>> import minidyn as md
    >>> task = md.Task([[0.0, 1.0], [1.0, 0.0]], [0, 1], classes=2)
    >>> task
    Task(2 samples in 2 dimensions, 2 classes)
    """

    x: np.ndarray
    labels: np.ndarray
    classes: int

    def __post_init__(self) -> None:
        classes = check.integer("classes", self.classes, least=2)
        x = check.array("x", self.x, (None, None)).copy()
        labels = _labels(self.labels, len(x), classes)
        for name, value in (("x", x), ("labels", labels)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "classes", classes)

    def __len__(self) -> int:
        return len(self.x)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy made in another process is made by the constructor: immutable, and in memory of its own."""
        return Task, (self.x, self.labels, self.classes)

    def __repr__(self) -> str:
        return f"Task({len(self)} samples in {self.x.shape[1]} dimensions, {self.classes} classes)"


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


def _labels(value: Any, samples: int, classes: int) -> np.ndarray:
    labels = np.asarray(value)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, got {labels.dtype} in {value!r:.80}")
    if labels.shape != (samples,):
        raise ValueError(f"labels must have shape ({samples},), one per sample of x, got {labels.shape}")
    if samples == 0:
        raise ValueError("x must hold at least one sample, got none")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}, got {labels.min()}..{labels.max()}")
    return labels.astype(np.int64)
