"""Independent runs of an experiment, on all cores; if the reader names a folder, what is done survives an interrupt."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import joblib
from threadpoolctl import threadpool_limits

from minidyn import _progress, storage
from minidyn._fingerprint import fingerprint
from minidyn._version import __version__

PARTS = "MINIDYN_PARTS"  # the environment variable with the folder of the results of single cells

Cell = TypeVar("Cell")
Result = TypeVar("Result")


def in_parallel(function: Callable[[Cell], Result], cells: Sequence[Cell], name: str) -> list[Result]:
    """function(cell) for all cells, in order, with one BLAS thread in each process.

    If the environment variable MINIDYN_PARTS names a folder, the result of each cell is kept there as soon as it is
    known, and a later call takes it from there. Only results of the same function, cell and version are taken; the
    files are pickles, so the folder must be the reader's own.
    """
    results = []
    folder = os.environ.get(PARTS)
    compute = _with_one_thread if folder is None else _Stored(Path(folder) / name)
    jobs = (joblib.delayed(compute)(function, cell) for cell in cells)
    with _progress.bar(len(cells), name, "runs") as bar:
        for result in joblib.Parallel(joblib.cpu_count(), return_as="generator")(jobs):
            results.append(result)
            bar.update(1)
    return results


class _Stored:
    """function(cell), computed once and kept in a folder."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def __call__(self, function: Callable[[Cell], Result], cell: Cell) -> Result:
        digest = fingerprint((__version__, function, cell)).split()[0]
        path = self.folder / f"{digest}.pickle"
        if not path.exists():
            result = _with_one_thread(function, cell)
            storage.atomically(path, lambda part: joblib.dump(result, part))
        return joblib.load(path)


def _with_one_thread(function: Callable[[Cell], Result], cell: Cell) -> Result:
    with threadpool_limits(1, "blas"):
        return function(cell)
