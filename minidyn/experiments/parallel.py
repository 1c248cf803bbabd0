"""Independent runs of an experiment, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import joblib
from threadpoolctl import threadpool_limits

from minidyn import _progress

Cell = TypeVar("Cell")
Result = TypeVar("Result")


def in_parallel(function: Callable[[Cell], Result], cells: Sequence[Cell], name: str) -> list[Result]:
    """function(cell) for all cells, in order, with one BLAS thread in each process."""
    results = []
    jobs = (joblib.delayed(_with_one_thread)(function, cell) for cell in cells)
    with _progress.bar(len(cells), name, "runs") as bar:
        for result in joblib.Parallel(joblib.cpu_count(), return_as="generator")(jobs):
            results.append(result)
            bar.update(1)
    return results


def _with_one_thread(function: Callable[[Cell], Result], cell: Cell) -> Result:
    with threadpool_limits(1, "blas"):
        return function(cell)
