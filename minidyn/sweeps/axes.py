"""What a grid may vary: its axes, the settings of a cell, and their checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from minidyn import _checks as check
from minidyn.activations import ACTIVATIONS
from minidyn.losses import CrossEntropy, Loss, SquaredError
from minidyn.oscillation import Oscillation
from minidyn.sweeps.datasets import VALIDATION_SEED_OFFSET

LOSSES: dict[str, Callable[[Oscillation | None], Loss]] = {
    "cross_entropy": CrossEntropy,
    "mse_sample": lambda gamma: SquaredError(gamma, weighting="sample"),
    "mse_output": lambda gamma: SquaredError(gamma, weighting="output"),
}
SEEDS = 2**32
AXES: dict[str, Callable[[str, Any], Any]] = {
    "amplitude": lambda name, value: check.real(name, value, least=1),
    "period": lambda name, value: check.integer(name, value, least=1),
    "width": lambda name, value: check.integer(name, value, least=1),
    "learning_rate": lambda name, value: check.real(name, value, above=0),
    "activation": lambda name, value: check.choice(name, value, tuple(ACTIVATIONS)),
    "noise": lambda name, value: check.real(name, value, least=0),
    "loss": lambda name, value: check.choice(name, value, tuple(LOSSES)),
    "seed": lambda name, value: check.integer(name, value, least=0, most=SEEDS - 1),
    "data_seed": lambda name, value: check.integer(name, value, least=0, most=SEEDS - 1 - VALIDATION_SEED_OFFSET),
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The settings of one run. The period of an amplitude of 1 is None, since it makes no difference."""

    amplitude: float = 1.0
    period: int | None = None
    width: int = 100
    noise: float = 0.2
    seed: int = 0
    data_seed: int = 0
    activation: str = "relu"
    loss: str
    learning_rate: float


def checked_value(name: str, value: Any) -> Any:
    """The value of an axis, or of the argument that stands for it, in the type that it has in a cell."""
    return AXES[name](name, value)


def checked_axes(grid: Any) -> dict[str, list[Any]]:
    """The axes of a grid, with their values checked."""
    if not isinstance(grid, Mapping) or not grid:
        raise TypeError(f"grid must map names to lists of values, got {grid!r:.80}")
    for name in grid:
        if name not in AXES:
            raise ValueError(f"grid has an unknown axis {name!r:.80}; its axes may be {', '.join(map(repr, AXES))}")
    axes = {name: _checked_values(name, values) for name, values in grid.items()}
    _check_period(axes)
    return axes


def _checked_values(name: str, values: Any) -> list[Any]:
    if isinstance(values, Iterator):
        raise TypeError(f"grid[{name!r}] must be a list, not an iterator, which can be read only once: got {values!r}")
    if isinstance(values, str | Mapping) or not np.iterable(values) or not len(list(values)):
        raise ValueError(f"grid[{name!r}] must be a list of at least one value, got {values!r:.80}")
    checked = [checked_value(name, value) for value in values]
    if len(set(checked)) < len(checked):
        raise ValueError(f"grid[{name!r}] must hold different values, got {values!r:.80}")
    return checked


def _check_period(axes: Mapping[str, list[Any]]) -> None:
    """Raise a ValueError if an amplitude lacks the period, or a period the amplitude, with which it acts."""
    amplitudes = axes.get("amplitude", [Cell.amplitude])
    if "period" not in axes and max(amplitudes) > 1:
        raise ValueError("grid must name the period where an amplitude exceeds 1, got none")
    if "period" in axes and max(amplitudes) == 1:
        raise ValueError(
            f"grid['period'] makes no difference without an amplitude above 1: leave it out, or name amplitudes; "
            f"got period {axes['period']!r:.80} and amplitude {amplitudes}"
        )


def cells(axes: Mapping[str, list[Any]], **settings: Any) -> list[Cell]:
    """The cells of a grid, in its order; what is not in the grid is in the settings, or the default."""
    cells = [Cell(**{**settings, **dict(zip(axes, values, strict=True))}) for values in product(*axes.values())]
    for amplitude, period in {(cell.amplitude, cell.period) for cell in cells if cell.amplitude > 1}:
        Oscillation(amplitude, period or 0)  # raises if it would not oscillate
    return [replace(cell, period=None) if cell.amplitude == 1 else cell for cell in cells]
