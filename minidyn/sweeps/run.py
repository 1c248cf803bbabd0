"""`sweep`: train a network in every cell of a grid, on all cores, and lay the results out over the grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import xarray as xr
from threadpoolctl import threadpool_limits

from minidyn import _checks as check
from minidyn import _progress, ensembles
from minidyn.ensembles import EnsembleEngine
from minidyn.sweeps.datasets import TaskMaker
from minidyn.sweeps.plan import Plan
from minidyn.sweeps.store import Store
from minidyn.sweeps.table import columns, of_runs, over_grid
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
    store: str | Path | None = None,
    workers: int | None = None,
    engine: str = "auto",
    device: str | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Train a network in every cell of a grid, and keep how each run ends.

    Parameters
    ----------
    grid : mapping
        Lists of values under "amplitude", "period", "width" (hidden units), "learning_rate", "noise", "loss",
        "seed" (initialisation) and "data_seed". What is not in the grid is: amplitude 1, width 100, noise 0.2,
        seed 0, data_seed 0, and the arguments below.
    steps : int
        Updates a run.
    task : Task or callable
        The data: a Task, or a function of (noise, seed=data_seed), called by keyword.
    loss : {"cross_entropy", "mse_sample", "mse_output"}
        Dynamical where the amplitude exceeds 1.
    learning_rate : float
        η.
    rest : int
        The last steps of each run with Γ = 1.
    validation : Task or callable, optional
        Unseen data: a Task, or a function as for `task`, called with data_seed + 1000.
    measure : mapping, optional
        Histories to keep, as for `train`, and also "loss", "static_loss", "accuracy" and "validation_accuracy"
        by cadence; each becomes "<name>_history" over "<name>_step". NaN after a run diverged.
    store : path-like, optional
        A folder for finished chunks of 8 cells, or of 1024 on the torch and 4096 on the CUDA engines. A sweep that was
        stopped goes on from there when it is called again, with engine="auto" by the engine that it was begun with;
        damaged chunks are run again. A store of other settings, or of another engine, is refused.
    workers : int, optional
        Processes; default: one a core, and one for the torch engines. Inside
        `joblib.parallel_config(backend="dask")` the workers are the cluster's, and `store` must be a folder that all
        of them see.
    engine : {"auto", "numpy", "compiled", "torch", "torch32", "cuda", "cuda32"}
        "numpy" and "compiled" as for `train`. "torch" trains thousands of networks at once, in float64, and "torch32"
        in float32, which agrees in distribution where runs are chaotic; both need PyTorch. They are for a GPU: on a
        processor "compiled" is faster. "cuda" and "cuda32" make many updates per launch on an NVIDIA GPU; they need
        numba-cuda and PyTorch, and leave what does not fit a thread block to the torch engines, with a warning.
        "auto" takes "cuda" if there is a GPU and the sweep is large (4 million updates over all runs, 256 runs), and
        says so; else the processor.
    device : str, optional
        Of the torch and the CUDA engines, such as "cpu" or "cuda"; default: a GPU if there is one. What a run measures
        besides "loss", "static_loss", "accuracy" and "validation_accuracy" is computed on the processor; what the
        table holds of its end is computed on the device, in float64.
    progress : bool
        Show a progress bar where it takes longer than a second.

    Returns
    -------
    xarray.Dataset
        Over exactly the grid's dimensions: static_loss, accuracy, validation_accuracy (with validation
        data), sharpness (largest Hessian eigenvalue of the static loss), diverged, and updates (made before the
        run ended or diverged). A diverged run keeps its last finite entry; its sharpness is NaN.

    Raises
    ------
    TypeError, ValueError
        Where an argument is out of range, or the store holds other settings.
    ImportError
        If a torch engine is asked for and PyTorch is missing, or a CUDA engine and numba-cuda is missing or too old.

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
    if engine == "auto":
        plan = plan.with_engine(_best_engine(plan, None if store is None else Store.engine_in(Path(store))))
    if plan.engine.device is not None and engine == "auto":
        _progress.say(f"sweeping on {plan.engine.device} with engine {plan.engine.name!r}", shown=progress)
    workers = plan.engine.workers if workers is None else check.integer("workers", workers, least=1)
    folder = None if store is None else Store(Path(store), plan.settings())
    return over_grid(plan, _run_all(plan, folder, workers, progress))


def _best_engine(plan: Plan, begun_with: str | None) -> EnsembleEngine:
    """A GPU if the sweep is large enough; for a store, the engine that it was begun with: engines are not mixed."""
    if begun_with is not None:
        return ensembles.choose(begun_with)
    members = [plan.member(cell) for cell in plan.runs]
    return ensembles.gpu_engine(members, plan.steps) or plan.engine


def _run_all(plan: Plan, store: Store | None, workers: int, progress: bool) -> xr.Dataset:
    """The results of all runs: those in the store, and then the others."""
    chunks = plan.chunks()
    results = {n: stored for n in range(len(chunks)) if store and (stored := store.read(n)) is not None}
    with _progress.bar(len(plan.runs), "sweeping", "runs", shown=progress) as bar:
        bar.update(sum(len(chunks[number]) for number in results))
        jobs = (joblib.delayed(_run_chunk)(plan, n, store) for n in range(len(chunks)) if n not in results)
        for number, table in joblib.Parallel(workers, return_as="generator_unordered")(jobs):
            results[number] = table
            bar.update(len(chunks[number]))
    return xr.concat(results.values(), "run").sortby("run")


def _run_chunk(plan: Plan, number: int, store: Store | None) -> tuple[int, xr.Dataset]:
    """Train a chunk of the runs, in a worker, and keep the results where there is a store."""
    numbers = plan.chunks()[number]
    with threadpool_limits(1, "blas"):  # the same sums in every worker, and no more threads than workers
        ensemble = plan.ensemble(numbers)
        results = list(plan.engine.train(ensemble))
        rows = [columns(*run) for run in zip(results, plan.engine.final_values(ensemble, results), strict=True)]
    table = of_runs(numbers, rows)
    if store is not None:
        store.write(number, table)
    return number, table
