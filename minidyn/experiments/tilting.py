"""Figure 4 of "Tilting the playing field", the same run from many seeds, and how fast nearby runs part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import minidyn as md
from minidyn import _progress, orbits
from minidyn.experiments.registry import experiment
from minidyn.experiments.results import book_data

RATE = 1.0  # learning rate η
AMPLITUDE = 70
SHORT = {"period": 500, "rest_from": 3000, "steps": 3500}  # seven short turns, in seconds
PAPER = {"period": 5000, "rest_from": 65000, "steps": 70000}  # as the paper says
NOTEBOOK = {"period": 5000, "dwell": 5001, "rest_from": 65013, "steps": 70000}  # as its notebook counts
BURST = 0.01  # swing of F from which reversals are a burst; below, they tremble at the edge of stability
RUNS = ("given", "permuted", "static")


def figure_four_weights() -> list[tuple[NDArray, NDArray]]:
    """The initial weights behind the published figure 4: W ~ N(0, 1/inputs), b = 0.

    Examples
    --------
    >>> from minidyn.experiments.tilting import figure_four_weights
    >>> [weights.shape for weights, biases in figure_four_weights()]
    [(2, 100), (100, 3)]
    """
    with np.load(book_data() / "figure4_initial.npz") as stored:
        return [(stored["W1"], stored["b1"]), (stored["W2"], stored["b2"])]


def _events(data: xr.Dataset) -> str:
    loss, sharpness = data.loss.astype(float), data.hessian_max
    above = sharpness.hessian_max_step[sharpness > 2 / RATE].values
    found = orbits.bursts(loss)
    found = found.where(found.swing > BURST, drop=True)
    last = f"last burst at {int(found.start[-1])}..{int(found.end[-1])}" if found.sizes["burst"] else "no burst"
    return (
        f"λ_max first above 2/η at {above[0] if len(above) else 'no step'}; period doubling at "
        f"{orbits.first_period_doubling(loss)}; {last}; accuracy {float(data.accuracy[-1]):.3f}"
    )


@experiment(
    "published-run",
    shows="figure 4 of the paper, from its own initial weights and by its notebook's clock",
    claims=("C3", "C4", "C5"),
    quick=SHORT,
    full=NOTEBOOK,
    sample={"steps": 5000},
    summary=_events,
)
def published_run(*, period: int, rest_from: int, steps: int, dwell: int | None = None, progress: bool) -> xr.Dataset:
    """The record of the run; NTK eigenvalues of the full kernel, and of the notebook's part of it."""
    gamma = md.Oscillation(AMPLITUDE, period, dwell=dwell, rest_from=rest_from)
    return _record(figure_four_weights(), gamma, steps, progress)


@experiment(
    "fresh-seed-run",
    shows="the same run from this library's own initial weights, by the clock of the paper",
    claims=("C3", "C4", "C5"),
    quick=SHORT,
    full=PAPER,
    sample={"steps": 5000},
    summary=_events,
)
def fresh_seed_run(*, period: int, rest_from: int, steps: int, seed: int = 0, progress: bool) -> xr.Dataset:
    """The record of the run."""
    gamma = md.Oscillation(AMPLITUDE, period, rest_from=rest_from)
    return _record(md.MLP(2, 100, 3).init(seed), gamma, steps, progress)


def _record(params: Any, gamma: md.Oscillation, steps: int, progress: bool) -> xr.Dataset:
    net, task = md.MLP(2, 100, 3), md.spiral()
    measure = {"hessian_max": 25, "ntk_max": 101, "ntk_first50": (101, notebook_kernel)}
    settings: dict[str, Any] = {"learning_rate": RATE, "steps": steps, "measure": measure, "progress": progress}
    history = md.train(net, params, task, md.CrossEntropy(gamma), **settings).history
    return history[["loss", "accuracy", *measure]].astype(np.float32)


def notebook_kernel(net: Any, params: Any, task: md.Task, loss: Any, step: int) -> float:
    """The largest eigenvalue of the kernel that the published notebook shows: samples 0..49, averaged over outputs."""
    kernel = md.ntk(net, params, task.x[:50])
    return float(np.linalg.eigvalsh(np.trace(kernel, axis1=1, axis2=3) / task.classes)[-1])


def _summarise_seeds(data: xr.Dataset) -> str:
    tilted = data.sel(run=["given", "permuted"])
    start = tilted.burst_start.sel(run="given").min("cycle")
    last = tilted.burst_start.max("cycle")
    end = data.accuracy.isel(cycle=-1)
    return "\n".join(
        [
            f"first burst {_spread(start)}; last burst {_spread(last)}, the two orders of summation "
            f"{float(np.abs(last.diff('run')).mean()):.0f} apart on average",
            *(f"final accuracy, {run}: {_spread(end.sel(run=run), 3)}" for run in data.run.values),
        ]
    )


def _spread(values: xr.DataArray, digits: int = 0) -> str:
    return f"{float(values.mean()):.{digits}f}±{float(values.std(ddof=1)):.{digits}f} (n={int(values.count())})"


@experiment(
    "many-seeds",
    shows="events of every cycle from many seeds, in two orders of summation, and under the static loss",
    claims=("C3", "C4", "C5", "C6"),
    quick={"seeds": range(2), **SHORT},
    full={"seeds": range(16), **PAPER},
    sample={"seeds": range(2)},
    summary=_summarise_seeds,
)
def many_seeds(*, seeds: Sequence[int], period: int, rest_from: int, steps: int, progress: bool) -> xr.Dataset:
    """What happens in each cycle of each run.

    Over "seed", "run" ("given" and "permuted": the same mathematics, with the samples added up in two orders;
    "static": A = 1) and "cycle" (from the middle of one turn to the middle of the next, where the valley is
    narrow): see `_cycles`. Of "given" alone, sharpness and loss every 25 updates. And "parting": log10 of the
    distance between the weights of the two orders, relative to their norm.
    """
    with _progress.bar(len(seeds) * len(RUNS), "many-seeds", "runs", shown=progress) as bar:
        each = [_one_seed(seed, period, rest_from, steps, bar.update) for seed in seeds]
    found = xr.concat(each, xr.IndexVariable("seed", list(seeds)))
    return found.astype(dict.fromkeys(found.data_vars, np.float32))


def _one_seed(seed: int, period: int, rest_from: int, steps: int, tick: Any) -> xr.Dataset:
    net, task = md.MLP(2, 100, 3), md.spiral()
    order = np.random.RandomState(0).permutation(len(task))
    permuted = md.Task(task.x[order], task.labels[order], task.classes)
    moving = md.CrossEntropy(md.Oscillation(AMPLITUDE, period, rest_from=rest_from))
    measure = {"hessian_max": 25, "ntk_max": 101, "params": 251}
    histories = {}
    for run, loss in zip(RUNS, (moving, moving, md.CrossEntropy()), strict=True):
        histories[run] = md.train(
            net,
            net.init(seed),
            permuted if run == "permuted" else task,
            loss,
            learning_rate=RATE,
            steps=steps,
            validation=md.spiral(seed=1),
            measure=measure,
            progress=False,
        ).history
        tick()
    found = xr.concat([_cycles(history, period) for history in histories.values()], xr.IndexVariable("run", list(RUNS)))
    given = histories["given"]
    found["sharpness"] = given.hessian_max.rename(hessian_max_step="step")
    found["loss"] = given.loss.sel(step=found.step)
    first, second = given.params, histories["permuted"].params
    apart = np.linalg.norm(second - first, axis=1) / np.linalg.norm(first, axis=1)
    found["parting"] = ("parting_step", np.log10(np.maximum(apart, 1e-17)))
    return found.assign_coords(parting_step=first.params_step.values)


def _cycles(history: xr.Dataset, period: int) -> xr.Dataset:
    """What happens in each cycle, NaN where it does not.

    - sharpness_start, _middle, _end: λ_max of F at the start, the middle and the end of the turn; loss_*: F
    - sharpness_peak, crossing: the greatest λ_max of the cycle, and the first measurement of it above 2/η
    - burst_start, burst_end, burst_reversals, burst_swing: of the cycle's bursts, see `orbits.bursts`
    - sharpness_before: λ_max when last measured before the burst
    - ntk_before, ntk_least: λ_max of the kernel when last measured before the burst, and the least within it
    - accuracy, validation_accuracy, static_loss: at the end of the turn, where Γ = 1
    - first_2, first_4, first_chaos: phase, before the handover, at which the orbit of F has period 2, then 4, then none
      up to 16; what has no period before period 2 was seen is an orbit that changes, not chaos
    """
    rows = [_cycle(history, period, number) for number in range(history.sizes["step"] // period)]
    return xr.Dataset({name: ("cycle", [row[name] for row in rows]) for name in rows[0]}, {"cycle": range(len(rows))})


def _cycle(history: xr.Dataset, period: int, number: int) -> dict[str, float]:
    start, middle, end = number * period, number * period + period // 2, (number + 1) * period
    last = min(end + period // 2, int(history.step[-1])) - 1
    sharpness = history.hessian_max.rename(hessian_max_step="step")
    narrow = sharpness.sel(step=slice(middle, last))
    crossings = narrow.step.values[narrow.values > 2 / RATE]
    loss = history.loss.sel(step=slice(middle, last))
    found = {
        f"{name}_{when}": float(series.sel(step=step, method="nearest"))
        for name, series in (("sharpness", sharpness), ("loss", history.loss))
        for when, step in (("start", start), ("middle", middle), ("end", end))
    }
    at_end = history.sel(step=end)
    return {
        **found,
        "sharpness_peak": float(narrow.max()),
        "crossing": float(crossings[0]) if len(crossings) else np.nan,
        **_burst(history, loss, sharpness),
        **{name: float(at_end[name]) for name in ("accuracy", "validation_accuracy", "static_loss")},
        **_first_periods(loss.sel(step=slice(middle, end - 1))),
    }


def _burst(history: xr.Dataset, loss: xr.DataArray, sharpness: xr.DataArray) -> dict[str, float]:
    names = ("start", "end", "reversals", "swing")
    found = orbits.bursts(loss)
    found = found.where(found.swing > BURST, drop=True)
    if not found.sizes["burst"]:
        absent = [f"burst_{name}" for name in names] + ["sharpness_before", "ntk_before", "ntk_least"]
        return dict.fromkeys(absent, np.nan) | {"burst_reversals": 0.0}
    start, end = int(found.start[0]), int(found.end[-1])
    kernel = history.ntk_max.rename(ntk_max_step="step")
    inside = kernel.sel(step=slice(start, end))
    return {
        "burst_start": start,
        "burst_end": end,
        "burst_reversals": float(found.reversals.sum()),
        "burst_swing": float(found.swing.max()),
        "sharpness_before": float(sharpness.sel(step=start, method="ffill")),
        "ntk_before": float(kernel.sel(step=start, method="ffill")),
        "ntk_least": float(inside.min()) if inside.size else np.nan,
    }


def _first_periods(loss: xr.DataArray) -> dict[str, float]:
    """Phases, in updates after the middle of the turn, at which periods first appear; looked for every 40 updates."""
    steps = loss.step.values[:-64:40]
    periods = np.array([orbits.period(loss, int(step)) for step in steps])
    none_twice = np.append(False, (periods[1:] == 0) & (periods[:-1] == 0))  # a single window may only change within
    doubled = np.maximum.accumulate(periods == 2)
    where = {"first_2": periods == 2, "first_4": doubled & (periods == 4), "first_chaos": doubled & none_twice}
    return {name: float(steps[hit][0] - steps[0]) if hit.any() else np.nan for name, hit in where.items()}


@experiment(
    "lyapunov-exponents",
    shows="how fast runs near the published run part, in windows of 250 updates, by two methods",
    claims=("C3",),
    quick={**SHORT, "distances": (1e-7,)},
    full={**NOTEBOOK, "distances": (1e-9, 1e-7)},
    sample={"steps": 5000},
    summary=lambda data: f"largest exponent {float(data.separation.max()):.4f} per update",
)
def lyapunov_exponents(
    *,
    period: int,
    rest_from: int,
    steps: int,
    distances: Sequence[float],
    dwell: int | None = None,
    progress: bool,
) -> xr.Dataset:
    """Growth rates per update, averaged over windows that begin at "step": of a tangent, and of two distances."""
    gamma = md.Oscillation(AMPLITUDE, period, dwell=dwell, rest_from=rest_from)
    problem = md.MLP(2, 100, 3), figure_four_weights(), md.spiral(), md.CrossEntropy(gamma)
    settings: dict[str, Any] = {"learning_rate": RATE, "steps": steps, "progress": progress}
    tangent = orbits.tangent_growth(*problem, **settings)
    apart = [orbits.separation_growth(*problem, distance=d, **settings) for d in distances]
    found = xr.Dataset({"tangent": tangent, "separation": xr.concat(apart, "distance")})
    found = found.assign_coords(distance=list(distances))
    return found.coarsen(step=250, boundary="trim", coord_func="min").mean().astype(np.float32)
