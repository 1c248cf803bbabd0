"""Many independent runs of an experiment, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import joblib
from threadpoolctl import threadpool_limits

from minidyn import _progress


def in_parallel(function: Callable[..., Any], cells: Sequence[tuple], name: str, progress: bool) -> list[Any]:
    """function(*cell) for all cells, in order, with one BLAS thread each."""
    found = []
    jobs = (joblib.delayed(_alone)(function, cell) for cell in cells)
    with _progress.bar(len(cells), name, "runs", shown=progress) as bar:
        for result in joblib.Parallel(joblib.cpu_count(), return_as="generator")(jobs):
            found.append(result)
            bar.update(1)
    return found


def _alone(function: Callable[..., Any], cell: tuple) -> Any:
    with threadpool_limits(1, "blas"):
        return function(*cell)
