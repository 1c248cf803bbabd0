"""Loss and sharpness along static training, for several widths and learning rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

import minidyn as md
from minidyn.experiments.registry import experiment
from minidyn.experiments.statistics import format_mean, trained


def _summarise(data: xr.Dataset) -> str:
    end = data.isel(step=slice(-30, None)).mean("step")
    return "\n".join(
        f"H={width}, η={rate:g}: loss {format_mean(cell.static_loss, '.3f')}, λ_max {format_mean(cell.sharpness)}, "
        f"η λ_max {rate * float(cell.sharpness.mean()):.2f}, trained {int(trained(cell).sum())}"
        for width in data.width.values
        for rate in data.learning_rate.values
        for cell in [end.sel(width=width, learning_rate=rate)]
    )


@experiment(
    "size-and-rate",
    shows="loss and sharpness along static training: three widths and two learning rates",
    claims=("C9",),
    quick={"widths": (5, 10), "seeds": range(2), "steps": 3500},
    sample={"widths": (10,)},
    summary=_summarise,
)
def size_and_rate(
    *,
    widths: Sequence[int] = (10, 50, 200),
    rates: Sequence[float] = (0.3, 1),
    seeds: Sequence[int] = range(20),
    steps: int = 25000,
) -> xr.Dataset:
    """Loss, accuracy and λ_max of cross-entropy at every 101st update, over (width, learning_rate, seed, step)."""
    grid = {"width": widths, "learning_rate": rates, "seed": seeds}
    sweep = md.sweep(grid, steps=steps, measure={"static_loss": 101, "accuracy": 101, "hessian_max": 101})
    sources = {"static_loss": "static_loss", "accuracy": "accuracy", "sharpness": "hessian_max"}
    series = {
        name: sweep[f"{source}_history"].rename({f"{source}_step": "step"}).astype(np.float32)
        for name, source in sources.items()
    }
    return xr.Dataset(series).assign(diverged=sweep.diverged.astype(np.int8))
