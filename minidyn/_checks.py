"""Checks of arguments: each error names the argument, its value and what is allowed."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection
from typing import Any

import numpy as np

LARGEST = 2**53  # up to here a float64 holds every integer


def integer(name: str, value: Any, *, least: int | None = None, most: int | None = None) -> int:
    """`value` as a Python int between `least` and `most`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    value = int(value)
    if most is None and value > LARGEST:
        most = LARGEST
    _bounds(name, value, "an integer", least, most)
    return value


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
    try:
        number = float(value)
    except OverflowError:  # a Python integer beyond 1.8e308
        number = math.inf
    if not math.isfinite(number) or (above is not None and number <= above):
        limit = "" if above is None else f" > {above}"
        raise ValueError(f"{name} must be a finite number{limit}, got {value!r:.80}")
    _bounds(name, value, "a finite number", least, most)
    return number


def choice(name: str, value: Any, allowed: Collection[Any]) -> Any:
    """`value`, which must be one of `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


def array(name: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """`value` as a float64 array of finite numbers; None in `shape` allows any length."""
    try:
        found = np.asarray(value)
    except ValueError:  # rows of different lengths
        found = np.asarray(None)
    if found.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of real numbers, got {value!r:.80}")
    found = found.astype(np.float64, copy=False)
    if found.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, found.shape, strict=True)):
        wanted = str(shape).replace("None", "any")
        raise ValueError(f"{name} must have shape {wanted}, got {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite, got {np.count_nonzero(~np.isfinite(found))} entries that are not")
    return found


def _bounds(name: str, value: Any, kind: str, least: float | None, most: float | None) -> None:
    if (least is not None and value < least) or (most is not None and value > most):
        low = "" if least is None else f" >= {least}"
        high = "" if most is None else f"{' and' if low else ''} <= {most}"
        raise ValueError(f"{name} must be {kind}{low}{high}, got {value!r}")
