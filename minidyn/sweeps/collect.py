"""Many jobs on all cores, in chunks: what is finished is kept, whatever happens to the others.

The two drivers of grids, `minidyn.sweep` and `minidyn.torch.train_grid`, come through here.
"""

from __future__ import annotations

import os
import pickle
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import joblib
import numpy as np
import xarray as xr

Row = dict[str, Any]  # what the table holds of one run
Tabulate = Callable[[Mapping[int, Row], Mapping[int, str] | None], xr.Dataset]


@dataclass
class Chunk:
    """What a worker hands back: the rows of finished runs, and the errors of others, by the number of the run."""

    rows: dict[int, Row] = field(default_factory=dict)
    errors: dict[int, Exception] = field(default_factory=dict)
    not_begun: list[int] = field(default_factory=list)  # the runs that another chunk has to train
    interrupted: bool = False

    @contextmanager
    def noticing_interrupts(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self.interrupted = True


class Results:
    """What has been reached, and the table that `tabulate(rows, errors)` makes of it.

    `read_store()` gives the finished runs in a store, by their numbers.
    """

    def __init__(self, total: int, tabulate: Tabulate, read_store: Callable[[], Mapping[int, Row]] = dict):
        self.total, self.tabulate, self.read_store = total, tabulate, read_store
        self.rows: dict[int, Row] = {}
        self.errors: dict[int, Exception] = {}

    def __repr__(self) -> str:
        return f"{len(self.rows)} of {self.total} runs are finished"

    def missing(self) -> list[int]:
        """The numbers of the runs that are not finished."""
        return [number for number in range(self.total) if number not in self.rows]

    def add(self, chunk: Chunk) -> int:
        """Take over what a worker hands back; the number of runs in it."""
        self.errors |= chunk.errors
        for number, row in chunk.rows.items():
            try:
                check_shapes(row, next(iter(self.rows.values()), row))
                self.rows[number] = row
            except ValueError as error:
                self.errors[number] = error
        return len(chunk.rows) + len(chunk.errors)

    def add_stored(self) -> int:
        """Take over the runs in the store that are not here; the number of them."""
        rows = {number: row for number, row in self.read_store().items() if number not in self.rows}
        return self.add(Chunk(rows=rows))

    def table(self, *, errors: bool) -> xr.Dataset:
        """The table, with the variable "error" if that is wanted: empty for the runs that are finished."""
        if not errors:
            return self.tabulate(self.rows, None)
        missing = dict.fromkeys(self.missing(), "not run")
        failed = {number: f"{type(error).__name__}: {error}" for number, error in self.errors.items()}
        return self.tabulate(self.rows, missing | failed)


def collect(
    results: Results,
    train: Callable[[list[int]], Chunk],
    chunks: Iterable[list[int]],
    *,
    workers: int,
    on_error: str,
    bar: Any,
) -> xr.Dataset:
    """Let workers `train` the runs whose numbers are in the chunks; the table of all results.

    With on_error "raise" no new chunk begins after an error, which is raised with the table in its attribute `data`.
    A keyboard interrupt ends with a warning, and the table so far.
    """
    waiting = deque(chunks)

    def goes_on() -> bool:
        return bool(waiting) and (on_error == "record" or not results.errors)

    def jobs() -> Iterator[Any]:
        while goes_on():
            yield joblib.delayed(train)(waiting.popleft())

    try:
        while goes_on():  # more than once if the last chunks hand back runs that they have not begun
            with _closing(joblib.Parallel(workers, return_as="generator_unordered")(jobs())) as finished:
                for chunk in finished:
                    bar.update(results.add(chunk))
                    if chunk.interrupted:
                        raise KeyboardInterrupt
                    if chunk.not_begun:
                        waiting.appendleft(chunk.not_begun)
        if on_error == "raise" and results.errors:
            raise next(iter(results.errors.values()))
    except KeyboardInterrupt:
        results.add_stored()  # a worker may have stored what it could not hand back any more
        warnings.warn(f"interrupted: {results}; the variable `error` says which, and the others are NaN", stacklevel=3)
        return results.table(errors=True)
    except Exception as error:
        results.add_stored()
        error.data = results.table(errors=True)  # type: ignore[attr-defined]
        error.add_note(f"{results}; they are in this error's attribute `data`")
        raise
    return results.table(errors=on_error == "record")


@contextmanager
def _closing(chunks: Any) -> Iterator[Any]:
    """Stop the workers once their results are no longer wanted, of which joblib would warn."""
    try:
        yield chunks
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            chunks.close()


def check_shapes(row: Row, other: Row) -> None:
    """Raise a ValueError if a history has another shape than in another run."""
    for name in row:
        here, there = np.shape(row[name]), np.shape(other[name])
        if here != there:
            measure = name.removesuffix("_history")
            raise ValueError(f"measure {measure!r} must have one shape in all cells, got {here[1:]} after {there[1:]}")


def portable(error: Exception, *, home: int, cell: str) -> Exception:
    """An error that can travel to the process `home`, with a note that names its cell."""
    vars(error).pop("run", None)  # what `train` hangs on its errors: a run of one cell, and a note that says so
    error.__notes__ = [other for other in getattr(error, "__notes__", ()) if "attribute `run`" not in other]
    if os.getpid() != home:
        text = "".join(traceback.format_exception(error))
        error = _picklable(error)
        error.add_note(text)
    error.add_note(f"in the cell {cell}")
    return error


def _picklable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
