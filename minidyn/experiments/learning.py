"""What the oscillation buys: grids of runs over amplitude and period, and the gains on seeds and data not chosen on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import minidyn as md
from minidyn.experiments.parallel import in_parallel
from minidyn.experiments.registry import experiment
from minidyn.model import flatten
from minidyn.sweeps import VALIDATION_SEED_OFFSET
from minidyn.training.record import Record
from minidyn.training.settings import Settings
from minidyn.training.state import State

WIDTHS = (10, 30, 100)  # named before any of this was run
AMPLITUDES = (2, 3, 5, 10, 20, 40, 70, 140)
PERIODS = (50, 100, 250, 500, 1000, 2500, 5000, 10000)
RECIPE = {"steps": 35000, "rest": 5000}  # the same compute for every run; the last steps at Γ = 1
SHORT = {"steps": 1200, "rest": 200}
KEPT = ("accuracy", "validation_accuracy", "static_loss", "sharpness")
TRAINED = 0.97  # training accuracy from which a run counts as trained
CHOSEN = {10: (40, 250), 30: (20, 50), 50: (20, 50), 100: (20, 50)}  # by `chosen`; for 50, as for its neighbours


def unseen(noise: float, seed: int) -> md.Task:
    """Ten times the spiral's points, so that the validation accuracy is known to half a per cent."""
    return md.spiral(1000, noise=noise, seed=seed)


def kept(found: xr.Dataset) -> xr.Dataset:
    """What is stored of a sweep: how its runs end, in few bytes."""
    return found[[*KEPT]].astype(np.float32).assign(diverged=found.diverged.astype(np.int8))


def run_grid(grid: Mapping[str, Sequence], *, steps: int, rest: int, progress: bool) -> xr.Dataset:
    """How every run of a grid ends, on the spirals, at η = 1 unless the grid names it."""
    return kept(md.sweep(grid, steps=steps, rest=rest, validation=unseen, progress=progress))


def _summarise_diagram(data: xr.Dataset) -> str:
    rows = []
    for width in data.width.values:
        mean = data.validation_accuracy.sel(width=width).mean("seed")
        static, best = float(mean.sel(amplitude=1)[0]), float(mean.max())
        amplitude, period = chosen(data, width)
        rows.append(f"H={width}: static {static:.3f}, best {best:.3f} at A={amplitude:g}, T={period}")
    return "\n".join(rows)


def chosen(data: xr.Dataset, width: int, **where: str) -> tuple[float, int]:
    """The amplitude and period whose mean validation accuracy over the seeds is the greatest."""
    mean = data.validation_accuracy.sel(width=width, **where).drop_sel(amplitude=1).mean("seed")
    best = mean.stack(cell=("amplitude", "period")).idxmax("cell").item()
    return float(best[0]), int(best[1])


def interval(values: xr.DataArray, over: str) -> tuple[float, float, float]:
    """Mean over all dimensions, and the ends of its 95% bootstrap interval.

    Parameters
    ----------
    values : xarray.DataArray
        NaN: does not count.
    over : str
        The dimension of what is independent; whole groups along it are drawn again.

    Returns
    -------
    mean, low, high : float
        NaN where fewer than two groups count.

    Examples
    --------
    >>> import xarray as xr
    >>> from minidyn.experiments.learning import interval
    >>> interval(xr.DataArray([1.0, 1.0, 1.0], dims="seed"), "seed")
    (1.0, 1.0, 1.0)
    """
    within = [dim for dim in values.dims if dim != over]
    total, count = values.sum(within).values.astype(float), values.count(within).values
    total, count = total[count > 0], count[count > 0]
    if len(total) < 2:
        return np.nan, np.nan, np.nan
    again = np.random.RandomState(0).randint(0, len(total), (4000, len(total)))
    drawn = total[again].sum(axis=1) / count[again].sum(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(total.sum() / count.sum()), float(low), float(high)


Gains = tuple[tuple[float, float, float], tuple[int, int, int, int], tuple[float, float, float]]


def gains(static: xr.Dataset, moving: xr.Dataset) -> Gains:
    """What the oscillation adds to the validation accuracy of pairs of runs, and how many of them train.

    Parameters
    ----------
    static, moving : xarray.Dataset
        How the runs of each pair end, over "data_seed" and "seed".

    Returns
    -------
    gain : tuple of float
        Mean and 95% interval over all pairs, see `interval`.
    trained : tuple of int
        Runs that train: static, dynamical, of how many pairs; and pairs in which both do.
    given : tuple of float
        Mean and interval over the pairs in which both train.
    """
    gain = moving.validation_accuracy - static.validation_accuracy
    one, other = static.accuracy >= TRAINED, moving.accuracy >= TRAINED
    trained = int(one.sum()), int(other.sum()), gain.size, int((one & other).sum())
    return interval(gain, "data_seed"), trained, interval(gain.where(one & other), "data_seed")


def spell(found: tuple[float, float, float]) -> str:
    """Mean and interval as the summaries and the book write them."""
    return "{:+.3f} ({:+.3f} to {:+.3f})".format(*found)


@experiment(
    "phase-diagram",
    shows="accuracy and sharpness at the end over amplitude and period, three widths",
    claims=("C1", "C2", "C6", "C7"),
    quick={"widths": (5, 10), "amplitudes": (5, 20), "periods": (100, 500), "seeds": range(2), **SHORT},
    full={"widths": WIDTHS, "amplitudes": AMPLITUDES, "periods": PERIODS, "seeds": range(10), **RECIPE},
    sample={"widths": (10,), "amplitudes": (3,), "periods": (100,)},
    summary=_summarise_diagram,
)
def phase_diagram(
    *,
    widths: Sequence[int],
    amplitudes: Sequence[float],
    periods: Sequence[int],
    seeds: Sequence[int],
    steps: int,
    rest: int,
    progress: bool,
) -> xr.Dataset:
    """How runs end over (width, amplitude, period, seed); amplitude 1 is the static loss, the same for every period."""
    grid = {"width": widths, "amplitude": (1, *amplitudes), "period": periods, "seed": seeds}
    return run_grid(grid, steps=steps, rest=rest, progress=progress)


def _summarise_held_out(data: xr.Dataset) -> str:
    static, moving = data.sel(loss="static"), data.sel(loss="dynamical")
    rows = []
    for width in data.width.values:
        here, there = static.sel(width=width), moving.sel(width=width)
        gain = there.validation_accuracy - here.validation_accuracy
        trains = here.accuracy >= TRAINED
        rows.append(
            f"H={width}: validation {spell(interval(gain, 'data_seed'))}; where the static run trains "
            f"{spell(interval(gain.where(trains), 'data_seed'))}; trained: {int(trains.sum())} static, "
            f"{int((there.accuracy >= TRAINED).sum())} dynamical of {trains.size}"
        )
    return "\n".join(rows)


@experiment(
    "held-out",
    shows="the amplitude and period that the phase diagram chose, against the static loss, on other seeds and data",
    claims=("C1", "C2", "C6", "C7"),
    quick={"chosen": {5: (5, 100), 10: (20, 500)}, "data_seeds": (1, 2), "seeds": range(100, 102), **SHORT},
    full={"chosen": CHOSEN, "data_seeds": range(1, 13), "seeds": range(100, 110), **RECIPE},
    sample={"chosen": {10: CHOSEN[10]}, "data_seeds": (1, 2)},
    summary=_summarise_held_out,
)
def held_out(
    *,
    chosen: Mapping[int, tuple[float, int]],
    data_seeds: Sequence[int],
    seeds: Sequence[int],
    steps: int,
    rest: int,
    progress: bool,
) -> xr.Dataset:
    """How pairs of runs end, over (width, loss, data_seed, seed): the same weights and samples under both losses."""
    each = []
    for width, (amplitude, period) in chosen.items():
        grid = {"width": [width], "amplitude": (1, amplitude), "period": [period]}
        grid |= {"data_seed": data_seeds, "seed": seeds}
        pairs = run_grid(grid, steps=steps, rest=rest, progress=progress).squeeze("period", drop=True)
        each.append(pairs.rename(amplitude="loss").assign_coords(loss=["static", "dynamical"]))
    return xr.concat(each, "width", combine_attrs="drop")


def raises(net: Any, params: Any, task: md.Task, loss: Any, step: int, *, learning_rate: float) -> float:
    """Whether the next update raises the very loss that it descends: 1 or 0. What bounces in a valley does."""
    before = net.logits(params, task.x)
    _, pullback = net.vjp(params, task.x)
    slope = net.unflatten(pullback(loss.gradient(before, task.labels, step)))
    after = [(W - learning_rate * dW, b - learning_rate * db) for (W, b), (dW, db) in zip(params, slope, strict=True)]
    values = (loss.value(logits, task.labels, step) for logits in (before, net.logits(after, task.x)))
    return float(next(values) < next(values))


def _summarise_rates(data: xr.Dataset) -> str:
    mean = data.mean("seed")
    rows = []
    for width in data.width.values:
        for amplitude in data.amplitude.values:
            cells = mean.sel(width=width, amplitude=amplitude)
            accuracy = [f"{value:.2f}" for value in cells.validation_accuracy.values]
            bounces = [f"{value:.2f}" for value in cells.bounces.values]
            rows.append(f"H={width}, A={amplitude:g}: validation {' '.join(accuracy)}; bounces {' '.join(bounces)}")
    return f"η = {data.learning_rate.values}\n" + "\n".join(rows)


@experiment(
    "learning-rates",
    shows="static and oscillating loss at five learning rates, and how often an update raises the loss it descends",
    claims=("C5", "C7"),
    quick={"rates": (0.3, 1), "widths": (5,), "amplitude": 20, "period": 100, "seeds": range(100, 102), **SHORT},
    full={
        "rates": (0.1, 0.3, 1, 3, 10),
        "widths": WIDTHS,
        "amplitude": 20,
        "period": 50,
        "seeds": range(100, 108),
        **RECIPE,
    },
    sample={"widths": (10,), "rates": (0.3, 3), "seeds": range(100, 104)},
    summary=_summarise_rates,
)
def learning_rates(
    *,
    rates: Sequence[float],
    widths: Sequence[int],
    amplitude: float,
    period: int,
    seeds: Sequence[int],
    steps: int,
    rest: int,
    progress: bool,
) -> xr.Dataset:
    """How runs end over (learning_rate, width, amplitude, seed); amplitude 1 is the static loss.

    "bounces": the fraction of updates, of every 101st before the rest, that raise the loss they descend.
    """
    each = []
    for rate in rates:
        grid = {"width": widths, "amplitude": (1, amplitude), "period": [period], "seed": seeds}
        measure = {"raises": (101, partial(raises, learning_rate=rate))}
        settings: dict[str, Any] = {"validation": unseen, "measure": measure, "progress": progress}
        found = md.sweep(grid, steps=steps, rest=rest, learning_rate=rate, **settings)
        before = found.raises_history.sel(raises_step=slice(0, steps - rest - 1))
        each.append(kept(found).assign(bounces=before.mean("raises_step").astype(np.float32)))
    along = xr.IndexVariable("learning_rate", list(rates))
    return xr.concat(each, along, combine_attrs="drop").squeeze("period", drop=True)


@dataclass(frozen=True)
class Held:
    """A waveform that does not move: class 0 always counts `amplitude` times as much as the others."""

    amplitude: float
    classes: int = 3

    def weights(self, step: int) -> NDArray:
        raw = np.array([self.amplitude, *[1.0] * (self.classes - 1)])
        return self.classes * raw / raw.sum()


@dataclass(frozen=True)
class TurnsInOrder:
    """A waveform: `gamma`, but the classes have their turns in a given order."""

    gamma: md.Oscillation
    order: tuple[int, ...]
    classes: int = 3

    def weights(self, step: int) -> NDArray:
        turn = step // self.gamma.period
        return np.roll(self.gamma.weights(step), self.order[turn] - turn)


def with_noise(
    net: md.MLP,
    params: Any,
    task: md.Task,
    *,
    labels: float = 0.0,
    gradient: float = 0.0,
    batch: int | None = None,
    steps: int,
    seed: int,
) -> Any:
    """Where descent on the static loss arrives, at η = 1, with noise that is drawn anew for each update.

    Parameters
    ----------
    labels : float
        The fraction of labels that are replaced by random ones.
    gradient : float
        The standard deviation of what is added to each component of the gradient.
    batch : int, optional
        How many samples an update sees. (Batches that do not pass through the data epoch by epoch, as those of
        `train` do, but are compiled.)
    """
    from minidyn.training import compiled_engine as compiled  # here, for it needs numba

    random = np.random.RandomState([seed, 1])
    seen = md.Task(task.x[:batch], task.labels[:batch], task.classes)
    settings = Settings(net=net, task=seen, loss=md.CrossEntropy(), learning_rate=1.0, engine="compiled")
    engine, record = compiled.CompiledEngine(settings), Record(settings, 0, steps)
    vector, _ = flatten(net, params, task.x)
    for done in range(steps):
        if batch:
            drawn = random.choice(len(task), batch, replace=False)
            engine.replace_samples(md.Task(task.x[drawn], task.labels[drawn], task.classes))
        if labels:
            engine.replace_samples(md.Task(task.x, replaced(task, labels, random), task.classes))
        vector = engine.update(State(vector, done, vector), done + 1, record).vector
        if gradient:
            vector -= gradient * random.randn(net.size)
    return net.unflatten(vector)


def replaced(task: md.Task, fraction: float, random: np.random.RandomState) -> NDArray:
    """The labels of a task, of which a fraction is replaced by random ones."""
    drawn = random.randint(task.classes, size=len(task))
    return np.where(random.rand(len(task)) < fraction, drawn, task.labels)


def _control(
    kind: str, strength: float, width: int, seed: int, amplitude: float, period: int, steps: int, rest: int
) -> dict[str, float]:
    """How one run ends: disturbed, and then `rest` steps of the static loss."""
    net, task, static, disturbed = md.MLP(2, width, 3), md.spiral(), md.CrossEntropy(), steps - rest
    params: Any = net.init(seed)
    settings: dict[str, Any] = {"learning_rate": 1.0, "progress": False}
    gamma = md.Oscillation(amplitude, period)
    order = tuple(np.random.RandomState([seed, 1]).randint(3, size=disturbed // period + 1))
    moving: dict[str, Any] = {
        "static": None,
        "oscillation": gamma,
        "random turns": TurnsInOrder(gamma, order),
        "one class held": Held(amplitude),
    }
    if kind in moving:
        params = md.train(net, params, task, md.CrossEntropy(moving[kind]), steps=disturbed, **settings).params
    else:
        noise = {"label noise": "labels", "gradient noise": "gradient", "mini-batches": "batch"}[kind]
        what: dict[str, Any] = {noise: strength}
        params = with_noise(net, params, task, steps=disturbed, seed=seed, **what)
    run = md.train(net, params, task, static, steps=rest, **settings)
    new = unseen(0.2, VALIDATION_SEED_OFFSET)
    return {
        "accuracy": float(run.history.accuracy[-1]),
        "validation_accuracy": float((net.logits(run.params, new.x).argmax(axis=1) == new.labels).mean()),
        "static_loss": float(run.history.static_loss[-1]),
        "sharpness": float(md.hessian_eigenvalues(net, run.params, task, static).values[0]),
    }


def _summarise_controls(data: xr.Dataset) -> str:
    gain = data.validation_accuracy - data.validation_accuracy.sel(control="static")
    return "\n".join(
        f"H={width}, {control}: validation {float(data.validation_accuracy.sel(cell).mean()):.3f}, "
        f"over static {spell(interval(gain.sel(cell), 'seed'))}"
        for width in data.width.values
        for control in data.control.values
        for cell in [{"width": width, "control": control}]
    )


@experiment(
    "controls",
    shows="other ways to disturb the static loss, as many updates: fixed weights, random turns, noise, mini-batches",
    claims=("C5", "C7"),
    quick={
        "controls": (
            ("static", 0),
            ("one class held", 0),
            ("random turns", 0),
            ("label noise", 0.1),
            ("mini-batches", 30),
        ),
        "widths": (5,),
        "seeds": range(100, 102),
        "amplitude": 20,
        "period": 100,
        **SHORT,
    },
    full={
        "controls": (
            ("static", 0),
            ("oscillation", 0),
            ("random turns", 0),
            ("one class held", 0),
            ("label noise", 0.1),
            ("label noise", 0.3),
            ("gradient noise", 0.003),
            ("gradient noise", 0.01),
            ("mini-batches", 30),
        ),
        "widths": WIDTHS,
        "seeds": range(100, 110),
        "amplitude": 20,
        "period": 50,
        **RECIPE,
    },
    sample={"widths": (10,), "seeds": range(100, 102)},
    summary=_summarise_controls,
)
def controls(
    *,
    controls: Sequence[tuple[str, float]],
    widths: Sequence[int],
    seeds: Sequence[int],
    amplitude: float,
    period: int,
    steps: int,
    rest: int,
    progress: bool,
) -> xr.Dataset:
    """How runs end over (control, width, seed). Every run ends with `rest` undisturbed steps of the static loss."""
    cells = [(*control, width, seed) for control in controls for width in widths for seed in seeds]
    runs = [(*cell, amplitude, period, steps, rest) for cell in cells]
    found = in_parallel(_control, runs, "controls", progress)
    names = [f"{kind} {strength:g}" if strength else kind for kind, strength in controls]
    shape = len(names), len(widths), len(seeds)
    coords = {"control": names, "width": list(widths), "seed": list(seeds)}
    values = {name: np.reshape([result[name] for result in found], shape).astype(np.float32) for name in KEPT}
    return xr.Dataset({name: (tuple(coords), value) for name, value in values.items()}, coords)


def advice(classes: int) -> tuple[float, int]:
    """Amplitude and period to try first, read off the spirals' phase diagrams before the grid on digits was run.

    At its peak the class whose turn it is has ten elevenths of all weight: A = 10 (C - 1), which is 20 for three
    classes. Turns are short: 50 updates, at the learning rate at which the static loss ends lowest.

    Examples
    --------
    >>> from minidyn.experiments.learning import advice
    >>> advice(3)
    (20, 50)
    """
    return 10 * (classes - 1), 50


def digits(noise: float, seed: int) -> md.Task:
    """200 of scikit-learn's handwritten digits, 8 x 8 pixels in 0..1, drawn by seed (noise: not used)."""
    return _digits(seed)[0]


def other_digits(noise: float, seed: int) -> md.Task:
    """The digits that `digits` left out for the same cell of a sweep."""
    return _digits(seed - VALIDATION_SEED_OFFSET)[1]


def _digits(seed: int) -> tuple[md.Task, md.Task]:
    from sklearn.datasets import load_digits

    x, labels = load_digits(return_X_y=True)
    order = np.random.RandomState(seed).permutation(len(x))
    few, others = (md.Task(x[part] / 16, labels[part], 10) for part in (order[:200], order[200:]))
    return few, others


def _summarise_digits(data: xr.Dataset) -> str:
    mean = data.validation_accuracy.mean(["data_seed", "seed"])
    static = mean.sel(amplitude=1).isel(period=0)
    tilted = mean.drop_sel(amplitude=1)
    best = tilted.stack(cell=("learning_rate", "amplitude", "period")).idxmax("cell").item()
    return (
        f"static {float(static.max()):.3f} at η={float(static.idxmax()):g}; best cell {float(tilted.max()):.3f} at "
        f"η={best[0]:g}, A={best[1]:g}, T={best[2]:g}"
    )


@experiment(
    "digits-advice",
    shows="200 handwritten digits, ten hidden units: a grid of amplitudes, periods and learning rates",
    claims=("C2",),
    quick={
        "rates": (0.1, 0.3),
        "amplitudes": (10,),
        "periods": (100,),
        "data_seeds": (0,),
        "seeds": (0, 1),
        "steps": 200,
        "rest": 50,
    },
    full={
        "rates": (0.1, 0.3, 1),
        "amplitudes": (3, 9, 30, 90, 270),
        "periods": (20, 50, 100, 250, 1000),
        "data_seeds": range(6),
        "seeds": (0, 1),
        "steps": 4000,
        "rest": 500,
    },
    sample={"rates": (0.1,), "amplitudes": (9,), "periods": (100, 250)},
    summary=_summarise_digits,
)
def digits_advice(
    *,
    rates: Sequence[float],
    amplitudes: Sequence[float],
    periods: Sequence[int],
    data_seeds: Sequence[int],
    seeds: Sequence[int],
    steps: int,
    rest: int,
    progress: bool,
) -> xr.Dataset:
    """How runs end over (learning_rate, amplitude, period, data_seed, seed); amplitude 1 is the static loss."""
    grid = {"width": [10], "learning_rate": rates, "amplitude": (1, *amplitudes), "period": periods}
    grid |= {"data_seed": data_seeds, "seed": seeds}
    settings: dict[str, Any] = {"task": digits, "validation": other_digits, "progress": progress}
    return kept(md.sweep(grid, steps=steps, rest=rest, **settings)).squeeze("width", drop=True)
