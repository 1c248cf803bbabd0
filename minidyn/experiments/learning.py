"""What the oscillation buys: grids of runs over amplitude and period, and the gains on seeds and data not chosen on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

import minidyn as md
from minidyn.experiments.registry import experiment

WIDTHS = (10, 30, 100)  # named before any of this was run
AMPLITUDES = (2, 3, 5, 10, 20, 40, 70, 140)
PERIODS = (50, 100, 250, 500, 1000, 2500, 5000, 10000)
RECIPE = {"steps": 35000, "rest": 5000}  # the same compute for every run; the last steps at Γ = 1
SHORT = {"steps": 1200, "rest": 200}
KEPT = ("accuracy", "validation_accuracy", "static_loss", "sharpness")


def unseen(noise: float, seed: int) -> md.Task:
    """Ten times the spiral's points, so that the validation accuracy is known to half a per cent."""
    return md.spiral(1000, noise=noise, seed=seed)


def run_grid(grid: Mapping[str, Sequence], *, steps: int, rest: int, progress: bool) -> xr.Dataset:
    """How every run of a grid ends, on the spirals, at η = 1 unless the grid names it."""
    found = md.sweep(grid, steps=steps, rest=rest, validation=unseen, progress=progress)
    table = found[[*KEPT]].astype(np.float32)
    return table.assign(diverged=found.diverged.astype(np.int8))


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
