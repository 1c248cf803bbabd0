"""The second paper on dynamical losses: widths, learning rates, and squared errors that oscillate."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from minidyn.experiments.learning import RECIPE, SHORT, run_grid
from minidyn.experiments.registry import experiment

LOSSES = ("cross_entropy", "mse_sample", "mse_output")  # DCE, DMSE1, DMSE2; static at amplitude 1
WIDTHS = (5, 10, 25, 50, 100, 200, 400)
AMPLITUDES, PERIODS = (5, 20, 70), (100, 500, 2500)  # fixed before any of this was run


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
    grid = {"loss": LOSSES, "width": widths, "amplitude": (1, *amplitudes), "period": periods, "seed": seeds}
    return run_grid(grid, steps=steps, rest=rest, progress=progress)
