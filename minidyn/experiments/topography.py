"""The second paper on dynamical losses: widths, learning rates, and squared errors that oscillate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

import minidyn as md
from minidyn import orbits
from minidyn.experiments import learning
from minidyn.experiments.learning import RECIPE, SHORT, TRAINED, Gains, run_grid, spell
from minidyn.experiments.parallel import in_parallel
from minidyn.experiments.registry import experiment
from minidyn.sweeps import LOSSES

NAMES = {"cross_entropy": "DCE", "mse_sample": "DMSE1", "mse_output": "DMSE2"}  # static at amplitude 1
WIDTHS = (5, 10, 25, 50, 100, 200, 400)
AMPLITUDES, PERIODS = (5, 20, 70), (100, 500, 2500)  # fixed before any of this was run
CHOICES: dict[str, dict[int, tuple[float, int]]] = {  # by `learning.chosen`, from "loss-grid"
    "cross_entropy": {
        5: (70, 100), 10: (70, 100), 25: (70, 100), 50: (70, 100), 100: (20, 2500), 200: (20, 2500), 400: (5, 500),
    },
    "mse_sample": {
        5: (70, 100), 10: (70, 2500), 25: (5, 2500), 50: (20, 2500), 100: (5, 2500), 200: (20, 500), 400: (5, 500),
    },
    "mse_output": {
        5: (20, 100), 10: (20, 2500), 25: (5, 100), 50: (20, 2500), 100: (5, 100), 200: (5, 100), 400: (5, 500),
    },
}  # fmt: skip
# The smallest of 0.2, 0.35, 0.5, 0.7 and 1 at which the first turn of seed 0 had updates that raised their loss.
EDGE_RATES = {"cross_entropy": 0.7, "mse_sample": 0.7, "mse_output": 0.2}
MOVING = ("mse_sample", "mse_output")
RELATIVE_STEPS = (0.6, 1.8)  # η λ_max under the static loss: stable there; the second is not in every phase of a cycle
NUDGE = 1e-6  # of the norm of the weights
WINDOW = 125  # updates
NEGLIGIBLE = 1e-6  # a rise of the loss below this is no bounce


def _summarise_grid(data: xr.Dataset) -> str:
    mean = data.validation_accuracy.mean("seed")
    static = mean.sel(amplitude=1).isel(period=0)
    best = mean.drop_sel(amplitude=1).max(["amplitude", "period"])
    return "\n".join(
        f"{loss}, H={int(width)}: static {float(static.sel(loss=loss, width=width)):.3f}, best cell "
        f"{float(best.sel(loss=loss, width=width)):.3f}"
        for loss in data.loss.values
        for width in data.width.values
    )


@experiment(
    "loss-grid",
    shows="three losses over width, amplitude and period, on the seeds that A and T are chosen on",
    claims=("C10",),
    quick={"widths": (5, 10), "amplitudes": (5,), "periods": (100, 500), "seeds": range(2), **SHORT},
    full={"widths": WIDTHS, "amplitudes": AMPLITUDES, "periods": PERIODS, "seeds": range(5), **RECIPE},
    sample={"widths": (5,), "amplitudes": (5,), "periods": (500,)},
    summary=_summarise_grid,
)
def loss_grid(
    *,
    widths: Sequence[int],
    amplitudes: Sequence[float],
    periods: Sequence[int],
    seeds: Sequence[int],
    steps: int,
    rest: int,
    progress: bool,
) -> xr.Dataset:
    """How runs end over (loss, width, amplitude, period, seed); amplitude 1 is the static loss."""
    grid = {"loss": tuple(NAMES), "width": widths, "amplitude": (1, *amplitudes), "period": periods, "seed": seeds}
    return run_grid(grid, steps=steps, rest=rest, progress=progress)


def _summarise_held_out(data: xr.Dataset) -> str:
    rows = []
    for loss in data.loss.values:
        for width in data.width.values:
            gain, trained, given = gains(data.sel(loss=loss, width=width))
            rows.append(
                f"{loss}, H={width}: validation {spell(gain)}; trained {trained[0]} static, {trained[1]} dynamical of "
                f"{trained[2]}; where both train ({trained[3]}) {spell(given)}"
            )
    return "\n".join(rows)


def gains(pairs: xr.Dataset) -> Gains:
    """`learning.gains` of a part of "held-out-losses", over "kind" ("static", "dynamical"), "data_seed" and "seed"."""
    return learning.gains(pairs.sel(kind="static"), pairs.sel(kind="dynamical"))


@experiment(
    "held-out-losses",
    shows="three dynamical losses against their static ones over width, A and T from the grid, on other seeds and data",
    claims=("C10",),
    quick={"choices": {"mse_output": {5: (5, 100)}}, "data_seeds": (1, 2), "seeds": (100,), **SHORT},
    full={"choices": CHOICES, "data_seeds": range(1, 11), "seeds": (100, 101), **RECIPE},
    sample={"choices": {"cross_entropy": {10: CHOICES["cross_entropy"][10]}}, "data_seeds": (1, 2)},
    summary=_summarise_held_out,
)
def held_out_losses(
    *,
    choices: Mapping[str, Mapping[int, tuple[float, int]]],
    data_seeds: Sequence[int],
    seeds: Sequence[int],
    steps: int,
    rest: int,
    progress: bool,
) -> xr.Dataset:
    """How pairs of runs end, over (loss, kind, width, data_seed, seed): the same weights and samples."""
    both: dict[str, Any] = {"data_seed": data_seeds, "seed": seeds}
    how: dict[str, Any] = {"steps": steps, "rest": rest, "progress": progress}
    widths = list(next(iter(choices.values())))
    losses: list[Any] = sorted({_still(loss) for loss in choices})
    still = run_grid({"loss": losses, "width": widths} | both, **how)
    each = []
    for loss, chosen in choices.items():
        ends = []
        for width, (amplitude, period) in chosen.items():
            cell: dict[str, Any] = {"loss": [loss], "width": [width], "amplitude": [amplitude], "period": [period]}
            ends.append(run_grid(cell | both, **how).squeeze(["amplitude", "period"], drop=True))
        static = still.sel(loss=[_still(loss)]).assign_coords(loss=[loss])
        moving = xr.concat(ends, "width", combine_attrs="drop")
        each.append(
            xr.concat([static, moving], xr.IndexVariable("kind", ["static", "dynamical"]), combine_attrs="drop")
        )
    return xr.concat(each, "loss", combine_attrs="drop")


def _still(loss: str) -> str:
    """The static loss of a dynamical one: the two squared errors share theirs."""
    return "mse_sample" if loss == "mse_output" else loss


def _summarise_sizes(data: xr.Dataset) -> str:
    end = data.isel(step=slice(-30, None)).mean("step")
    return "\n".join(
        f"H={width}, η={rate:g}: loss {float(cell.static_loss.mean()):.3f}±{float(cell.static_loss.std()):.3f}, "
        f"λ_max {float(cell.sharpness.mean()):.2f}±{float(cell.sharpness.std()):.2f}, η λ_max "
        f"{rate * float(cell.sharpness.mean()):.2f}, trained {int((cell.accuracy >= TRAINED).sum())}"
        for width in data.width.values
        for rate in data.learning_rate.values
        for cell in [end.sel(width=width, learning_rate=rate)]
    )


@experiment(
    "size-and-rate",
    shows="loss and sharpness along static training: three widths and two learning rates",
    claims=("C9",),
    quick={"widths": (5, 10), "rates": (0.3, 1), "seeds": range(2), "steps": 3500},
    full={"widths": (10, 50, 200), "rates": (0.3, 1), "seeds": range(20), "steps": 25000},
    sample={"widths": (10,)},
    summary=_summarise_sizes,
)
def size_and_rate(
    *, widths: Sequence[int], rates: Sequence[float], seeds: Sequence[int], steps: int, progress: bool
) -> xr.Dataset:
    """Loss, accuracy and λ_max of cross-entropy at every 101st update, over (width, learning_rate, seed, step)."""
    grid = {"width": widths, "learning_rate": rates, "seed": seeds}
    measure = {"static_loss": 101, "accuracy": 101, "hessian_max": 101}
    found = md.sweep(grid, steps=steps, measure=measure, progress=progress)
    names = {"static_loss": "static_loss", "accuracy": "accuracy", "sharpness": "hessian_max"}
    series = {
        name: found[f"{source}_history"].rename({f"{source}_step": "step"}).astype(np.float32)
        for name, source in names.items()
    }
    return xr.Dataset(series).assign(diverged=found.diverged.astype(np.int8))


def outer_arms(points_per_class: int = 10, radius: float = 0.3) -> md.Task:
    """A few samples of the spirals that can be fitted exactly: without the middle, where the arms meet in one point.

    Examples
    --------
    >>> from minidyn.experiments.topography import outer_arms
    >>> len(outer_arms())
    21
    """
    task = md.spiral(points_per_class)
    outer = np.linalg.norm(task.x, axis=1) > radius
    return md.Task(task.x[outer], task.labels[outer], task.classes)


def _summarise_minima(data: xr.Dataset) -> str:
    rows = [
        f"static loss {float(data.static_loss.max()):.1e} at most, |gradient| {float(data.gradient.max()):.1e} at most "
        f"for any Γ; sharpest Γ / static {_range(data.sharpness.max('phase') / data.static_sharpness)}"
    ]
    for step in data.relative_step.values:
        for loss in data.loss.values:
            cell = data.sel(relative_step=step, loss=loss)
            rows.append(
                f"η λ_max = {step:g}, {loss}: greatest loss {float(cell.highest.min()):.1e} to "
                f"{float(cell.highest.max()):.1e}, at the end {float(cell['last'].max()):.1e} at most, moved "
                f"{float(cell.moved.median()):.1e}, back at zero after the rest {int((cell.final_loss < 1e-12).sum())}"
            )
    return "\n".join(rows)


def _range(values: xr.DataArray) -> str:
    return f"{float(values.min()):.2f} to {float(values.max()):.2f}"


@experiment(
    "global-minima",
    shows="zero-loss weights of the squared error under oscillations: gradient, curvature, and where descent goes",
    claims=("C8",),
    quick={"seeds": range(2), "width": 100, "steps": 120000, "turns": 1, "period": 300, "rest": 300},
    full={"seeds": range(20), "width": 100, "steps": 200000, "turns": 6, "period": 1000, "rest": 60000},
    sample={"seeds": range(2)},
    summary=_summarise_minima,
)
def global_minima(
    *, seeds: Sequence[int], width: int, steps: int, turns: int, period: int, rest: int, progress: bool
) -> xr.Dataset:
    """What happens at weights at which the static squared error vanishes, over "seed", when the clock runs.

    - static_loss, static_sharpness: after `steps` updates of the static loss at η = 0.3
    - gradient, sharpness, over (loss, phase): |∇F| and λ_max of F at these weights, all through a cycle
    - highest, last, moved, over (loss, relative_step): the greatest F, and the static loss at the end, while descent
      goes on for so many turns, from mid-turn, at η = relative_step / static_sharpness, and `NUDGE` away; how far it
      has gone, relative to the norm of the weights
    - final_loss, final_sharpness: of the static loss, after `rest` more updates of it at η = 0.3
    """
    cells = [(seed, width, steps, turns, period, rest) for seed in seeds]
    return xr.concat(in_parallel(_one_minimum, cells, "global-minima", progress), xr.IndexVariable("seed", list(seeds)))


def _one_minimum(seed: int, width: int, steps: int, turns: int, period: int, rest: int) -> xr.Dataset:
    net, task, static = md.MLP(2, width, 3), outer_arms(), md.SquaredError()
    settings: dict[str, Any] = {"learning_rate": 0.3, "progress": False}
    begin = md.train(net, net.init(seed), task, static, steps=steps, **settings).params
    lowest, sharpness = _static(net, begin, task)
    losses = [_moving(name, 70, period) for name in MOVING]
    phases = range(0, 3 * period, period // 20)
    found: dict[str, Any] = {"static_loss": lowest, "static_sharpness": sharpness}
    for name, measure in (("gradient", _slope), ("sharpness", _sharpness)):
        found[name] = (("loss", "phase"), [[measure(net, begin, task, loss, at) for at in phases] for loss in losses])
    names = "highest", "last", "moved", "final_loss", "final_sharpness"
    ends = np.empty((len(losses), len(RELATIVE_STEPS), len(names)))
    for (i, loss), (j, relative) in product(enumerate(losses), enumerate(RELATIVE_STEPS)):
        how: dict[str, Any] = {"steps": turns * period, "start": period // 2, "progress": False}
        run = md.train(net, nudged(net, begin, seed), task, loss, learning_rate=relative / sharpness, **how)
        after = md.train(net, run.params, task, static, steps=rest, **settings).params
        moved = np.linalg.norm(_flat(run.params) - _flat(begin)) / np.linalg.norm(_flat(begin))
        ends[i, j] = run.history.loss.max(), run.history.static_loss[-1], moved, *_static(net, after, task)
    for k, name in enumerate(names):
        found[name] = (("loss", "relative_step"), ends[:, :, k])
    return xr.Dataset(found, {"loss": list(MOVING), "phase": list(phases), "relative_step": list(RELATIVE_STEPS)})


def nudged(net: md.MLP, params: Any, seed: int = 0) -> Any:
    """Weights a little off, by a millionth of their norm, in a random direction.

    Exactly at zero loss float64 freezes descent: updates are smaller than the spacing of the numbers they are added
    to, so that not even an unstable minimum is left.
    """
    vector, random = _flat(params), np.random.RandomState([seed, 1])
    direction = random.randn(len(vector))
    return net.unflatten(vector + NUDGE * np.linalg.norm(vector) * direction / np.linalg.norm(direction))


def _flat(params: Any) -> NDArray:
    return np.concatenate([part.ravel() for layer in params for part in layer])


def _slope(net: md.MLP, params: Any, task: md.Task, loss: Any, step: int) -> float:
    """|∇F| at a step."""
    logits, pullback = net.vjp(params, task.x)
    return float(np.linalg.norm(pullback(loss.gradient(logits, task.labels, step))))


def _sharpness(net: md.MLP, params: Any, task: md.Task, loss: Any, step: int = 0) -> float:
    return float(md.hessian_eigenvalues(net, params, task, loss, step).values[0])


def _static(net: md.MLP, params: Any, task: md.Task) -> tuple[float, float]:
    """The static squared error, and its sharpness."""
    static = md.SquaredError()
    return float(static.value(net.logits(params, task.x), task.labels)), _sharpness(net, params, task, static)


def _moving(loss: str, amplitude: float, period: int) -> Any:
    return LOSSES[loss](md.Oscillation(amplitude, period) if amplitude > 1 else None)


def stretches(data: xr.Dataset, *, least: float = 0.05, gap: int = 500) -> pd.DataFrame:
    """The stretches in which the runs of one loss bounce, one a row.

    Parameters
    ----------
    data : xarray.Dataset
        "edge" at one loss, over "seed" and "step".
    least : float
        The share of updates that raise their loss from which a window bounces.
    gap : int
        Calm up to so many updates does not end a stretch.

    Returns
    -------
    pandas.DataFrame
        seed; start and end, in steps; before: η λ_max in the window before; peak: its greatest value, and rise: the
        greatest rise within; first_2, first_4, first_chaos: updates from the start to the first window whose orbit
        has period 2, then 4, then none twice in a row; NaN where there is none.

    Examples
    --------
    >>> from minidyn.experiments import find
    >>> from minidyn.experiments.topography import stretches
    >>> data = find("edge").run("quick", progress=False, seeds=[0], turns=1)
    >>> len(stretches(data.sel(loss="mse_output")))
    0
    """
    rows = []
    for seed in data.seed.values:
        run = data.sel(seed=seed)
        for start, end in orbits.windows(run.bounces > least, gap=gap):
            inside = run.sel(step=slice(start, end))
            before = run.edge.sel(step=slice(None, start - 1))
            rows.append(
                {
                    "seed": int(seed),
                    "start": int(start),
                    "end": int(end) + WINDOW,
                    "before": float(before[-1]) if before.size else np.nan,
                    "peak": float(inside.edge_most.max()),
                    "rise": float(inside.rise.max()),
                    **_cascade(inside),
                }
            )
    names = ["seed", "start", "end", "before", "peak", "rise", "first_2", "first_4", "first_chaos"]
    return pd.DataFrame(rows, columns=names)


def _cascade(stretch: xr.Dataset) -> dict[str, float]:
    """Updates from the start of a stretch to period 2, to period 4 after it, and to chaos after that."""
    periods, steps = stretch.period.values, stretch.step.values - int(stretch.step[0])
    two = periods == 2
    four = np.maximum.accumulate(two) & (periods == 4)
    none = periods == 0
    chaos = np.maximum.accumulate(four) & none & np.append(False, none[:-1])
    where = {"first_2": two, "first_4": four, "first_chaos": chaos}
    return {name: float(steps[hit][0]) if hit.any() else np.nan for name, hit in where.items()}


def _summarise_edge(data: xr.Dataset) -> str:
    rows = []
    turn = data.step // data.attrs["period"]
    for loss in data.loss.values:
        part = data.sel(loss=loss)
        peaks = [part.edge_most.where(turn == k).max("step") for k in range(int(turn.max()) + 1)]
        shares = " ".join(f"{float((part.period == p).mean()):.2f}" for p in (1, 2, 4, 0))
        rows.append(
            f"{loss} at η = {float(part.learning_rate):g}: greatest η λ_max a turn "
            f"{' '.join(f'{float(peak.mean()):.2f}' for peak in peaks)}; bounces {float(part.bounces.mean()):.2f}; "
            f"windows of period 1, 2, 4, none {shares}"
        )
    return "\n".join(rows)


@experiment(
    "edge",
    shows="η λ_max against 2, bounces and periods of the orbit through the turns of three dynamical losses",
    claims=("C11",),
    quick={"rates": EDGE_RATES, "width": 10, "seeds": range(2), "amplitude": 70, "period": 500, "turns": 2},
    full={"rates": EDGE_RATES, "width": 100, "seeds": range(100, 116), "amplitude": 70, "period": 5000, "turns": 6},
    sample={"seeds": (100, 101), "turns": 2},
    summary=_summarise_edge,
)
def edge(
    *,
    rates: Mapping[str, float],
    width: int,
    seeds: Sequence[int],
    amplitude: float,
    period: int,
    turns: int,
    progress: bool,
) -> xr.Dataset:
    """What happens in windows of 125 updates that begin at "step", over (loss, seed, step): see `_windows`."""
    steps = turns * period
    cells = [(loss, width, rate, seed, amplitude, period, steps) for loss, rate in rates.items() for seed in seeds]
    found = _laid_out(in_parallel(_windows, cells, "edge", progress), {"loss": list(rates), "seed": list(seeds)})
    found["learning_rate"] = ("loss", list(rates.values()))
    return found.assign_attrs(period=period)


def _windows(loss: str, width: int, rate: float, seed: int, amplitude: float, period: int, steps: int) -> xr.Dataset:
    """One run in windows of 125 updates.

    - edge, edge_most: mean and greatest η λ_max of F, measured at every 25th update
    - bounces: the share of updates that raise the loss they descend, at the Γ they descend it with
    - rise: the greatest such rise
    - period: of the orbit of F, see `orbits.period`; 0 is chaos, or an orbit that changes within the window
    - F, accuracy: of the training samples, mean
    """
    run = _train(loss, width, rate, seed, amplitude, period, steps, measure={"hessian_max": 25})
    history = run.history.isel(step=slice(0, -1))
    descent = orbits.loss_changes(run.history).descent
    first = np.arange(0, steps, WINDOW)
    edges = rate * run.history.hessian_max.values[:-1].reshape(len(first), -1)
    falls = descent.values.reshape(len(first), WINDOW)
    columns = {
        "edge": edges.mean(axis=1),
        "edge_most": edges.max(axis=1),
        "bounces": (falls > NEGLIGIBLE).mean(axis=1),
        "rise": np.maximum(falls.max(axis=1), 0),
        "F": history.loss.values.reshape(len(first), WINDOW).mean(axis=1),
        "accuracy": history.accuracy.values.reshape(len(first), WINDOW).mean(axis=1),
    }
    found = {name: ("step", column.astype(np.float32)) for name, column in columns.items()}
    found["period"] = ("step", np.array([orbits.period(history.loss, int(step)) for step in first], np.int8))
    return xr.Dataset(found, {"step": first})


def _summarise_periods(data: xr.Dataset) -> str:
    rows = []
    for loss in data.loss.values:
        part = data.sel(loss=loss)
        rise, bounces = part.rise.median("seed").values, part.bounces.mean("seed").values
        rows.append(
            f"{loss}: T {' '.join(map(str, data.period.values))}; greatest rise "
            f"{' '.join(f'{v:.3f}' for v in rise)}; bounces {' '.join(f'{v:.2f}' for v in bounces)}"
        )
    return "\n".join(rows)


@experiment(
    "edge-periods",
    shows="how much and how often updates raise the loss they descend, over the period",
    claims=("C11",),
    quick={"rates": EDGE_RATES, "width": 10, "seeds": range(2), "amplitude": 70, "periods": (50, 500), "steps": 1000},
    full={
        "rates": EDGE_RATES,
        "width": 100,
        "seeds": range(100, 104),
        "amplitude": 70,
        "periods": (10, 25, 50, 100, 250, 1000, 5000),
        "steps": 15000,
    },
    sample={"seeds": (100, 101), "periods": (100, 1000)},
    summary=_summarise_periods,
)
def edge_periods(
    *,
    rates: Mapping[str, float],
    width: int,
    seeds: Sequence[int],
    amplitude: float,
    periods: Sequence[int],
    steps: int,
    progress: bool,
) -> xr.Dataset:
    """Bounces and rise of the whole run as in "edge", and accuracy at its end, over (loss, period, seed)."""
    coords: dict[str, list] = {"loss": list(rates), "period": list(periods), "seed": list(seeds)}
    cells = [(loss, width, rates[loss], seed, amplitude, T, steps) for loss, T, seed in product(*coords.values())]
    return _laid_out(in_parallel(_bounces, cells, "edge-periods", progress), coords)


def _bounces(*cell: Any) -> xr.Dataset:
    history = _train(*cell).history
    falls = orbits.loss_changes(history).descent.values
    found = {"bounces": (falls > NEGLIGIBLE).mean(), "rise": max(falls.max(), 0), "accuracy": history.accuracy[-1]}
    return xr.Dataset({name: float(value) for name, value in found.items()})


def _train(
    loss: str,
    width: int,
    rate: float,
    seed: int,
    amplitude: float,
    period: int,
    steps: int,
    batch_size: int | None = None,
    measure: Mapping[str, Any] | None = None,
) -> md.Run:
    """A run on the spirals; the seed is of the weights, and of the order of mini-batches."""
    net = md.MLP(2, width, 3)
    how: dict[str, Any] = {"learning_rate": rate, "steps": steps, "batch_size": batch_size, "seed": seed}
    problem = net, net.init(seed), md.spiral(), _moving(loss, amplitude, period)
    return md.train(*problem, **how, measure=measure, progress=False)


def _summarise_noise(data: xr.Dataset) -> str:
    return "\n".join(
        f"{loss}, A={amplitude:g}, batch {size}: η λ_max median {float(cell.edge.sel(quantile=0.5).mean()):.2f}, 90% "
        f"{float(cell.edge.sel(quantile=0.9).mean()):.2f}, accuracy {float(cell.accuracy.mean()):.2f}"
        for loss in data.loss.values
        for amplitude in data.amplitude.values
        for size in data.batch_size.values
        for cell in [data.sel(loss=loss, amplitude=amplitude, batch_size=size)]
    )


@experiment(
    "edge-noise",
    shows="sharpness against 2/η with mini-batches, under static and dynamical losses",
    claims=("C11",),
    quick={
        "rates": EDGE_RATES,
        "width": 10,
        "seeds": range(2),
        "amplitudes": (1, 70),
        "period": 500,
        "batch_sizes": (300, 30),
        "steps": 500,
    },
    full={
        "rates": EDGE_RATES,
        "width": 100,
        "seeds": range(100, 103),
        "amplitudes": (1, 70),
        "period": 5000,
        "batch_sizes": (300, 30),
        "steps": 10000,
    },
    sample={"seeds": (100, 101), "batch_sizes": (30,)},
    summary=_summarise_noise,
)
def edge_noise(
    *,
    rates: Mapping[str, float],
    width: int,
    seeds: Sequence[int],
    amplitudes: Sequence[float],
    period: int,
    batch_sizes: Sequence[int],
    steps: int,
    progress: bool,
) -> xr.Dataset:
    """Over (loss, amplitude, batch_size, seed), of which amplitude 1 is the static loss, and 300 samples are all.

    edge: quantiles of η λ_max of F on all samples, measured at every 101st update; accuracy: at the end.
    """
    coords: dict[str, list] = {
        "loss": list(rates),
        "amplitude": list(amplitudes),
        "batch_size": list(batch_sizes),
        "seed": list(seeds),
    }
    cells = [
        (loss, width, rates[loss], seed, amplitude, period, steps, None if size == 300 else size)
        for loss, amplitude, size, seed in product(*coords.values())
    ]
    return _laid_out(in_parallel(_sharpnesses, cells, "edge-noise", progress), coords)


def _sharpnesses(
    loss: str, width: int, rate: float, seed: int, amplitude: float, period: int, steps: int, batch_size: int | None
) -> xr.Dataset:
    how: dict[str, Any] = {"batch_size": batch_size, "measure": {"hessian_max": 101}}
    history = _train(loss, width, rate, seed, amplitude, period, steps, **how).history
    edge = (rate * history.hessian_max).quantile([0.5, 0.9, 1]).astype(np.float32)
    return xr.Dataset({"edge": edge, "accuracy": float(history.accuracy[-1])})


def _summarise_growth(data: xr.Dataset) -> str:
    return "\n".join(
        f"{loss}: growth rates per update, tangent {_range(data.tangent.sel(loss=loss))}, two runs "
        f"{_range(data.separation.sel(loss=loss))}"
        for loss in data.loss.values
    )


@experiment(
    "edge-growth",
    shows="how fast runs part under three dynamical losses, by two methods",
    claims=("C11",),
    quick={"rates": EDGE_RATES, "width": 10, "seed": 0, "amplitude": 70, "period": 250, "window": (250, 500)},
    full={"rates": EDGE_RATES, "width": 100, "seed": 100, "amplitude": 70, "period": 5000, "window": (15000, 25000)},
    sample={"window": (15000, 17000)},
    summary=_summarise_growth,
)
def edge_growth(
    *,
    rates: Mapping[str, float],
    width: int,
    seed: int,
    amplitude: float,
    period: int,
    window: tuple[int, int],
    progress: bool,
) -> xr.Dataset:
    """Growth rates per update over (loss, step), averaged over windows of 125 updates: of a tangent, of a distance."""
    cells = [(loss, width, rate, seed, amplitude, period, window) for loss, rate in rates.items()]
    return _laid_out(in_parallel(_growth, cells, "edge-growth", progress), {"loss": list(rates)})


def _growth(
    loss: str, width: int, rate: float, seed: int, amplitude: float, period: int, window: tuple[int, int]
) -> xr.Dataset:
    problem, how = _reached(loss, width, rate, seed, amplitude, period, window)
    found = xr.Dataset(
        {"tangent": orbits.tangent_growth(*problem, **how), "separation": orbits.separation_growth(*problem, **how)}
    )
    return found.coarsen(step=WINDOW, boundary="trim", coord_func="min").mean().astype(np.float32)


def _reached(
    loss: str, width: int, rate: float, seed: int, amplitude: float, period: int, window: tuple[int, int]
) -> tuple[tuple, dict[str, Any]]:
    """A run at the begin of a window of its steps: what it is, and how it goes on to the end of the window."""
    run = _train(loss, width, rate, seed, amplitude, period, window[0])
    problem = run.settings.net, run.params, run.settings.task, run.settings.loss
    how = {"learning_rate": rate, "start": window[0], "steps": window[1] - window[0], "progress": False}
    return problem, how


def _summarise_spectra(data: xr.Dataset) -> str:
    return "\n".join(
        f"{loss}: eigenvalues above 2/η in {int((above > 0).sum())} of {above.size} spectra, at most {int(above.max())}"
        for loss in data.loss.values
        for above in [(data.edges.sel(loss=loss) > 2).sum("rank")]
    )


@experiment(
    "burst-spectra",
    shows="all eigenvalues of the Hessian through one handover, for three dynamical losses",
    claims=("C11",),
    quick={
        "rates": EDGE_RATES,
        "width": 5,
        "seed": 0,
        "amplitude": 70,
        "period": 250,
        "window": (350, 500),
        "every": 25,
    },
    full={
        "rates": EDGE_RATES,
        "width": 100,
        "seed": 100,
        "amplitude": 70,
        "period": 5000,
        "window": (18500, 20480),
        "every": 45,
    },
    sample={},
    summary=_summarise_spectra,
)
def burst_spectra(
    *,
    rates: Mapping[str, float],
    width: int,
    seed: int,
    amplitude: float,
    period: int,
    window: tuple[int, int],
    every: int,
    progress: bool,
) -> xr.Dataset:
    """edges: η times all eigenvalues, over (loss, at, rank); F over (loss, step), at every update of the window."""
    cells = [(loss, width, rate, seed, amplitude, period, window, every) for loss, rate in rates.items()]
    return _laid_out(in_parallel(_spectra, cells, "burst-spectra", progress), {"loss": list(rates)})


def _spectra(
    loss: str, width: int, rate: float, seed: int, amplitude: float, period: int, window: tuple[int, int], every: int
) -> xr.Dataset:
    problem, how = _reached(loss, width, rate, seed, amplitude, period, window)
    history = md.train(*problem, **how, measure={"hessian_spectrum": every}).history
    spectra = rate * history.hessian_spectrum.values
    at = history.hessian_spectrum_step.values
    series = {"edges": (("at", "rank"), spectra), "F": ("step", history.loss.values)}
    coords = {"at": at, "rank": 1 + np.arange(spectra.shape[1]), "step": history.step.values}
    return xr.Dataset(series, coords).astype(np.float32)


def _laid_out(results: list[xr.Dataset], coords: Mapping[str, list]) -> xr.Dataset:
    """Results of all cells, in order, over the dimensions of a grid."""
    table = xr.concat(results, "cell", combine_attrs="drop")
    index = pd.MultiIndex.from_product(coords.values(), names=coords)
    if len(coords) == 1:
        return table.rename(cell=next(iter(coords))).assign_coords(coords)
    table = table.assign_coords(xr.Coordinates.from_pandas_multiindex(index, "cell")).unstack("cell")
    return table.reindex(coords).transpose(*coords, ...)
