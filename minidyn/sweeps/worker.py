"""What happens in a worker: a chunk of the runs is trained, and what is finished goes into the store."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from threadpoolctl import threadpool_limits

from minidyn.ensembles import RunResult
from minidyn.sweeps.collect import Chunk, Row, check_shapes, portable
from minidyn.sweeps.plan import Plan, describe
from minidyn.sweeps.store import StoredRuns
from minidyn.sweeps.table import row_of

SECONDS = 3.0  # after which a worker hands back what is finished, if it trains its runs one by one


@dataclass(frozen=True, eq=False, kw_only=True)
class Worker:
    """Trains chunks of the runs of a plan."""

    plan: Plan
    store: StoredRuns | None
    home: int = field(default_factory=os.getpid)  # the process that the sweep was called in

    def __call__(self, numbers: list[int]) -> Chunk:
        """Train some runs, or the first of them if they take long; after an interrupt, those that are finished."""
        chunk = Chunk(not_begun=list(numbers))
        results: dict[int, RunResult] = {}
        with threadpool_limits(1, "blas"):  # the same sums in every worker, and no more threads than workers
            with chunk.noticing_interrupts():
                for result in self._in_time(self.plan.engine.train(self.plan.ensemble(numbers))):
                    number = chunk.not_begun.pop(0)
                    if result.error is None:
                        results[number] = result
                    else:
                        chunk.errors[number] = self._portable(result.error, number)
            with chunk.noticing_interrupts():
                self._finish(chunk, results)
        if chunk.rows and self.store is not None:
            self.store.write(chunk.rows)
        return chunk

    def _in_time(self, results: Iterator[RunResult]) -> Iterator[RunResult]:
        """The results; of runs that are trained one by one those that come in time, and at least one."""
        end = time.monotonic() + SECONDS
        for result in results:
            yield result
            if self.plan.engine.one_by_one and time.monotonic() > end:
                return

    def _finish(self, chunk: Chunk, results: Mapping[int, RunResult]) -> None:
        """Compute where the runs ended; together, or if that fails, run by run."""
        try:
            rows = dict(zip(results, self._rows(results), strict=True))
        except Exception:
            rows = {}
        for number, result in results.items():
            try:
                [row] = [rows[number]] if rows else self._rows({number: result})
                check_shapes(row, next(iter(chunk.rows.values()), row))
                chunk.rows[number] = row
            except Exception as error:
                chunk.errors[number] = self._portable(error, number)

    def _rows(self, results: Mapping[int, RunResult]) -> list[Row]:
        final_values = self.plan.engine.final_values(self.plan.ensemble([*results]), [*results.values()])
        return [row_of(result, final) for result, final in zip(results.values(), final_values, strict=True)]

    def _portable(self, error: Exception, number: int) -> Exception:
        return portable(error, home=self.home, cell=describe(self.plan.runs[number], self.plan.grid))
