"""The reader's own samples in the lab: checked, and as the text that the page reads."""

from __future__ import annotations

import json
from typing import Any

from minidyn.task import Task

CLASSES = 3
MOST = 2000  # samples: the page follows their order along a tour, which takes P² steps


def check(name: str, task: Task) -> Task:
    """The task, if the lab can show it."""
    if not isinstance(task, Task):
        raise TypeError(f"{name} must be a minidyn.Task, got {type(task).__name__}")
    dimensions, classes = task.x.shape[1], task.classes
    if (dimensions, classes) != (2, CLASSES):
        raise ValueError(f"{name} must have 2 dimensions and {CLASSES} classes, got {dimensions} and {classes}")
    if len(task) > MOST:
        raise ValueError(f"{name} must have at most {MOST} samples, got {len(task)}")
    return task


def as_text(training: Task, validation: Task | None) -> str:
    """Both sets as JSON."""
    return json.dumps({"training": _arrays(training), "validation": _arrays(validation)})


def _arrays(task: Task | None) -> dict[str, list[Any]]:
    if task is None:
        return {"x0": [], "x1": [], "labels": []}
    return {"x0": task.x[:, 0].tolist(), "x1": task.x[:, 1].tolist(), "labels": task.labels.tolist()}
