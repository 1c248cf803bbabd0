"""Checks of arguments: each error names the argument, its value and what is allowed."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

LARGEST = 2**53  # up to here a float64 holds every integer
REAL = "biuf"  # the kinds of NumPy types that are real numbers


def integer(name: str, value: Any, *, least: int | None = None, most: int | None = None) -> int:
    """`value` as a Python int between `least` and `most`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {value!r:.80}")
    value = int(value)
    if most is None and value > LARGEST:
        most = LARGEST
    _bounds(name, value, "an integer", least, most)
    return value


def steps(name: str, value: Any) -> np.ndarray:
    """`value` as an array of int64, without or with one dimension, of steps of the clock: at least 0."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise TypeError(f"{name} must be an integer or a one-dimensional array of integers, got {value!r:.80}")
    for extreme in (array.min(), array.max()) if array.size else ():
        _bounds(name, int(extreme), "an integer", 0, LARGEST if extreme > LARGEST else None)
    return array.astype(np.int64)


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
        raise TypeError(f"{name} must be a real number, got {value!r:.80}")
    try:
        number = float(value)
    except OverflowError:  # a Python integer beyond 1.8e308
        number = math.inf
    if not math.isfinite(number) or (above is not None and number <= above):
        limit = "" if above is None else f" > {above}"
        raise ValueError(f"{name} must be a finite number{limit}, got {value!r:.80}")
    _bounds(name, number, "a finite number", least, most, got=value)
    return number


def choice(name: str, value: Any, allowed: Collection[Any]) -> Any:
    """`value`, which must be one of `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r:.80}")
    return value


def array(name: str, value: Any, shape: tuple[int | None, ...] | None) -> np.ndarray:
    """`value` as a float64 array of finite numbers; None in `shape` allows any length, None for it any shape."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in REAL:
        raise TypeError(f"{name} must be an array of real numbers, got {value!r:.80}")
    array = array.astype(np.float64, copy=False)
    if shape is not None and not _fits(array.shape, shape):
        expected = str(shape).replace("None", "any")
        raise ValueError(f"{name} must have shape {expected}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {np.count_nonzero(~np.isfinite(array))} entries that are not")
    return array


def path(name: str, value: Any) -> Path:
    """`value` as a Path."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path, got {value!r:.80}")
    return Path(value)


def memory(what: str, count: int) -> None:
    """Raise a MemoryError, before any work, if `count` float64 numbers exceed the memory that is left."""
    needed, left = 8 * count, available_memory()
    if needed > left:
        raise MemoryError(f"{what} needs about {needed / 2**30:,.1f} GiB of memory, and {left / 2**30:,.1f} are left")


def available_memory() -> float:
    """Bytes that this process may still use, as far as the system tells; otherwise infinity."""
    left = [1024 * _number(line) for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
    limits = [float(line) for line in _lines(f"{CGROUP}/memory.max") if line != "max"]
    used = sum(_number(line) for line in _lines(f"{CGROUP}/memory.stat") if line.startswith("anon "))
    return min(left + [limit - used for limit in limits], default=math.inf)


CGROUP = "/sys/fs/cgroup"  # where Linux keeps the limits of this process, if it runs in a container


def _number(line: str) -> float:
    return float(line.split()[1])


def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text().splitlines()
    except OSError:
        return []


def _fits(shape: tuple[int, ...], pattern: tuple[int | None, ...]) -> bool:
    return len(shape) == len(pattern) and all(n in (None, m) for n, m in zip(pattern, shape, strict=True))


def _bounds(name: str, value: Any, kind: str, least: float | None, most: float | None, got: Any = None) -> None:
    if (least is not None and value < least) or (most is not None and value > most):
        low = "" if least is None else f" >= {least}"
        high = "" if most is None else f"{' and' if low else ''} <= {most}"
        raise ValueError(f"{name} must be {kind}{low}{high}, got {value if got is None else got!r}")
