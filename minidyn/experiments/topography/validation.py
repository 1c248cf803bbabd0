"""Three dynamical losses over width, amplitude and period, and pairs of runs on seeds and data not chosen on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from minidyn.experiments.grids import FULL, SHORT, Budget, run_grid
from minidyn.experiments.registry import experiment
from minidyn.experiments.statistics import PairedGain, format_interval, paired_gain
from minidyn.experiments.topography.losses import NAMES, static_name

WIDTHS = (5, 10, 25, 50, 100, 200, 400)
AMPLITUDES, PERIODS = (5, 20, 70), (100, 500, 2500)  # fixed before any of this was run
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


def validation_gain(pairs: xr.Dataset) -> PairedGain:
    """The gain of a part of "held-out-losses", over "kind" ("static", "dynamical"), "data_seed" and "seed"."""
    return paired_gain(pairs.sel(kind="static"), pairs.sel(kind="dynamical"))


def _summarise_grid(data: xr.Dataset) -> str:
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
    summary=_summarise_grid,
)
def loss_grid(
    *,
    widths: Sequence[int] = WIDTHS,
    amplitudes: Sequence[float] = AMPLITUDES,
    periods: Sequence[int] = PERIODS,
    seeds: Sequence[int] = range(5),
    budget: Budget = FULL,
) -> xr.Dataset:
    """How runs end over (loss, width, amplitude, period, seed); amplitude 1 is the static loss."""
    grid = {"loss": tuple(NAMES), "width": widths, "amplitude": (1, *amplitudes), "period": periods, "seed": seeds}
    return run_grid(grid, budget)


def _summarise_pairs(data: xr.Dataset) -> str:
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
    summary=_summarise_pairs,
)
def validation_pairs(
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
