"""A grid of training runs over amplitude, period and seed: resumable, and one labelled table of how they end."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from minidyn import _checks as check
from minidyn import _progress, _provenance, _renamed, storage
from minidyn.sweeps.collect import Chunk, Results, Row, collect, portable
from minidyn.sweeps.plan import short
from minidyn.torch.curvature import top_eigenvalues
from minidyn.torch.training import SERIES, Trainer

Cell = tuple[float, int | None, int]  # amplitude, period, seed
ON_ERROR = ("raise", "record")


@_renamed.arguments(checkpoints="store")
def train_grid(
    make_trainer: Callable[[float, int, int], Trainer],
    *,
    amplitudes: Sequence[float],
    periods: Sequence[int],
    seeds: Sequence[int],
    steps: int,
    store: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 500,
    workers: int = 1,
    on_error: str = "raise",
    progress: bool = True,
) -> xr.Dataset:
    """Train a model in every cell of a grid, and keep how each run ends.

    Parameters
    ----------
    make_trainer : callable
        Takes (amplitude, period, seed) to a new Trainer. With several workers it must be picklable: a function of a
        module, or a `functools.partial` of one.
    amplitudes, periods, seeds : sequence of numbers
        The cells. With amplitude 1 the period makes no difference, and one run serves all.
    steps : int
        Number of updates per run.
    store : path-like, optional
        A folder with a checkpoint per run: a grid that was stopped goes on where it was when it is called again.
    checkpoint_every : int
        Number of updates between two checkpoints of a run.
    workers : int
        Number of processes. On one GPU one is best.
    on_error : {"raise", "record"}
        What to do if a cell fails, as for `minidyn.sweep`.
    progress : bool
        Show a progress bar if it takes longer than a second.

    Returns
    -------
    xarray.Dataset
        Over (amplitude, period, seed): the last entry of each run's record (loss, static_loss, accuracy and, with
        validation images, validation_loss and validation_accuracy), and sharpness, the largest Hessian eigenvalue
        of the static loss on the training images; NaN if a run diverged. With on_error="record", or after a keyboard
        interrupt, also error, as for `minidyn.sweep`.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or a checkpoint is of another run. An error in a cell names it, and carries the
        table of the finished cells in its attribute `data`.

    Warns
    -----
    UserWarning
        After a keyboard interrupt, which returns the table so far.

    Examples
    --------
    >>> from minidyn.torch import DynamicalCrossEntropyLoss, Myrtle5, Trainer, digits, train_grid
    >>> train, validation = digits(train_size=20)
    >>> def make_trainer(amplitude, period, seed):
    ...     loss = DynamicalCrossEntropyLoss(amplitude, period, num_classes=10)
    ...     return Trainer(Myrtle5(1, width=2, seed=seed), train, loss, validation=validation, batch_size=20)
    >>> data = train_grid(make_trainer, amplitudes=[1, 5], periods=[2, 4], seeds=[0], steps=8, progress=False)
    >>> dict(data.sizes)
    {'amplitude': 2, 'period': 2, 'seed': 1}
    """
    axes: dict[str, list[Any]] = {
        "amplitude": [check.real("amplitudes", value, least=1) for value in amplitudes],
        "period": [check.integer("periods", value, least=1) for value in periods],
        "seed": [check.integer("seeds", value, least=0) for value in seeds],
    }
    for name, values in axes.items():
        if not values or len(set(values)) < len(values):
            raise ValueError(f"{name}s must hold at least one value, and different ones, got {values!r:.80}")
    grid = _Grid(
        make_trainer=make_trainer,
        axes=axes,
        steps=check.integer("steps", steps, least=1),
        folder=None if store is None else Path(store),
        checkpoint_every=check.integer("checkpoint_every", checkpoint_every, least=1),
    )
    workers, on_error = check.integer("workers", workers, least=1), check.choice("on_error", on_error, ON_ERROR)
    if grid.folder is not None:
        storage.check_writable("store", grid.folder / "run.pt")
    runs = list(dict.fromkeys(grid.cells))
    with _progress.bar(len(runs), "training a grid", "runs", shown=progress) as bar:
        results, chunks = Results(len(runs), grid.table), [[number] for number in range(len(runs))]
        return collect(results, grid.train, chunks, workers=workers, on_error=on_error, bar=bar)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Grid:
    """A checked grid, which trains its runs by their numbers."""

    make_trainer: Callable[[float, int, int], Trainer]
    axes: dict[str, list[Any]]
    steps: int
    folder: Path | None
    checkpoint_every: int
    home: int = field(default_factory=os.getpid)

    @property
    def cells(self) -> list[Cell]:
        """In the order of the grid; the period of amplitude 1 is None, since it makes no difference."""
        return [(a, None if a == 1 else t, seed) for a, t, seed in product(*self.axes.values())]

    def train(self, numbers: list[int]) -> Chunk:
        """How one run ends, trained or read from its checkpoint."""
        [number], chunk = numbers, Chunk()
        amplitude, period, seed = list(dict.fromkeys(self.cells))[number]
        try:
            row = self._end(amplitude, period, seed)
            if row is None:
                chunk.interrupted = True
            else:
                chunk.rows[number] = row
        except Exception as error:
            cell = f"amplitude={amplitude!r}, period={period!r}, seed={seed!r}"
            chunk.errors[number] = portable(error, home=self.home, cell=cell)
        return chunk

    def _end(self, amplitude: float, period: int | None, seed: int) -> Row | None:
        """The last entry of a run's record, and the sharpness there; None if the run was interrupted."""
        trainer = self.make_trainer(amplitude, period or self.axes["period"][0], seed)
        if not isinstance(trainer, Trainer):
            raise TypeError(f"make_trainer must return a Trainer, got {trainer!r:.80}")
        path = self._checkpoint(amplitude, period, seed)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "interrupted")  # this is told by who called
            history = trainer.run(self.steps, store=path, checkpoint_every=self.checkpoint_every, progress=False)
        if trainer.done > self.steps:
            raise ValueError(f"store: the run in {str(path)!r} has {trainer.done} updates, steps is {self.steps}")
        if trainer.status == "interrupted":
            return None
        last = history.isel(step=-1)
        row: Row = {name: float(last[name]) for name in SERIES if name in last}
        return row | {"sharpness": _sharpness(trainer) if np.isfinite(row["static_loss"]) else np.nan}

    def _checkpoint(self, amplitude: float, period: int | None, seed: int) -> Path | None:
        turns = "" if period is None else f"-T{period}"
        return None if self.folder is None else self.folder / f"A{short(amplitude)}{turns}-seed{seed}.pt"

    def table(self, rows: Mapping[int, Row], errors: Mapping[int, str] | None) -> xr.Dataset:
        """The ends of the runs over the grid, NaN for those that are missing."""
        cells, shape = self.cells, [len(values) for values in self.axes.values()]
        numbers = {cell: number for number, cell in enumerate(dict.fromkeys(cells))}
        index = [numbers[cell] for cell in cells]
        table = xr.Dataset(coords=self.axes, attrs=_provenance.provenance("torch"))
        for name in next(iter(rows.values()), (*SERIES[:3], "sharpness")):
            values = [rows[n][name] if n in rows else np.nan for n in index]
            table[name] = tuple(self.axes), np.reshape(values, shape)
        if errors is not None:
            table["error"] = tuple(self.axes), np.reshape([errors.get(n, "") for n in index], shape)
        return table


def _sharpness(trainer: Trainer) -> float:
    batches = [trainer.train.samples(slice(k, k + 1000)) for k in range(0, len(trainer.train), 1000)]
    trainer.model.eval()
    return float(top_eigenvalues(trainer.model, batches, trainer.loss.eval(), tolerance=1e-2).values[0])
