"""Many runs at once: a grid of settings, trained in parallel, resumable, as one labelled table of results.

Each cell of the grid is one run of `train`, which nothing outside its settings touches: results do not depend
on workers, chunks or order. Cells that differ only in the period of an amplitude of 1 are the same run, and are
run once.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from minidyn import _checks as check
from minidyn import _progress, storage
from minidyn.curvature import hessian_eigenvalues
from minidyn.losses import CrossEntropy, Loss, SquaredError
from minidyn.mlp import MLP
from minidyn.model import flatten
from minidyn.oscillation import Oscillation
from minidyn.task import Task, spiral
from minidyn.training import train
from minidyn.training.measures import as_measures
from minidyn.training.record import RESERVED, SERIES
from minidyn.training.settings import Settings

LOSSES: dict[str, Callable[[Oscillation | None], Loss]] = {
    "cross_entropy": CrossEntropy,
    "mse_sample": lambda gamma: SquaredError(gamma, weighting="sample"),
    "mse_output": lambda gamma: SquaredError(gamma, weighting="output"),
}
TORCH = ("torch", "torch32")  # engines that train many networks at once
ENGINES = ("auto", "numpy", "compiled", *TORCH)
CHUNK = 8  # cells that are run, and written, together
LAUNCH = 1024  # the same on the torch engines
UNSEEN = 1000  # a validation task made by a function has the data seed of its cell plus this

TaskMaker = Callable[..., Task]


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
        A folder for finished chunks of 8 cells, or of 1024 on the torch engines. A sweep that was stopped goes on from
        there when it is called again; damaged chunks are run again. A store of other settings is refused.
    workers : int, optional
        Processes; default: one a core, and one for the torch engines. Inside
        `joblib.parallel_config(backend="dask")` the workers are the cluster's, and `store` must be a folder that all
        of them see.
    engine : {"auto", "numpy", "compiled", "torch", "torch32"}
        The first three as for `train`. "torch" trains thousands of networks at once, in float64, and "torch32" in
        float32, which agrees in distribution where runs are chaotic; both need PyTorch. They are for a GPU: on a
        processor "compiled" is faster.
    device : str, optional
        Of the torch engines, such as "cpu" or "cuda"; default: a GPU where PyTorch finds one. What a run measures
        besides "loss", "static_loss", "accuracy" and "validation_accuracy" is computed on the processor, and so is
        what the table holds of its end, in float64.
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
        Where a torch engine is asked for and PyTorch is missing.

    Examples
    --------
    >>> import minidyn as md
    >>> data = md.sweep({"amplitude": [1, 5], "period": [10], "seed": [0, 1]}, steps=20, workers=1)
    >>> dict(data.sizes)
    {'amplitude': 2, 'period': 1, 'seed': 2}
    """
    plan = _Plan.checked(grid, steps, task, loss, learning_rate, rest, validation, measure, engine, device)
    default = 1 if plan.on_torch else joblib.cpu_count()
    workers = default if workers is None else check.integer("workers", workers, least=1)
    chunks = plan.chunks()
    folder = None if store is None else _open_store(Path(store), plan.settings())
    found: dict[int, xr.Dataset] = {}
    for number in range(len(chunks)):
        if folder is not None and (kept := _read_chunk(folder, number)) is not None:
            found[number] = kept
    with _progress.bar(len(plan.runs), "sweeping", "runs", shown=progress) as bar:
        bar.update(sum(len(chunks[number]) for number in found))
        todo = [number for number in range(len(chunks)) if number not in found]
        jobs = (joblib.delayed(_run_chunk)(plan, chunks[number], number, folder) for number in todo)
        for number, results in joblib.Parallel(workers, return_as="generator_unordered")(jobs):
            found[number] = results
            bar.update(len(chunks[number]))
    runs = xr.concat([found[number] for number in sorted(found)], "run")
    return plan.table(runs.sortby("run"))


@dataclass(frozen=True)
class _Plan:
    """A checked sweep: the grid's axes, and what all cells share."""

    grid: dict[str, list[Any]]
    steps: int
    rest: int
    defaults: dict[str, Any]
    tasks: dict[tuple[float, int], Task]
    unseen: dict[tuple[float, int], Task | None]
    measure: dict[str, Any]
    engine: str
    device: str | None

    @classmethod
    def checked(
        cls,
        grid: Any,
        steps: Any,
        task: Any,
        loss: Any,
        learning_rate: Any,
        rest: Any,
        validation: Any,
        measure: Any,
        engine: Any,
        device: Any,
    ) -> _Plan:
        axes = _check_grid(grid)
        defaults = {"amplitude": 1.0, "period": None, "width": 100, "noise": 0.2, "seed": 0, "data_seed": 0}
        defaults |= {"loss": _CHECKS["loss"](loss), "learning_rate": _CHECKS["learning_rate"](learning_rate)}
        if "period" not in axes and max(axes.get("amplitude", [1.0])) > 1:
            raise ValueError("grid must name the period where an amplitude exceeds 1, got none")
        steps = check.integer("steps", steps, least=1)
        keys = list(product(axes.get("noise", [0.2]), axes.get("data_seed", [0])))
        engine = _resolve(check.choice("engine", engine, ENGINES))
        return cls(
            grid=axes,
            steps=steps,
            rest=check.integer("rest", rest, least=0, most=steps),
            defaults=defaults,
            tasks={key: _make_task("task", task, *key) for key in keys},
            unseen={key: validation and _make_task("validation", validation, key[0], key[1] + UNSEEN) for key in keys},
            measure=_check_measure(measure, validation),
            engine=engine,
            device=_check_device(device, engine),
        )

    @property
    def on_torch(self) -> bool:
        return self.engine in TORCH

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The settings of every cell, in the order of the grid; those that make no difference are None."""
        cells = [self.defaults | dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]
        return [cell | ({"period": None} if cell["amplitude"] == 1 else {}) for cell in cells]

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The different cells, the slowest first."""
        different = {json.dumps(cell, sort_keys=True): cell for cell in self.cells}
        return sorted(different.values(), key=lambda cell: -cell["width"])

    @property
    def chunk(self) -> int:
        return LAUNCH if self.on_torch else CHUNK

    def chunks(self) -> list[list[dict[str, Any]]]:
        runs = self.runs
        return [runs[first : first + self.chunk] for first in range(0, len(runs), self.chunk)]

    def settings(self) -> dict[str, Any]:
        """All that the results depend on, for the store."""
        return {
            "grid": self.grid,
            "steps": self.steps,
            "rest": self.rest,
            **self.defaults,
            "data": {f"noise {n:g}, data_seed {s}": _digest(task) for (n, s), task in self.tasks.items()},
            "validation": {f"noise {n:g}, data_seed {s}": _digest(task) for (n, s), task in self.unseen.items()},
            "measure": {name: wish if isinstance(wish, int) else wish[0] for name, wish in self.measure.items()},
            "engine": self.engine,
        }

    def run(self, cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """How the runs of some cells end, and their histories."""
        return self._run_together(cells) if self.on_torch else [self._run_alone(cell) for cell in cells]

    def _run_alone(self, cell: Mapping[str, Any]) -> dict[str, Any]:
        net, task, unseen, loss = self._problem(cell)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # divergence is recorded
            run = train(
                net,
                net.init(cell["seed"]),
                task,
                loss,
                learning_rate=cell["learning_rate"],
                steps=self.steps,
                measure=self._train_measures(unseen),
                engine=self.engine,
                progress=False,
            )
        found = self._ending(cell, run.params, run.status == "diverged", run.history.sizes["step"] - 1)
        return found | {f"{name}_history": self._history(run.history, name) for name in self.measure}

    def _run_together(self, cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        from minidyn.ensembles.torch import descend_together

        assert self.device is not None
        own = as_measures({name: wish for name, wish in self.measure.items() if name not in SERIES})
        kept = {name: every for name, every in self.measure.items() if name in SERIES}
        runs, starts = [], []
        for cell in cells:
            net, task, unseen, loss = self._problem(cell)
            runs.append(
                Settings(
                    net=net, task=task, loss=loss, learning_rate=cell["learning_rate"], validation=unseen, measures=own
                )
            )
            starts.append(flatten(net, net.init(cell["seed"]), task.x)[0])
        endings = descend_together(runs, starts, self.steps, kept, engine=self.engine, device=self.device)
        found = []
        for cell, run, end in zip(cells, runs, endings, strict=True):
            found.append(self._ending(cell, run.unflatten(end.vector), end.diverged, end.updates))
            found[-1] |= {f"{name}_history": end.histories[name] for name in self.measure}
        return found

    def _problem(self, cell: Mapping[str, Any]) -> tuple[MLP, Task, Task | None, Loss]:
        key = cell["noise"], cell["data_seed"]
        task = self.tasks[key]
        gamma = None
        if cell["amplitude"] > 1:
            gamma = Oscillation(cell["amplitude"], cell["period"], task.classes, rest_from=self.steps - self.rest)
        return MLP(task.x.shape[1], cell["width"], task.classes), task, self.unseen[key], LOSSES[cell["loss"]](gamma)

    def _ending(self, cell: Mapping[str, Any], params: Any, diverged: bool, updates: int) -> dict[str, Any]:
        net, task, unseen, _ = self._problem(cell)
        static = LOSSES[cell["loss"]](None)
        found: dict[str, Any] = {"static_loss": float(static.value(net.logits(params, task.x), task.labels))}
        found["accuracy"] = _accuracy(net, params, task)
        if unseen is not None:
            found["validation_accuracy"] = _accuracy(net, params, unseen)
        found["sharpness"] = np.nan
        if not diverged:
            found["sharpness"] = float(hessian_eigenvalues(net, params, task, static).values[0])
        return found | {"diverged": diverged, "updates": updates}

    def _train_measures(self, unseen: Task | None) -> dict[str, Any]:
        wishes = {name: wish for name, wish in self.measure.items() if name not in SERIES}
        if "validation_accuracy" in self.measure:
            every = self.measure["validation_accuracy"]
            wishes["on_unseen"] = (every, lambda net, params, task, loss, step: _accuracy(net, params, unseen))
        return wishes

    def history_steps(self, name: str) -> NDArray:
        wish = self.measure[name]
        return np.arange(0, self.steps + 1, wish if isinstance(wish, int) else wish[0])

    def _history(self, history: xr.Dataset, name: str) -> NDArray:
        """A history at its cadence, NaN where the run did not get to."""
        steps = self.history_steps(name)
        if name in SERIES and name != "validation_accuracy":
            values = history[name].values[steps[steps < history.sizes["step"]]]
        else:
            values = history["on_unseen" if name == "validation_accuracy" else name].values
        found = np.full((len(steps), *values.shape[1:]), np.nan)
        found[: len(values)] = values
        return found

    def table(self, runs: xr.Dataset) -> xr.Dataset:
        """The results of the different runs, laid out over the grid."""
        keys = [json.dumps(cell, sort_keys=True) for cell in self.runs]
        where = {key: number for number, key in enumerate(keys)}
        index = [where[json.dumps(cell, sort_keys=True)] for cell in self.cells]
        shape = [len(values) for values in self.grid.values()]
        found = xr.Dataset(coords=dict(self.grid))
        for name, values in runs.data_vars.items():
            laid_out = values.values[index].reshape(*shape, *values.shape[1:])
            found[name] = ((*self.grid, *values.dims[1:]), laid_out)
        for name in self.measure:
            found = found.assign_coords({f"{name}_step": self.history_steps(name)})
        found.attrs = {
            "settings": json.dumps(self.settings()),
            "minidyn": metadata.version("minidyn"),
            "numpy": np.__version__,
            "engine": self.engine,
            **({"device": self.device} if self.device else {}),
        }
        return found


def _run_chunk(plan: _Plan, cells: list[dict[str, Any]], number: int, folder: Path | None) -> tuple[int, xr.Dataset]:
    """Run some cells, in a worker, and keep them where there is a store."""
    with threadpool_limits(1, "blas"):  # the same sums in every worker, and no more threads than workers
        results = plan.run(cells)
    found = xr.Dataset(coords={"run": number * plan.chunk + np.arange(len(cells))})
    for name in results[0]:
        values = np.stack([np.asarray(result[name]) for result in results])
        inner = [f"{name.removesuffix('_history')}_step", *(f"{name}_axis{n}" for n in range(values.ndim - 2))]
        found[name] = (("run", *inner[: values.ndim - 1]), values)
    if folder is not None:
        storage.write(_chunk_path(folder, number), found, {}, {"chunk": number})
    return number, found


def _open_store(folder: Path, settings: dict[str, Any]) -> Path:
    """The folder, which holds results of these settings or none yet."""
    folder = folder.resolve()
    path, settings = folder / "settings.json", json.loads(json.dumps(settings))
    if path.exists():
        kept = json.loads(path.read_text())
        different = [name for name in {**kept, **settings} if kept.get(name) != settings.get(name)]
        if different:
            shown = "; ".join(f"{name}: {kept.get(name)!r} there, {settings.get(name)!r} now" for name in different)
            raise ValueError(f"store {str(folder)!r} holds a sweep with other settings: {shown}")
        return folder
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"store {str(folder)!r} must be a new or empty folder, or one that a sweep made")
    folder.mkdir(parents=True, exist_ok=True)
    storage.atomically(path, lambda part: part.write_text(json.dumps(settings, indent=1)))
    return folder


def _read_chunk(folder: Path, number: int) -> xr.Dataset | None:
    """A finished chunk, or None where it is missing or damaged."""
    try:
        return storage.read(_chunk_path(folder, number))[0]
    except (FileNotFoundError, ValueError):
        return None


def _chunk_path(folder: Path, number: int) -> Path:
    return folder / f"chunk-{number:05d}.nc"


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "amplitude": lambda value: check.real("amplitude", value, least=1),
    "period": lambda value: check.integer("period", value, least=1),
    "width": lambda value: check.integer("width", value, least=1),
    "learning_rate": lambda value: check.real("learning_rate", value, above=0),
    "noise": lambda value: check.real("noise", value, least=0),
    "loss": lambda value: check.choice("loss", value, tuple(LOSSES)),
    "seed": lambda value: check.integer("seed", value, least=0, most=2**32 - 1),
    "data_seed": lambda value: check.integer("data_seed", value, least=0, most=2**32 - 1 - UNSEEN),
}


def _check_grid(grid: Any) -> dict[str, list[Any]]:
    if not isinstance(grid, Mapping) or not grid:
        raise TypeError(f"grid must map names to lists of values, got {grid!r:.80}")
    axes = {}
    for name, values in grid.items():
        check.choice("grid", name, tuple(_CHECKS))
        if isinstance(values, str) or not np.iterable(values) or not len(list(values)):
            raise ValueError(f"grid[{name!r}] must be a list of at least one value, got {values!r:.80}")
        axes[name] = [_CHECKS[name](value) for value in values]
        if len(set(axes[name])) < len(axes[name]):
            raise ValueError(f"grid[{name!r}] must hold different values, got {values!r:.80}")
    return axes


def _make_task(name: str, task: Any, noise: float, data_seed: int) -> Task:
    made = task if isinstance(task, Task) or not callable(task) else task(noise=noise, seed=data_seed)
    if not isinstance(made, Task):
        raise TypeError(f"{name} must be a Task or a function of (noise, seed) that returns one, got {made!r:.80}")
    return made


def _check_measure(measure: Any, validation: Any) -> dict[str, Any]:
    if not isinstance(measure, Mapping | None):
        raise TypeError(f"measure must map names to cadences, got {measure!r:.80}")
    for name, wish in (measure or {}).items():
        if name in RESERVED and name not in SERIES:
            raise ValueError(f"measure must not name {name!r}")
        if name in SERIES:
            check.integer(f"measure[{name!r}]", wish, least=1)
    if "validation_accuracy" in (measure or {}) and validation is None:
        raise ValueError("measure names 'validation_accuracy', but validation is None")
    return dict(measure or {})


def _resolve(engine: str) -> str:
    if engine == "auto":
        return "compiled" if find_spec("numba") else "numpy"
    return engine


def _check_device(device: Any, engine: str) -> str | None:
    if engine in TORCH:
        from minidyn.ensembles.torch import check_device

        return check_device(device, engine)
    if device is not None:
        raise ValueError(f"device must be None for engine {engine!r}, which has none, got {device!r}")
    return None


def _accuracy(net: MLP, params: Any, task: Any) -> float:
    return float((net.logits(params, task.x).argmax(axis=1) == task.labels).mean())


def _digest(task: Task | None) -> str | None:
    return None if task is None else sha256(task.x.tobytes() + task.labels.tobytes()).hexdigest()[:16]
