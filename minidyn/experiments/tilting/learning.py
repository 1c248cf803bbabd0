"""What the oscillation gains: grids over amplitude and period, and pairs of runs on seeds and data not chosen on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

import minidyn as md
from minidyn import _renamed
from minidyn._digits import handwritten_digits
from minidyn.experiments.grids import FULL, SHORT, Budget, run_ends, run_grid, table_of_ends, validation_spirals
from minidyn.experiments.parallel import in_parallel
from minidyn.experiments.registry import experiment
from minidyn.experiments.statistics import PairedGain, best_cell, format_interval, interval, paired_gain, trained
from minidyn.experiments.tilting.disturbances import DisturbedRun, update_increases_loss
from minidyn.experiments.topography.losses import NAMES, static_name
from minidyn.sweeps import VALIDATION_SEED_OFFSET

WIDTHS = (10, 30, 100)  # named before any of this was run
AMPLITUDES = (2, 3, 5, 10, 20, 40, 70, 140)
PERIODS = (50, 100, 250, 500, 1000, 2500, 5000, 10000)
CHOSEN: dict[int, tuple[float, int]] = {  # the best cells of "phase-diagram"; for 50, as for its neighbours
    10: (40, 250),
    30: (20, 50),
    50: (20, 50),
    100: (20, 50),
}

LOSS_WIDTHS = (5, 10, 25, 50, 100, 200, 400)
LOSS_AMPLITUDES, LOSS_PERIODS = (5, 20, 70), (100, 500, 2500)  # fixed before any of this was run
Cells = Mapping[int, tuple[float, int]]  # amplitude and period for each width
CHOICES: dict[str, Cells] = {  # the best cells of "loss-grid"
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

DIGITS_BUDGET = Budget(steps=4000, rest=500)

_renamed.names(
    __name__,
    TRAINED="minidyn.experiments.statistics.TRAINED",
    digits_advice="minidyn.experiments.tilting.learning.digits_grid",
    held_out="minidyn.experiments.tilting.learning.validation_pairs",
    advice="minidyn.experiments.tilting.learning.suggested_settings",
    gains="minidyn.experiments.statistics.paired_gain",
    kept="minidyn.experiments.grids.run_ends",
    raises="minidyn.experiments.tilting.learning.update_increases_loss",
    spell="minidyn.experiments.statistics.format_interval",
    unseen="minidyn.experiments.grids.validation_spirals",
)


def _summarise_diagram(data: xr.Dataset) -> str:
    rows = []
    for width in data.width.values:
        diagram = data.sel(width=width)
        mean, cell = diagram.validation_accuracy.mean("seed"), best_cell(diagram)
        rows.append(
            f"H={width}: static {float(mean.sel(amplitude=1)[0]):.3f}, best {float(mean.max()):.3f} at "
            f"A={cell.amplitude:g}, T={cell.period}"
        )
    return "\n".join(rows)


@experiment(
    "phase-diagram",
    shows="accuracy and sharpness at the end over amplitude and period, three widths",
    claims=("C1", "C2", "C6", "C7"),
    quick={"widths": (5, 10), "amplitudes": (5, 20), "periods": (100, 500), "seeds": range(2), **SHORT},
    sample={"widths": (10,), "amplitudes": (3,), "periods": (100,)},
    summary=_summarise_diagram,
)
def phase_diagram(
    *,
    widths: Sequence[int] = WIDTHS,
    amplitudes: Sequence[float] = AMPLITUDES,
    periods: Sequence[int] = PERIODS,
    seeds: Sequence[int] = range(10),
    budget: Budget = FULL,
) -> xr.Dataset:
    """How runs end over (width, amplitude, period, seed); amplitude 1 is the static loss, the same for every period."""
    grid = {"width": widths, "amplitude": (1, *amplitudes), "period": periods, "seed": seeds}
    return run_grid(grid, budget)


def _summarise_pairs(data: xr.Dataset) -> str:
    rows = []
    for width in data.width.values:
        static, dynamical = data.sel(loss="static", width=width), data.sel(loss="dynamical", width=width)
        gain = dynamical.validation_accuracy - static.validation_accuracy
        where_static_trains = interval(gain.where(trained(static)), "data_seed")
        pairs = paired_gain(static, dynamical)
        rows.append(
            f"H={width}: validation {format_interval(pairs.overall)}; where the static run trains "
            f"{format_interval(where_static_trains)}; trained: {pairs.trained.static} static, "
            f"{pairs.trained.dynamical} dynamical of {pairs.trained.pairs}"
        )
    return "\n".join(rows)


@experiment(
    "held-out",
    shows="the amplitude and period that the phase diagram chose, against the static loss, on other seeds and data",
    claims=("C1", "C2", "C6", "C7"),
    quick={"chosen": {5: (5, 100), 10: (20, 500)}, "data_seeds": (1, 2), "seeds": range(100, 102), **SHORT},
    sample={"chosen": {10: CHOSEN[10]}, "data_seeds": (1, 2)},
    summary=_summarise_pairs,
)
def validation_pairs(
    *,
    chosen: Mapping[int, tuple[float, int]] = CHOSEN,
    data_seeds: Sequence[int] = range(1, 13),
    seeds: Sequence[int] = range(100, 110),
    budget: Budget = FULL,
) -> xr.Dataset:
    """How pairs of runs end, over (width, loss, data_seed, seed): the same weights and samples under both losses."""
    tables = []
    for width, (amplitude, period) in chosen.items():
        grid = {"width": [width], "amplitude": (1, amplitude), "period": [period]}
        pairs = run_grid({**grid, "data_seed": data_seeds, "seed": seeds}, budget).squeeze("period", drop=True)
        tables.append(pairs.rename(amplitude="loss").assign_coords(loss=["static", "dynamical"]))
    return xr.concat(tables, "width", combine_attrs="drop")


def validation_gain(pairs: xr.Dataset) -> PairedGain:
    """The gain of a part of "held-out-losses", over "kind" ("static", "dynamical"), "data_seed" and "seed"."""
    return paired_gain(pairs.sel(kind="static"), pairs.sel(kind="dynamical"))


def _summarise_loss_grid(data: xr.Dataset) -> str:
    mean = data.validation_accuracy.mean("seed")
    static = mean.sel(amplitude=1).isel(period=0)
    best = mean.drop_sel(amplitude=1).max(["amplitude", "period"])
    return "\n".join(
        f"{loss}, H={width}: static {float(static.sel(cell)):.3f}, best cell {float(best.sel(cell)):.3f}"
        for loss in data.loss.values
        for width in data.width.values
        for cell in [{"loss": loss, "width": width}]
    )


@experiment(
    "loss-grid",
    shows="three losses over width, amplitude and period, on the seeds that A and T are chosen on",
    claims=("C10",),
    quick={"widths": (5, 10), "amplitudes": (5,), "periods": (100, 500), "seeds": range(2), **SHORT},
    sample={"widths": (5,), "amplitudes": (5,), "periods": (500,)},
    summary=_summarise_loss_grid,
)
def loss_grid(
    *,
    widths: Sequence[int] = LOSS_WIDTHS,
    amplitudes: Sequence[float] = LOSS_AMPLITUDES,
    periods: Sequence[int] = LOSS_PERIODS,
    seeds: Sequence[int] = range(5),
    budget: Budget = FULL,
) -> xr.Dataset:
    """How runs end over (loss, width, amplitude, period, seed); amplitude 1 is the static loss."""
    grid = {"loss": tuple(NAMES), "width": widths, "amplitude": (1, *amplitudes), "period": periods, "seed": seeds}
    return run_grid(grid, budget)


def _summarise_loss_pairs(data: xr.Dataset) -> str:
    rows = []
    for loss in data.loss.values:
        for width in data.width.values:
            gain = validation_gain(data.sel(loss=loss, width=width))
            counts = gain.trained
            rows.append(
                f"{loss}, H={width}: validation {format_interval(gain.overall)}; trained {counts.static} static, "
                f"{counts.dynamical} dynamical of {counts.pairs}; where both train ({counts.both}) "
                f"{format_interval(gain.where_both_train)}"
            )
    return "\n".join(rows)


@experiment(
    "held-out-losses",
    shows="three dynamical losses against their static ones over width, A and T from the grid, on other seeds and data",
    claims=("C10",),
    quick={"choices": {"mse_output": {5: (5, 100)}}, "data_seeds": (1, 2), "seeds": (100,), **SHORT},
    sample={"choices": {"cross_entropy": {10: CHOICES["cross_entropy"][10]}}, "data_seeds": (1, 2)},
    summary=_summarise_loss_pairs,
)
def loss_pairs(
    *,
    choices: Mapping[str, Cells] = CHOICES,
    data_seeds: Sequence[int] = range(1, 11),
    seeds: Sequence[int] = (100, 101),
    budget: Budget = FULL,
) -> xr.Dataset:
    """How pairs of runs end, over (loss, kind, width, data_seed, seed): the same weights and samples."""
    pairs = {"data_seed": data_seeds, "seed": seeds}
    static_names = sorted({static_name(loss) for loss in choices})
    static = run_grid({"loss": static_names, "width": list(next(iter(choices.values()))), **pairs}, budget)
    kinds = xr.IndexVariable("kind", ["static", "dynamical"])
    tables = []
    for loss, cells in choices.items():
        static_ends = static.sel(loss=[static_name(loss)]).assign_coords(loss=[loss])
        tables.append(xr.concat([static_ends, _at_choice(loss, cells, pairs, budget)], kinds, combine_attrs="drop"))
    return xr.concat(tables, "loss", combine_attrs="drop")


def _at_choice(loss: str, cells: Cells, pairs: Mapping[str, Sequence[int]], budget: Budget) -> xr.Dataset:
    """How the runs of a dynamical loss end at the amplitude and period of each width."""
    ends = []
    for width, (amplitude, period) in cells.items():
        grid: dict[str, Sequence[Any]] = {"loss": [loss], "width": [width], "amplitude": [amplitude]}
        ends.append(run_grid({**grid, "period": [period], **pairs}, budget).squeeze(["amplitude", "period"], drop=True))
    return xr.concat(ends, "width", combine_attrs="drop")


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
    shows="static and dynamical loss at five learning rates, and how often an update increases the loss it descends",
    claims=("C1", "C5", "C7"),
    quick={"rates": (0.3, 1), "widths": (5,), "period": 100, "seeds": range(100, 102), **SHORT},
    sample={"widths": (10,), "rates": (0.3, 3), "seeds": range(100, 104)},
    summary=_summarise_rates,
)
def learning_rates(
    *,
    rates: Sequence[float] = (0.1, 0.3, 1, 3, 10),
    widths: Sequence[int] = WIDTHS,
    amplitude: float = 20,
    period: int = 50,
    seeds: Sequence[int] = range(100, 108),
    budget: Budget = FULL,
) -> xr.Dataset:
    """How runs end over (learning_rate, width, amplitude, seed); amplitude 1 is the static loss.

    "bounces": the fraction of updates, of every 101st before the rest, that increase the loss they descend.
    """
    grid = {"width": widths, "amplitude": (1, amplitude), "period": [period], "seed": seeds}
    index = xr.IndexVariable("learning_rate", list(rates))
    tables = [_at_rate(grid, rate, budget) for rate in rates]
    return xr.concat(tables, index, combine_attrs="drop").squeeze("period", drop=True)


def _at_rate(grid: Mapping[str, Sequence[Any]], rate: float, budget: Budget) -> xr.Dataset:
    sweep = md.sweep(
        grid,
        steps=budget.steps,
        rest=budget.rest,
        learning_rate=rate,
        validation=validation_spirals,
        measure={"raises": (101, partial(update_increases_loss, learning_rate=rate))},
    )
    before_rest = sweep.raises_history.sel(raises_step=slice(0, budget.steps - budget.rest - 1))
    return run_ends(sweep).assign(bounces=before_rest.mean("raises_step").astype(np.float32))


def _summarise_controls(data: xr.Dataset) -> str:
    gain = data.validation_accuracy - data.validation_accuracy.sel(control="static")
    return "\n".join(
        f"H={width}, {control}: validation {float(data.validation_accuracy.sel(cell).mean()):.3f}, "
        f"over static {format_interval(interval(gain.sel(cell), 'seed'))}"
        for width in data.width.values
        for control in data.control.values
        for cell in [{"width": width, "control": control}]
    )


@experiment(
    "controls",
    shows="other ways to disturb the static loss, as many updates: fixed weights, random turns, noise, mini-batches",
    claims=("C2", "C5", "C7"),
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
        "period": 100,
        **SHORT,
    },
    sample={"widths": (10,), "seeds": range(100, 102)},
    summary=_summarise_controls,
    needs=("numba",),
)
def controls(
    *,
    controls: Sequence[tuple[str, float]] = (
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
    widths: Sequence[int] = WIDTHS,
    seeds: Sequence[int] = range(100, 110),
    amplitude: float = 20,
    period: int = 50,
    budget: Budget = FULL,
) -> xr.Dataset:
    """How runs end over (control, width, seed). Every run ends with `rest` undisturbed updates of the static loss."""
    gamma = md.Oscillation(amplitude, period)
    runs = [
        DisturbedRun(kind=kind, strength=strength, width=width, seed=seed, gamma=gamma, budget=budget)
        for kind, strength in controls
        for width in widths
        for seed in seeds
    ]
    ends = in_parallel(DisturbedRun.ends, runs, "controls")
    names = [f"{kind} {strength:g}" if strength else kind for kind, strength in controls]
    return table_of_ends(ends, {"control": names, "width": list(widths), "seed": list(seeds)})


def suggested_settings(classes: int) -> tuple[float, int]:
    """Amplitude and period to try first, read off the spirals' phase diagrams before the grid on digits was run.

    At its peak the class of the turn has ten elevenths of all weight: A = 10 (C - 1), which is 20 for three classes.
    Turns are short: 50 updates, at the learning rate at which the static loss ends lowest.

    Examples
    --------
    >>> from minidyn.experiments.tilting.learning import suggested_settings
    >>> suggested_settings(3)
    (20, 50)
    """
    return 10 * (classes - 1), 50


def digits(noise: float, seed: int) -> md.Task:
    """200 of scikit-learn's handwritten digits, 8 x 8 pixels in 0..1, drawn by seed (noise: not used)."""
    return _split_digits(seed)[0]


def other_digits(noise: float, seed: int) -> md.Task:
    """The digits that `digits` left out for the same cell of a sweep."""
    return _split_digits(seed - VALIDATION_SEED_OFFSET)[1]


def _split_digits(seed: int) -> tuple[md.Task, md.Task]:
    images, labels = handwritten_digits()
    x, order = images.reshape(len(images), -1), np.random.RandomState(seed).permutation(len(images))
    training, validation = (md.Task(x[some] / 16, labels[some], 10) for some in (order[:200], order[200:]))
    return training, validation


def _summarise_digits(data: xr.Dataset) -> str:
    mean = data.validation_accuracy.mean(["data_seed", "seed"])
    static, dynamical = mean.sel(amplitude=1).isel(period=0), mean.drop_sel(amplitude=1)
    rate, amplitude, period = dynamical.stack(cell=("learning_rate", "amplitude", "period")).idxmax("cell").item()
    return (
        f"static {float(static.max()):.3f} at η={float(static.idxmax()):g}; best cell {float(dynamical.max()):.3f} at "
        f"η={rate:g}, A={amplitude:g}, T={period:g}"
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
        "steps": 200,
        "rest": 50,
    },
    sample={"rates": (0.1,), "amplitudes": (9,), "periods": (100, 250)},
    summary=_summarise_digits,
    needs=("sklearn",),
)
def digits_grid(
    *,
    rates: Sequence[float] = (0.1, 0.3, 1),
    amplitudes: Sequence[float] = (3, 9, 30, 90, 270),
    periods: Sequence[int] = (20, 50, 100, 250, 1000),
    data_seeds: Sequence[int] = range(6),
    seeds: Sequence[int] = (0, 1),
    budget: Budget = DIGITS_BUDGET,
) -> xr.Dataset:
    """How runs end over (learning_rate, amplitude, period, data_seed, seed); amplitude 1 is the static loss."""
    grid = {"width": (10,), "learning_rate": rates, "amplitude": (1, *amplitudes), "period": periods}
    sweep = md.sweep(
        {**grid, "data_seed": data_seeds, "seed": seeds},
        steps=budget.steps,
        rest=budget.rest,
        task=digits,
        validation=other_digits,
    )
    return run_ends(sweep).squeeze("width", drop=True)
