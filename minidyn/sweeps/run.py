"""`sweep`: train a network in every cell of a grid, on all cores, and lay the results out over the grid."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import xarray as xr

from minidyn import _checks as check
from minidyn import _progress, ensembles
from minidyn.ensembles import EnsembleEngine
from minidyn.sweeps.collect import Results, collect
from minidyn.sweeps.datasets import TaskMaker
from minidyn.sweeps.plan import Plan
from minidyn.sweeps.store import Store, StoredRuns
from minidyn.sweeps.table import over_grid
from minidyn.sweeps.worker import Worker
from minidyn.task import Task, spiral


def sweep(
    grid: Mapping[str, Sequence[Any]],
    *,
    steps: int,
    task: Task | TaskMaker = spiral,
    loss: str = "cross_entropy",
    learning_rate: float = 1.0,
    rest: int = 0,
    validation: Task | TaskMaker | None = None,
    measure: Mapping[str, Any] | None = None,
    store: str | os.PathLike[str] | Store | None = None,
    workers: int | None = None,
    engine: str = "auto",
    device: str | None = None,
    on_error: str = "raise",
    progress: bool = True,
) -> xr.Dataset:
    """Train a network in every cell of a grid, and keep how each run ends.

    Parameters
    ----------
    grid : mapping
        Lists of values under "amplitude", "period", "width" (hidden units), "activation", "learning_rate", "noise",
        "loss", "seed" (initialisation) and "data_seed". What is not in the grid is: amplitude 1, width 100, activation
        "relu", noise 0.2, seed 0, data_seed 0, and the arguments below.
    steps : int
        Number of updates per run.
    task : Task or callable
        The data: a Task, or a function of (noise, seed=data_seed), called by keyword.
    loss : {"cross_entropy", "mse_sample", "mse_output"}
        Dynamical where the amplitude exceeds 1.
    learning_rate : float
        η.
    rest : int
        Number of updates at the end of each run with Γ = 1.
    validation : Task or callable, optional
        Data that is not trained on: a Task, or a function as for `task`, called with data_seed + 1000.
    measure : mapping, optional
        Histories to keep, as for `train`, and also "loss", "static_loss", "accuracy" and "validation_accuracy"
        by cadence; each becomes "<name>_history" over "<name>_step". NaN after a run diverged.
    store : path-like, optional
        A folder for finished runs, which are written in chunks that take seconds: at most 8 runs, and no further one
        after 3 seconds; or at most 1024 on the torch and 4096 on the CUDA engines. A sweep that was stopped goes on
        from there when it is called again, with engine="auto" by the engine that it was begun with; damaged chunks are
        run again. A store answers only for exactly what it was made with, data, own measures and engine included; a
        store of other settings is refused. `minidyn.sweeps.Store` accepts named differences.
    workers : int, optional
        Number of processes. Default: one per core, and one for the torch and CUDA engines. Inside
        `joblib.parallel_config(backend="dask")` the workers are the cluster's, and `store` must be a folder that all
        of them see.
    engine : {"auto", "numpy", "compiled", "torch", "torch32", "cuda", "cuda32"}
        "numpy" and "compiled" as for `train`. "torch" trains thousands of networks at once, in float64, and "torch32"
        in float32, which agrees in distribution where runs are chaotic; both need PyTorch. They are for a GPU: on a
        processor "compiled" is faster. "cuda" and "cuda32" make many updates per launch on an NVIDIA GPU; they need
        numba-cuda and PyTorch, and leave what does not fit a thread block to the torch engines, with a warning. "numpy"
        computes all activations, "compiled" those of "relu" and "tanh", the others "relu" alone.
        "auto" takes "cuda" if there is a GPU and the sweep is large (4 million updates over all runs, 256 runs), and
        says so; else the processor, with "numpy" for all runs if "compiled" cannot compute an activation of the grid.
    device : str, optional
        Of the torch and the CUDA engines, such as "cpu" or "cuda"; default: a GPU if there is one. What a run measures
        besides "loss", "static_loss", "accuracy" and "validation_accuracy" is computed on the processor; what the
        table holds of its end is computed on the device, in float64.
    on_error : {"raise", "record"}
        What to do if a cell fails, in a measure of your own, say. "raise": stop, and raise the error with a note that
        names the cell. "record": go on; the failed cells are NaN, and the variable "error" of the table says why.
        A failed cell is not kept in the store: it is run again when the sweep is called again.
    progress : bool
        Show a progress bar: from the start if the sweep takes more than seconds, or else once it has taken one.

    Returns
    -------
    xarray.Dataset
        Over exactly the grid's dimensions: static_loss, accuracy, validation_accuracy (with validation
        data), sharpness (largest Hessian eigenvalue of the static loss), diverged, and updates (made before the
        run ended or diverged). A diverged run keeps its last finite entry; its sharpness is NaN.
        With on_error="record", or after a keyboard interrupt, also error: empty for the cells that are finished, whose
        results the others do not change. If no cell is finished, all numbers are NaN and there are no histories.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, an axis of the grid can make no difference, or the store holds other settings.
        All of this is checked before any run starts. An error in a cell, or in a worker, is passed on with the table of
        the finished cells in its attribute `data`.
    ImportError
        If a torch engine is asked for and PyTorch is missing, or a CUDA engine and numba-cuda is missing or too old,
        or engine "compiled" and numba is missing.

    Warns
    -----
    UserWarning
        After a keyboard interrupt, which returns the table so far, with a store or without; and if a store is accepted
        although it differs.

    Examples
    --------
    >>> import minidyn as md
    >>> data = md.sweep({"amplitude": [1, 5], "period": [10], "seed": [0, 1]}, steps=20, workers=1)
    >>> dict(data.sizes)
    {'amplitude': 2, 'period': 1, 'seed': 2}
    """
    plan = Plan(
        grid=grid,
        steps=steps,
        task=task,
        loss=loss,
        learning_rate=learning_rate,
        rest=rest,
        validation=validation,
        measure=measure,
        engine=ensembles.choose(engine, device),
    )
    check.choice("on_error", on_error, ("raise", "record"))
    if store is not None and not isinstance(store, Store):
        store = Store(store)
    if engine == "auto":
        plan = plan.with_engine(_best_engine(plan, None if store is None else store.engine()))
    plan.check_engine()
    if plan.engine.device is not None and engine == "auto":
        _progress.say(f"sweeping on {plan.engine.device} with engine {plan.engine.name!r}", shown=progress)
    workers = plan.engine.workers if workers is None else check.integer("workers", workers, least=1)
    stored = None if store is None else StoredRuns(store, plan)
    results = Results(len(plan.runs), partial(over_grid, plan), dict if stored is None else stored.read)
    already = results.add_stored()
    at_once = plan.takes_seconds(results.missing())
    with _progress.bar(len(plan.runs), "sweeping", "runs", shown=progress, at_once=at_once) as bar:
        bar.update(already)
        worker, chunks = Worker(plan=plan, store=stored), plan.chunks(results.missing())
        return collect(results, worker, chunks, workers=workers, on_error=on_error, bar=bar)


def _best_engine(plan: Plan, begun_with: str | None) -> EnsembleEngine:
    """A GPU if the sweep is large enough; for a store, the engine that it was begun with: engines are not mixed."""
    if begun_with is not None:
        return ensembles.choose(begun_with)
    if not set(plan.activations) <= set(plan.engine.activations):
        return ensembles.choose("numpy")
    members = [plan.member(cell) for cell in plan.runs]
    return ensembles.gpu_engine(members, plan.steps) or plan.engine
