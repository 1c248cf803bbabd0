"""Figure 4 of "Tilting the playing field", the same run from many seeds, and how fast nearby runs separate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import minidyn as md
from minidyn import _progress, orbits
from minidyn.experiments.registry import experiment
from minidyn.experiments.results import book_data
from minidyn.experiments.statistics import format_mean
from minidyn.experiments.tilting.cycles import RATE, bursts, cycle_table

AMPLITUDE = 70
SHORT = {"period": 500, "rest_from": 3000, "steps": 3500}  # seven short turns, in seconds
RUNS = ("given", "permuted", "static")


def figure_four_weights() -> list[tuple[NDArray, NDArray]]:
    """The initial weights behind the published figure 4: W ~ N(0, 1/inputs), b = 0.

    Examples
    --------
    >>> from minidyn.experiments.tilting.instabilities import figure_four_weights
    >>> [weights.shape for weights, biases in figure_four_weights()]
    [(2, 100), (100, 3)]
    """
    with np.load(book_data() / "figure4_initial.npz") as stored:
        return [(stored["W1"], stored["b1"]), (stored["W2"], stored["b2"])]


def _summarise_run(data: xr.Dataset) -> str:
    loss, sharpness = data.loss.astype(float), data.hessian_max
    above = sharpness.hessian_max_step[sharpness > 2 / RATE].values
    table = bursts(loss)
    last = f"last burst at {int(table.start[-1])}..{int(table.end[-1])}" if table.sizes["burst"] else "no burst"
    return (
        f"λ_max first above 2/η at {above[0] if len(above) else 'no step'}; period doubling at "
        f"{orbits.first_period_doubling(loss)}; {last}; accuracy {float(data.accuracy[-1]):.3f}"
    )


@experiment(
    "published-run",
    shows="figure 4 of the paper, from its own initial weights and by its notebook's clock",
    claims=("C3", "C4", "C5"),
    quick={**SHORT, "dwell": None},
    sample={"steps": 5000},
    summary=_summarise_run,
)
def published_run(
    *, period: int = 5000, dwell: int | None = 5001, rest_from: int = 65013, steps: int = 70000
) -> xr.Dataset:
    """The record of the run; NTK eigenvalues of the full kernel, and of the notebook's part of it."""
    return _record(figure_four_weights(), md.Oscillation(AMPLITUDE, period, dwell=dwell, rest_from=rest_from), steps)


@experiment(
    "fresh-seed-run",
    shows="the same run from this library's own initial weights, by the clock of the paper",
    claims=("C3", "C4", "C5"),
    quick=SHORT,
    sample={"steps": 5000},
    summary=_summarise_run,
)
def fresh_seed_run(*, period: int = 5000, rest_from: int = 65000, steps: int = 70000) -> xr.Dataset:
    """The record of the run of seed 0."""
    return _record(md.MLP(2, 100, 3).init(0), md.Oscillation(AMPLITUDE, period, rest_from=rest_from), steps)


def _record(params: Any, gamma: md.Oscillation, steps: int) -> xr.Dataset:
    measure = {"hessian_max": 25, "ntk_max": 101, "ntk_first50": (101, notebook_kernel)}
    history = md.train(
        md.MLP(2, 100, 3),
        params,
        md.spiral(),
        md.CrossEntropy(gamma),
        learning_rate=RATE,
        steps=steps,
        measure=measure,
    ).history
    return history[["loss", "accuracy", *measure]].astype(np.float32)


def notebook_kernel(net: Any, params: Any, task: md.Task, loss: Any, step: int) -> float:
    """The largest eigenvalue of the kernel that the published notebook shows: samples 0..49, averaged over outputs."""
    kernel = md.ntk(net, params, task.x[:50])
    return float(np.linalg.eigvalsh(np.trace(kernel, axis1=1, axis2=3) / task.classes)[-1])


def _summarise_seeds(data: xr.Dataset) -> str:
    dynamical = data.sel(run=["given", "permuted"])
    start = dynamical.burst_start.sel(run="given").min("cycle")
    last = dynamical.burst_start.max("cycle")
    end = data.accuracy.isel(cycle=-1)
    return "\n".join(
        [
            f"first burst {format_mean(start, '.0f')}; last burst {format_mean(last, '.0f')}, the two orders of "
            f"summation {float(np.abs(last.diff('run')).mean()):.0f} apart on average (n={int(start.count())})",
            *(f"final accuracy, {run}: {format_mean(end.sel(run=run), '.3f')}" for run in data.run.values),
        ]
    )


@experiment(
    "many-seeds",
    shows="events of every cycle from many seeds, in two orders of summation, and under the static loss",
    claims=("C3", "C4", "C5", "C6"),
    quick={"seeds": range(2), **SHORT},
    sample={"seeds": range(2)},
    summary=_summarise_seeds,
)
def many_seeds(
    *, seeds: Sequence[int] = range(16), period: int = 5000, rest_from: int = 65000, steps: int = 70000
) -> xr.Dataset:
    """What happens in each cycle of each run.

    Over "seed", "run" ("given" and "permuted": the same mathematics, with the samples added up in two orders;
    "static": A = 1) and "cycle": see `cycle_table`. Of "given" alone, sharpness and loss every 25 updates. And
    "parting": log10 of the distance between the weights of the two orders, relative to their norm.
    """
    gamma = md.Oscillation(AMPLITUDE, period, rest_from=rest_from)
    with _progress.bar(len(seeds) * len(RUNS), "many-seeds", "runs") as bar:
        tables = [_one_seed(seed, gamma, steps, bar.update) for seed in seeds]
    table = xr.concat(tables, xr.IndexVariable("seed", list(seeds)))
    return table.astype(dict.fromkeys(table.data_vars, np.float32))


def _one_seed(seed: int, gamma: md.Oscillation, steps: int, tick: Callable[[], Any]) -> xr.Dataset:
    task = md.spiral()
    order = np.random.RandomState(0).permutation(len(task))
    permuted = md.Task(task.x[order], task.labels[order], task.classes)
    problems = ((task, gamma), (permuted, gamma), (task, None))
    histories = {}
    for run, problem in zip(RUNS, problems, strict=True):
        histories[run] = _history(seed, *problem, steps)
        tick()
    tables = [cycle_table(history, gamma.period) for history in histories.values()]
    table = xr.concat(tables, xr.IndexVariable("run", list(RUNS)))
    given = histories["given"]
    table["sharpness"] = given.hessian_max.rename(hessian_max_step="step")
    table["loss"] = given.loss.sel(step=table.step)
    table["parting"] = ("parting_step", _separation(given.params, histories["permuted"].params))
    return table.assign_coords(parting_step=given.params_step.values)


def _history(seed: int, task: md.Task, gamma: md.Oscillation | None, steps: int) -> xr.Dataset:
    net = md.MLP(2, 100, 3)
    return md.train(
        net,
        net.init(seed),
        task,
        md.CrossEntropy(gamma),
        learning_rate=RATE,
        steps=steps,
        validation=md.spiral(seed=1),
        measure={"hessian_max": 25, "ntk_max": 101, "params": 251},
        progress=False,
    ).history


def _separation(first: xr.DataArray, second: xr.DataArray) -> NDArray:
    """log10 of the distance between recorded weights, relative to the norm of the first."""
    distance = np.linalg.norm(second - first, axis=1) / np.linalg.norm(first, axis=1)
    return np.log10(np.maximum(distance, 1e-17))


@experiment(
    "lyapunov-exponents",
    shows="how fast runs near the published run separate, in windows of 250 updates, by two methods",
    claims=("C3",),
    quick={**SHORT, "dwell": None, "distances": (1e-7,)},
    sample={"steps": 5000},
    summary=lambda data: f"largest exponent {float(data.separation.max()):.4f} per update",
)
def lyapunov_exponents(
    *,
    period: int = 5000,
    dwell: int | None = 5001,
    rest_from: int = 65013,
    steps: int = 70000,
    distances: Sequence[float] = (1e-9, 1e-7),
) -> xr.Dataset:
    """Growth rates per update, averaged over windows that begin at "step": of a tangent, and of two distances."""
    gamma = md.Oscillation(AMPLITUDE, period, dwell=dwell, rest_from=rest_from)
    problem = md.MLP(2, 100, 3), figure_four_weights(), md.spiral(), md.CrossEntropy(gamma)
    tangent = orbits.tangent_growth(*problem, learning_rate=RATE, steps=steps)
    separation = [orbits.separation_growth(*problem, learning_rate=RATE, steps=steps, distance=d) for d in distances]
    rates = xr.Dataset({"tangent": tangent, "separation": xr.concat(separation, "distance")})
    rates = rates.assign_coords(distance=list(distances))
    return rates.coarsen(step=250, boundary="trim", coord_func="min").mean().astype(np.float32)
