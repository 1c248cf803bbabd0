"""Checks of arguments: each error names the argument, its value and what is allowed."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection
from typing import Any

import numpy as np


def integer(name: str, value: Any, *, least: int | None = None, most: int | None = None) -> int:
    """`value` as a Python int between `least` and `most`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    _bounds(name, value, "an integer", least, most)
    return int(value)


def real(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
) -> float:
    """`value` as a finite float between `least` and `most`, or strictly above `above`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    if not math.isfinite(value) or (above is not None and value <= above):
        limit = "" if above is None else f" > {above}"
        raise ValueError(f"{name} must be a finite number{limit}, got {value!r}")
    _bounds(name, value, "a finite number", least, most)
    return float(value)


def choice(name: str, value: Any, allowed: Collection[Any]) -> Any:
    """`value`, which must be one of `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


def array(name: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """`value` as a float64 array of finite numbers; None in `shape` allows any length."""
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an array of numbers, got {value!r:.80}") from None
    if found.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, found.shape, strict=True)):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(f"{name} must have shape ({wanted}), got {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError(
            f"{name} must be finite, got {np.count_nonzero(~np.isfinite(found))} entries that are not"
        )
    return found


def _bounds(name: str, value: Any, kind: str, least: float | None, most: float | None) -> None:
    if (least is not None and value < least) or (most is not None and value > most):
        low = "" if least is None else f" >= {least}"
        high = "" if most is None else f"{' and' if low else ''} <= {most}"
        raise ValueError(f"{name} must be {kind}{low}{high}, got {value!r}")
