"""Read the program that a cell has learned, and prove that it is addition or find a counterexample.

A carry is a real number that is never rounded, so a table of the eight cases does not settle the question: small errors
could build up over a long number. The proof looks for two intervals of carries, one that means 0 and contains the first
carry, and one that means 1, such that every step from either interval gives a digit that rounds to the correct one and
a carry in the correct interval. Then every sum of numbers of any length is exact, by induction over the digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from minidyn.forgetting import facts
from minidyn.forgetting.cell import Params, forward, gate_of, raw_digits, with_clause

ROUNDS = 400  # most times that the two intervals are enlarged
PIECES = 256  # of an interval, bounded one by one
MARGIN = 1e-6  # by which the intervals grow beyond what is needed, so that the enlarging ends
ROUNDING = 1e-12  # more than the rounding errors of a step
LONGEST, WIDTH = 64, 8  # digits, and carries of each meaning, that the search for a wrong sum follows
BITS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
TOTALS = np.concatenate([BITS.sum(1), BITS.sum(1) + 1])  # of the eight cases: carry 0, then carry 1
PARITY, CARRIES = TOTALS % 2, TOTALS >= 2

CarryRange = tuple[float, float]  # low, high


@dataclass(frozen=True, eq=False)
class Program:
    """What a cell does, in words and as a table, and whether it is addition. Printing it shows the program.

    Attributes
    ----------
    params : Params
        The cell.
    table : list of dict
        The eight cases: a, b, carry, z, yes (the answer of the clause), digit, read (the rounded digit), carry_out,
        carry_read (0 or 1) and right. A carry of 1 is represented by what the cell carries out of 1 + 1. A digit that
        overflows has no rounded value: `read` is None.
    exact : bool or None
        True: proven for numbers of any length. False: the cell adds `counterexample` wrongly. None: not settled.
    carries : tuple of two (low, high) or None
        The intervals of the proof: carries that mean 0, and carries that mean 1.
    counterexample : tuple of int or None
        Two numbers that the cell adds wrongly.
    """

    params: Params
    table: list[dict[str, Any]]
    exact: bool | None
    carries: tuple[CarryRange, CarryRange] | None
    counterexample: tuple[int, int] | None

    def __repr__(self) -> str:
        return "\n".join([*_words(self.params), "", *_rows(self.table), "", _verdict(self)])


def algorithm(params: Params) -> Program | list[Program]:
    """The program that a cell has learned, in words and as a table, with a verdict on whether it is addition.

    Parameters
    ----------
    params : Params
        A cell, or a batch of cells. All values are finite.

    Returns
    -------
    Program, or list of Program for a batch

    Raises
    ------
    TypeError
        If `params` is not a Params.
    ValueError
        If a value is NaN or infinite, as after a training that diverged.

    Examples
    --------
    >>> from minidyn.forgetting import adder
    >>> algorithm(adder.train(0, steps=3000)).exact
    True
    """
    params = with_clause(params, None)
    if not np.isfinite(params.values).all():
        raise ValueError(
            f"params must be finite, got {np.count_nonzero(~np.isfinite(params.values))} values that are not"
        )
    return _program(params) if params.values.ndim == 1 else [_program(cell) for cell in params]


def _program(params: Params) -> Program:
    with np.errstate(over="ignore", invalid="ignore"):  # the carry of an untrained cell may run away
        table = _table(params)
        carries = _proof(params)
        counterexample = None if carries else _counterexample(params)
    exact = True if carries else (False if counterexample else None)
    return Program(params, table, exact, carries, counterexample)


def _table(params: Params) -> list[dict[str, Any]]:
    carry_one = float(forward(params, 1.0, 1.0, 0.0)[3])
    rows = []
    for carry, a, b in product((0, 1), repeat=3):
        z, _, digit, out = (float(x) for x in forward(params, float(a), float(b), carry * carry_one))
        read = int(np.rint(digit)) if np.isfinite(digit) else None
        carry_read = int(abs(out - carry_one) < abs(out))
        right = (read, carry_read) == ((a + b + carry) % 2, (a + b + carry) // 2)
        rows.append(
            {"a": a, "b": b, "carry": carry, "z": z, "yes": z > float(params.theta), "digit": digit, "read": read}
            | {"carry_out": out, "carry_read": carry_read, "right": right}
        )
    return rows


def _proof(params: Params) -> tuple[CarryRange, CarryRange] | None:
    """Intervals of carries that no addition leaves and from which every digit rounds correctly, or None."""
    zero, one = (0.0, 0.0), _bounds(params, (0.0, 0.0))[1][3]  # the first carry, and what 1 + 1 carries out of it
    for _ in range(ROUNDS):
        digits, carries = zip(_bounds(params, zero), _bounds(params, one), strict=True)
        low, high = np.moveaxis(np.concatenate(digits), -1, 0)
        if (low <= PARITY - 0.5).any() or (high >= PARITY + 0.5).any():
            return None
        out = np.concatenate(carries)
        images = [(out[m, 0].min() - ROUNDING, out[m, 1].max() + ROUNDING) for m in (~CARRIES, CARRIES)]
        if all(outer[0] <= inner[0] and inner[1] <= outer[1] for inner, outer in zip(images, (zero, one), strict=True)):
            return zero, one
        zero, one = (
            (min(old[0], float(new[0]) - MARGIN), max(old[1], float(new[1]) + MARGIN))
            for old, new in zip((zero, one), images, strict=True)
        )
    return None


def _bounds(params: Params, carry: CarryRange) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (4, 2) of the digit and of the outgoing carry, for each pair of bits, over a range of incoming carries.

    Interval arithmetic on small pieces.
    """
    edges = np.linspace(*carry, PIECES + 1)
    z = params.w[:2] @ BITS[..., None] + params.w[2] * edges
    z = np.sort(np.stack([z[:, :-1], z[:, 1:]]), axis=0)  # (low and high, pairs of bits, pieces)
    gate = gate_of(z - params.theta, params.clause)
    bounds = []
    for k in (0, 1):  # digit, carry
        no = np.sort(params.p[0, k] * z + params.q[0, k], axis=0)
        difference = np.sort((params.p[1, k] - params.p[0, k]) * z + params.q[1, k] - params.q[0, k], axis=0)
        change = gate[:, None] * difference  # all products of an end of one and an end of the other
        ends = (no[0] + change.min((0, 1))).min(-1), (no[1] + change.max((0, 1))).max(-1)
        bounds.append(np.stack(ends, axis=-1))
    return bounds[0], bounds[1]


def _counterexample(params: Params) -> tuple[int, int] | None:
    """Two numbers that the cell adds wrongly: the smallest of up to three digits, or else long ones."""
    pairs = facts.all_pairs(3)
    read = np.rint(raw_digits(params, pairs[:, 0], pairs[:, 1], None))
    wrong = (read != facts.binary(pairs.sum(1), read.shape[-1])).any(-1)
    if wrong.any():
        a, b = pairs[wrong][pairs[wrong].sum(1).argmin()]
        return int(a), int(b)
    return _long_counterexample(params)


def _long_counterexample(params: Params) -> tuple[int, int] | None:
    """Follow the carries that lie furthest from the others of their meaning, until a digit rounds wrongly."""
    paths = [(0.0, 0, 0, 0)]  # carry, its meaning, and the numbers that lead to it
    for place in range(LONGEST):
        reached: list[list[tuple[float, int, int, int]]] = [[], []]
        for (carry, meaning, first, second), a, b in product(paths, (0, 1), (0, 1)):
            _, _, digit, out = forward(params, float(a), float(b), carry)
            numbers, total = (first | a << place, second | b << place), a + b + meaning
            if np.rint(digit) != total % 2:
                return numbers
            reached[total // 2].append((float(out), total // 2, *numbers))
        paths = [path for group in reached for path in _thinned(sorted(group))]
    return None


def _thinned(paths: list[Any]) -> list[Any]:
    """At most WIDTH of the sorted paths, evenly spaced, both ends among them."""
    if not paths:
        return []
    return [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, WIDTH).astype(int))]


def _words(params: Params) -> list[str]:
    w, p, q = params.w, params.p, params.q
    soft = f"   (softly: gate = sigmoid(4 (z - {params.theta:.2f})))" if params.clause == "soft" else ""
    lines = [f"z = {w[0]:.2f} a + {w[1]:.2f} b + {w[2]:.2f} carry"]
    for head, k in ((f"if z > {params.theta:.2f}:", 1), ("otherwise:", 0)):
        answer = [f"{name} = {p[k, j]:.2f} z {q[k, j]:+.2f}" for j, name in enumerate(("digit", "carry"))]
        lines.append(f"{head:12s}   {answer[0]},   {answer[1]}{soft if k else ''}")
    return lines


def _rows(table: list[dict[str, Any]]) -> list[str]:
    lines = [" a  b  carry |     z   clause |  digit -> read |  carry -> read |"]
    for row in table:
        read, clause = "?" if row["read"] is None else row["read"], "yes" if row["yes"] else "no"
        lines.append(
            f" {row['a']}  {row['b']}    {row['carry']}   | {row['z']:5.2f}   {clause:6s} |"
            f" {row['digit']:6.2f} -> {read!s:>2}   | {row['carry_out']:6.2f} -> {row['carry_read']:2d}   |"
            f"{'' if row['right'] else '  wrong'}"
        )
    return lines


def _verdict(program: Program) -> str:
    if program.carries is not None:
        (low0, high0), (low1, high1) = program.carries
        return (
            "Exactly binary addition, for numbers of any length: carries that mean 0 stay in "
            f"[{low0:.3f}, {high0:.3f}], carries that mean 1 in [{low1:.3f}, {high1:.3f}], and every digit "
            "rounds to the correct one."
        )
    if program.counterexample is not None:
        a, b = program.counterexample
        return f"Not binary addition: {a} + {b} comes out wrong."
    return "Not settled: the proof fails, but none of the sums that were tried comes out wrong."
