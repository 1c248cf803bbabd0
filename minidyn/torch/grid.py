"""A grid of training runs over amplitude, period and seed: resumable, and one labelled table of how they end."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import xarray as xr

from minidyn import _checks as check
from minidyn import _progress
from minidyn.torch.curvature import top_eigenvalues
from minidyn.torch.training import SERIES, Trainer

Cell = tuple[float, int | None, int]  # amplitude, period, seed


def train_grid(
    make_trainer: Callable[[float, int, int], Trainer],
    *,
    amplitudes: Sequence[float],
    periods: Sequence[int],
    seeds: Sequence[int],
    steps: int,
    checkpoints: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 500,
    workers: int = 1,
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
        Updates a run.
    checkpoints : path-like, optional
        A folder with a checkpoint a run: a grid that was stopped goes on where it was when it is called again.
    checkpoint_every : int
        Updates between two checkpoints of a run.
    workers : int
        Processes. On one GPU one is best.
    progress : bool
        Show a progress bar where it takes longer than a second.

    Returns
    -------
    xarray.Dataset
        Over (amplitude, period, seed): the last entry of each run's record (loss, static_loss, accuracy and, with
        validation images, validation_loss and validation_accuracy), and sharpness, the largest Hessian eigenvalue
        of the static loss on the training images; NaN where a run diverged.

    Raises
    ------
    TypeError, ValueError
        Where an argument is out of range, or a checkpoint is of another run.

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
    check.integer("steps", steps, least=1)
    cells = [(a, None if a == 1 else t, seed) for a, t, seed in product(*axes.values())]
    runs = list(dict.fromkeys(cells))
    folder = None if checkpoints is None else Path(checkpoints)
    jobs = (joblib.delayed(_end)(make_trainer, run, axes["period"][0], steps, folder, checkpoint_every) for run in runs)
    with _progress.bar(len(runs), "training a grid", "runs", shown=progress) as bar:
        ends = {}
        for run, end in zip(runs, joblib.Parallel(workers, return_as="generator")(jobs), strict=True):
            ends[run] = end
            bar.update(1)
    shape = [len(values) for values in axes.values()]
    columns = {name: np.reshape([ends[cell][name] for cell in cells], shape) for name in ends[runs[0]]}
    return xr.Dataset({name: (tuple(axes), values) for name, values in columns.items()}, axes)


def _end(
    make_trainer: Callable[..., Trainer], run: Cell, any_period: int, steps: int, folder: Path | None, every: int
) -> dict[str, float]:
    """How one run ends, trained or found in its checkpoint."""
    amplitude, period, seed = run
    trainer = make_trainer(amplitude, period or any_period, seed)
    name = f"A{amplitude:g}-seed{seed}.pt" if period is None else f"A{amplitude:g}-T{period}-seed{seed}.pt"
    checkpoint = folder and folder / name
    last = trainer.run(steps, checkpoint=checkpoint, checkpoint_every=every, progress=False).isel(step=-1)
    if trainer.done > steps:
        raise ValueError(f"checkpoints: the run in {str(checkpoint)!r} has {trainer.done} updates, steps is {steps}")
    found = {name: float(last[name]) for name in SERIES if name in last}
    found["sharpness"] = np.nan
    if np.isfinite(found["static_loss"]):
        found["sharpness"] = _sharpness(trainer)
    return found


def _sharpness(trainer: Trainer) -> float:
    images: Any = (trainer.train.x, trainer.train.labels)
    batches = list(zip(*(part.split(1000) for part in images), strict=True))
    trainer.model.eval()
    return float(top_eigenvalues(trainer.model, batches, trainer.loss.eval(), tolerance=1e-2).values[0])
