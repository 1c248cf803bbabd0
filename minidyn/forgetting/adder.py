"""A recurrent cell with a conditional clause that learns to add binary numbers.

The cell reads the numbers digit by digit, least significant first. At each step it receives the bits a and b and the
carry c (0 at first), takes their weighted sum z, asks one question, and answers with one of two straight lines::

    z = w . (a, b, c)
    gate = sigmoid(4 (z - theta))        the clause "if z > theta", made smooth
    (digit, carry) = gate (p[1] z + q[1]) + (1 - gate) (p[0] z + q[0])

Digits are read off by rounding; the carry is never rounded. The cell can represent addition (z = a + b + c; if
z > 1.5 the digit is z - 2 and the carry 1, else the digit is z and the carry 0), but it must find the question and both
answers from examples. It takes one step more than the longer number has digits.

The idea is that of Ruiz-Garcia, "Model architecture can transform catastrophic forgetting into positive transfer"
(Scientific Reports 12, 10736, 2022). The exact cell of the paper was not available to us: this cell, its
initialisation and its training are this book's own.

A batch of cells is trained at once, one per seed, on the leading axis. Each seed has its own random stream, so the
cells trained beside it change a cell by rounding errors only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from minidyn import _checks as check
from minidyn.forgetting import facts
from minidyn.forgetting.cell import (
    CLAUSES,
    PARAMETERS,
    Params,
    forward,
    loss,
    loss_and_gradient,
    raw_digits,
    raw_gradient,
    with_clause,
)
from minidyn.forgetting.program import Program, algorithm

__all__ = [
    "CLAUSES",
    "LEARNING_RATE",
    "PARAMETERS",
    "RANGES",
    "Params",
    "Program",
    "accuracy",
    "add",
    "algorithm",
    "harden",
    "init",
    "loss",
    "loss_and_gradient",
    "trace",
    "train",
    "trajectory",
    "update",
]

CLIP = 1.0  # longest gradient of a descent step
LEARNING_RATE = {"soft": 0.1, "hard": 0.05}
RANGES = {"w": (0.5, 1.5), "theta": (1.0, 2.0), "p": (0.0, 1.0), "q": (-0.3, 0.3)}  # uniform initial values
SIZES = {"w": 3, "theta": 1, "p": 4, "q": 4}


def init(
    seeds: int | Sequence[int], *, clause: str = "soft", ranges: Mapping[str, tuple[float, float]] | None = None
) -> Params:
    """Untrained cells.

    Parameters
    ----------
    seeds : int, or sequence of int
        One cell, or a batch of cells with different seeds.
    clause : {"soft", "hard"}
    ranges : mapping of str to (low, high), optional
        Ranges of the uniform initial values of "w", "theta", "p" or "q"; those not named keep `RANGES`.

    Returns
    -------
    Params

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> init(range(5), ranges={"theta": (0, 3)}).values.shape
    (5, 12)
    """
    return _initial(seeds, clause, ranges)[0]


def train(
    seeds: int | Sequence[int],
    *,
    steps: int = 12000,
    bits: int = 3,
    clause: str = "soft",
    learning_rate: float | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Params:
    """Train cells on random additions by plain gradient descent, with one addition per step.

    The loss of a step is the mean squared error over the bits + 1 digits of one random sum; its gradient is clipped to
    norm 1. 200 seeds and 12,000 steps take about 2 s.

    Parameters
    ----------
    seeds : int, or sequence of int
        One cell, or a batch. Each seed draws the initial parameters of its cell and then its pairs.
    steps : int
        Number of descent steps, and so of training additions.
    bits : int
        Binary digits of the training numbers, 1 to 60.
    clause : {"soft", "hard"}
        "hard": the clause is a hard "if" throughout training, and gradients flow only through the branch taken (so
        none reaches theta).
    learning_rate : float, optional
        Default: 0.1 for the soft clause, 0.05 for the hard one.
    ranges : mapping, optional
        As in `init`.

    Returns
    -------
    Params

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> cell = train(0, steps=3000)
    >>> add(cell, 25, 17)
    42
    """
    steps = check.integer("steps", steps, least=0)
    return trajectory(seeds, [steps], bits=bits, clause=clause, learning_rate=learning_rate, ranges=ranges)[steps]


def trajectory(
    seeds: int | Sequence[int],
    at: Sequence[int],
    *,
    bits: int = 3,
    clause: str = "soft",
    learning_rate: float | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> dict[int, Params]:
    """The cells after several numbers of steps of the same training.

    Parameters
    ----------
    seeds, bits, clause, learning_rate, ranges
        As in `train`.
    at : sequence of int
        Numbers of steps after which the cells are returned, in any order.

    Returns
    -------
    dict
        From each number in `at`, in rising order, to the Params after that many steps.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> list(trajectory(0, [0, 50, 100]))
    [0, 50, 100]
    """
    marks = sorted({check.integer("at", step, least=0) for step in at}) if np.iterable(at) else []
    if not marks:
        raise ValueError(f"at must hold at least one number of steps, got {at!r}")
    bits = check.integer("bits", bits, least=1, most=60)
    params, streams = _initial(seeds, clause, ranges)
    rate = LEARNING_RATE[clause] if learning_rate is None else check.real("learning_rate", learning_rate, above=0)
    pairs = np.array([stream.randint(2**bits, size=(marks[-1], 2), dtype=np.int64) for stream in streams])
    position = np.arange(bits + 1)[:, None]
    values = np.atleast_2d(params.values).T.copy()  # (12, seeds): parameters in contiguous rows
    cells = {}
    for step in range(marks[-1] + 1):
        if step in marks:
            cells[step] = replace(params, values=values.T.reshape(params.values.shape).copy())
        if step < marks[-1]:
            a, b = pairs[:, step, 0], pairs[:, step, 1]
            bits_a, bits_b, bits_sum = (number >> position & 1 for number in (a, b, a + b))
            _, gradient = raw_gradient(values, bits_a, bits_b, bits_sum, clause)
            values -= rate * gradient * _clipping(gradient)
    return cells


def update(params: Params, a: Any, b: Any, *, digits: int, learning_rate: Any = 0.1) -> Params:
    """One descent step, as in `train`, on additions of your own.

    Parameters
    ----------
    params : Params
    a, b : int for one cell, or array_like of int, shape (seeds,)
        One addition for each cell.
    digits : int
        Number of digits of the sum that count in the loss.
    learning_rate : float, or array_like of float, shape (seeds,)
        At least 0; a cell with rate 0 stays as it is.

    Returns
    -------
    Params

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.
    """
    cells = with_clause(params, None)
    rates = _rates(learning_rate, cells.values.shape[:-1])
    _, gradient = loss_and_gradient(cells, a, b, digits=digits)
    step = rates * _clipping(gradient.T)
    return replace(cells, values=cells.values - (step * gradient.T).T)


def harden(params: Params) -> Params:
    """The same cells with a hard clause: "if z > theta".

    Examples
    --------
    >>> harden(init(range(2))).clause
    'hard'
    """
    return with_clause(params, "hard")


def add(params: Params, a: Any, b: Any, *, clause: str | None = None) -> Any:
    """Add two numbers with each cell.

    Parameters
    ----------
    params : Params
    a, b : int, or sequences of n int
        Non-negative integers of any length.
    clause : {"soft", "hard"}, optional
        Default: the clause of `params`.

    Returns
    -------
    int, or ndarray of int (dtype object), shape (seeds,), (n,) or (seeds, n)
        The number with the rounded digits, or None if one of these is neither 0 nor 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> add(train(0, steps=3000), 2**100 + 5, 2**100 + 6) == 2**101 + 11
    True
    """
    first, second = facts.whole("a", a), facts.whole("b", b)
    if first.shape != second.shape or first.ndim > 1 or not first.size:
        shapes = f"{first.shape} and {second.shape}"
        raise ValueError(f"a and b must be two integers or two sequences of one length, got shapes {shapes}")
    read = np.rint(raw_digits(params, first.ravel(), second.ravel(), clause))
    sums = facts.from_binary(read == 1).astype(object)
    sums[~((read == 0) | (read == 1)).all(axis=-1)] = None
    return sums.reshape(params.values.shape[:-1] + first.shape)[()]


def accuracy(params: Params, pairs: Any, *, clause: str | None = None) -> Any:
    """Fraction of the additions of which each cell gets every digit right.

    Parameters
    ----------
    params : Params
    pairs : array_like of int, shape (n, 2)
    clause : {"soft", "hard"}, optional
        Default: the clause of `params`.

    Returns
    -------
    float, or ndarray, shape (seeds,)

    Examples
    --------
    >>> accuracy(train(range(2), steps=3000), facts.random_pairs(1000, 16))
    array([1., 1.])
    """
    pairs = facts.pair_array("pairs", pairs)
    read = np.rint(raw_digits(params, pairs[:, 0], pairs[:, 1], clause))
    target = facts.binary(pairs[:, 0] + pairs[:, 1], read.shape[-1])
    return (read == target).all(axis=-1).mean(axis=-1)[()]


def trace(params: Params, a: int, b: int, *, clause: str | None = None) -> xr.Dataset:
    """Every step of an addition.

    Parameters
    ----------
    params : Params
    a, b : int
        Non-negative integers of any length.
    clause : {"soft", "hard"}, optional
        Default: the clause of `params`.

    Returns
    -------
    xarray.Dataset
        Over "position", the place of the digit, from the least significant (and over "cell" for a batch): the bits a
        and b, carry_in, z, gate (in [0, 1]), yes (whether z > theta), digit, read (the rounded digit), right (the
        correct digit) and carry_out.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> trace(train(0, steps=3000), 3, 1).read.values.astype(int).tolist()
    [0, 0, 1]
    """
    pair = [facts.whole(name, value) for name, value in (("a", a), ("b", b))]
    if pair[0].ndim or pair[1].ndim:
        raise TypeError(f"a and b must be integers, got {a!r} and {b!r}")
    params = with_clause(params, clause)
    steps = max(int(pair[0]).bit_length(), int(pair[1]).bit_length()) + 1
    bits_a, bits_b = (facts.binary(number, steps).astype(float) for number in pair)
    carry = np.zeros(params.values.shape[:-1])
    rows = []
    for i in range(steps):
        z, gate, digit, following = forward(params, bits_a[i], bits_b[i], carry)
        rows.append((carry, z, gate, z > params.theta, digit, np.rint(digit), following))
        carry = following
    names = ("carry_in", "z", "gate", "yes", "digit", "read", "carry_out")
    dims = ("cell", "position")[-params.values.ndim :]
    data = {
        name: (dims, np.stack(column, axis=-1)) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
    right = facts.binary(int(pair[0]) + int(pair[1]), steps)
    bits = {"a": ("position", bits_a.astype(int)), "b": ("position", bits_b.astype(int)), "right": ("position", right)}
    return xr.Dataset({**bits, **data}, coords={"position": np.arange(steps)}, attrs={"clause": params.clause})


def _initial(
    seeds: Any, clause: str, ranges: Mapping[str, tuple[float, float]] | None
) -> tuple[Params, list[np.random.RandomState]]:
    """Initial cells, and the random stream of each seed, from which its pairs are drawn next."""
    clause = check.choice("clause", clause, CLAUSES)
    limits = initial_ranges(ranges)
    streams = [np.random.RandomState(seed) for seed in facts.seeds_of(seeds if np.iterable(seeds) else [seeds])]
    values = [np.concatenate([s.uniform(*limits[name], n) for name, n in SIZES.items()]) for s in streams]
    return Params(np.array(values) if np.iterable(seeds) else values[0], clause), streams


def initial_ranges(ranges: Mapping[str, tuple[float, float]] | None) -> dict[str, tuple[float, float]]:
    """The ranges from which parameters are drawn: those of `ranges`, and `RANGES` for what it does not name."""
    ranges = {} if ranges is None else ranges
    if not isinstance(ranges, Mapping):
        raise TypeError(f"ranges must be a mapping from parameters to (low, high), got {ranges!r:.80}")
    limits = {}
    for name, ends in ranges.items():
        check.choice("a key of ranges", name, RANGES)
        if np.shape(ends) != (2,):
            raise ValueError(f"ranges[{name!r}] must be two numbers, low and high, got {ends!r}")
        low, high = ends
        limits[name] = check.real(f"ranges[{name!r}]", low), check.real(f"ranges[{name!r}]", high, least=low)
    return RANGES | limits


def _rates(learning_rate: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Learning rates as an array that broadcasts against `shape`, each finite and not negative."""
    rates = np.asarray(learning_rate)
    if rates.dtype.kind not in "iuf":
        raise TypeError(f"learning_rate must be a real number, or one per cell, got {learning_rate!r:.80}")
    if rates.shape not in ((), shape):
        raise ValueError(f"learning_rate must be a number, or have shape {shape}, got shape {rates.shape}")
    if not np.isfinite(rates).all() or (rates < 0).any():
        raise ValueError(f"learning_rate must be finite and >= 0, got {learning_rate!r:.80}")
    return rates


def _clipping(gradient: np.ndarray) -> np.ndarray:
    """Factors (seeds,) that shorten gradients (12, seeds) to norm 1 at most."""
    norm = np.sqrt((gradient**2).sum(0))
    return CLIP / np.maximum(norm, CLIP)
