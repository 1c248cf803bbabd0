"""The data of a sweep: for each noise and data_seed, what to train on and what to validate on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, NamedTuple

from minidyn.task import Task

VALIDATION_SEED_OFFSET = 1000  # a validation task made by a function has the data_seed of its cell plus this

TaskMaker = Callable[..., Task]
DataKey = tuple[float, int]  # noise, data_seed


class Dataset(NamedTuple):
    """What the cells of one noise and data_seed are trained and validated on."""

    task: Task
    validation: Task | None


def make_datasets(task: Any, validation: Any, keys: Iterable[DataKey]) -> dict[DataKey, Dataset]:
    """The data for each (noise, data_seed)."""
    return {(noise, seed): _make_dataset(task, validation, noise, seed) for noise, seed in keys}


def _make_dataset(task: Any, validation: Any, noise: float, seed: int) -> Dataset:
    made = _make_task("task", task, noise, seed)
    if not validation:
        return Dataset(made, None)
    return Dataset(made, _make_task("validation", validation, noise, seed + VALIDATION_SEED_OFFSET))


def _make_task(name: str, task: Any, noise: float, seed: int) -> Task:
    made = task if isinstance(task, Task) or not callable(task) else task(noise=noise, seed=seed)
    if not isinstance(made, Task):
        raise TypeError(f"{name} must be a Task or a function of (noise, seed) that returns one, got {made!r:.80}")
    return made


def digest(task: Task | None) -> str | None:
    """Tells one task from another."""
    return None if task is None else sha256(task.x.tobytes() + task.labels.tobytes()).hexdigest()[:16]
