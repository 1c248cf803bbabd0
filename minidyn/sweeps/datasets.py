"""The data of a sweep: for each noise and data_seed, what to train on and what to validate on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from minidyn.task import Task

VALIDATION_SEED_OFFSET = 1000  # a validation task made by a function has the data_seed of its cell plus this

TaskMaker = Callable[..., Task]


class DataKey(NamedTuple):
    """The settings of a cell on which its data depends."""

    noise: float
    data_seed: int


class Dataset(NamedTuple):
    """What the cells of one noise and data_seed are trained and validated on."""

    task: Task
    validation: Task | None


def make_datasets(task: Any, validation: Any, keys: Iterable[DataKey]) -> dict[DataKey, Dataset]:
    """The data for each noise and data_seed, checked."""
    return {key: _make_dataset(task, validation, key) for key in keys}


def _make_dataset(task: Any, validation: Any, key: DataKey) -> Dataset:
    made = _make_task("task", task, key)
    if validation is None:
        return Dataset(made, None)
    validation = _make_task("validation", validation, key._replace(data_seed=key.data_seed + VALIDATION_SEED_OFFSET))
    if validation.kind != made.kind:
        raise ValueError(f"validation must be like task, {made!r}, got {validation!r}")
    return Dataset(made, validation)


def _make_task(name: str, task: Any, key: DataKey) -> Task:
    made = task if isinstance(task, Task) or not callable(task) else task(noise=key.noise, seed=key.data_seed)
    if not isinstance(made, Task):
        raise TypeError(f"{name} must be a Task or a function of (noise, seed) that returns one, got {made!r:.80}")
    return made


def check_axes_act(axes: Mapping[str, list[Any]], datasets: Mapping[DataKey, Dataset], *, fixed: bool) -> None:
    """Raise a ValueError if the grid varies the noise or the data_seed, and the data is the same for all of them.

    `fixed` says that no data is made by a function, so that neither could ever act.
    """
    digests = {key: (digest(data.task), digest(data.validation)) for key, data in datasets.items()}
    for name in DataKey._fields:
        others = {key: key._replace(**{name: axes[name][0]}) for key in digests if name in axes}
        same = len(others) > 1 and all(digests[key] == digests[other] for key, other in others.items())
        if name in axes and (fixed or (len(axes[name]) > 1 and same)):
            raise ValueError(
                f"grid[{name!r}] makes no difference: the data is the same for all of {axes[name]!r:.60}; "
                "leave it out, or let task be a function of (noise, seed) that uses it"
            )


def digest(task: Task | None) -> str | None:
    """Tells one task from another, by all that a task is; names count only if the classes have some."""
    if task is None:
        return None
    kind = (task.x.shape, task.classes, *([task.names] if task.names else []))
    return _digest(repr(kind).encode(), *_content(task))


def digest_0_1(task: Task | None) -> str | None:
    """What version 0.1 told tasks apart by: it left out the number of classes."""
    return None if task is None else _digest(*_content(task))


def _content(task: Task) -> tuple[bytes, bytes]:
    return task.x.tobytes(), task.labels.tobytes()


def _digest(*content: bytes) -> str:
    return sha256(b"".join(content)).hexdigest()[:16]
