"""Checks of problem set 5: forgetting, and a network that learns to add."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minidyn import _renamed
from minidyn.coursework.callables import TruthTable
from minidyn.coursework.checks import Check, ValueCheck
from minidyn.forgetting import cell, facts, interference


def _turned_on(digit: int, shift: int = 0, width: int = 3) -> NDArray:
    unit = np.arange(facts.UNITS)
    return ((unit >= digit + shift) & (unit < digit + shift + width)).astype(float)


coarse = Check(
    "coarse",
    facts.coarse,
    lambda random: (int(random.randint(1, 9)),),
    {
        "All is one unit too early. Units are counted from 1, positions in Python from 0.": lambda d: _turned_on(d, -1),
        "All is one unit too late. Units are counted from 1, positions in Python from 0.": lambda d: _turned_on(d, 1),
        "One unit is on. The code is coarse: neighbouring digits share units.": lambda d: _turned_on(d, 0, 1),
        "Two units are on. The end of a range is not in it.": lambda d: _turned_on(d, 0, 2),
        "Four units are on.": lambda d: _turned_on(d, 0, 4),
        "It is on where it should be off.": lambda d: 1 - _turned_on(d),
    },
    "Twelve units, three of them on: for digit d the units d + 1, d + 2 and d + 3, counted from 1.",
    cases={"the first digit": lambda random: (0,), "the last digit": lambda random: (9,)},
)


def _distances(outputs: NDArray, patterns: NDArray) -> NDArray:
    return ((outputs[:, None, :] - patterns[None, :, :]) ** 2).sum(axis=2)


def _draw_outputs(random: np.random.RandomState) -> tuple[Any, ...]:
    units = random.randint(6, 9)
    return random.randn(30, units), random.uniform(0.3, 2, (7, 1)) * random.randn(7, units)


best_match = Check(
    "best_match",
    lambda outputs, patterns: _distances(outputs, patterns).argmin(axis=1),
    _draw_outputs,
    {
        "You took the farthest pattern.": lambda f, m: _distances(f, m).argmax(axis=1),
        "You looked for each pattern's nearest output. It is the other way round.": lambda f, m: _distances(
            f, m
        ).argmin(axis=0),
        "The largest scalar product favours long patterns. Nearest means the least squared error.": lambda f, m: (
            f @ m.T
        ).argmax(axis=1),
        "You added up the sizes of the errors. Their squares are asked for.": lambda f, m: (
            np.abs(f[:, None] - m[None]).sum(axis=2).argmin(axis=1)
        ),
        "These are the errors. The number of the best pattern is asked for.": lambda f, m: _distances(f, m).min(axis=1),
        "You compared the largest errors. All units count.": lambda f, m: (
            np.abs(f[:, None] - m[None]).max(axis=2).argmin(axis=1)
        ),
        "The errors of a pattern may cancel: square them before you add.": lambda f, m: np.abs(
            (f[:, None] - m[None]).sum(axis=2)
        ).argmin(axis=1),
    },
    "For each row of outputs: the squared error to each pattern, summed over units; then which is least.",
    cases={
        "one row of outputs": lambda random: (random.randn(1, 6), random.randn(5, 6)),
        "one pattern": lambda random: (random.randn(4, 6), random.randn(1, 6)),
        "as many rows as patterns": lambda random: (random.randn(7, 7), random.randn(7, 7)),
        "codes of ones and zeros": lambda random: (random.rand(9, 6), np.eye(6) + np.eye(6, k=1)),
        "two equal patterns: the first counts": lambda random: (
            random.randn(20, 6),
            random.randn(3, 6)[[0, 1, 1, 2, 0]],
        ),
    },
)


def _transfer(R: NDArray) -> float:
    return float(np.mean([R[-1, j] - R[j, j] for j in range(len(R) - 1)]))


backward_transfer = Check(
    "backward_transfer",
    _transfer,
    lambda random: (random.rand(*[random.randint(3, 7)] * 2),),
    {
        "The sign is wrong: what is lost counts as negative.": lambda R: -_transfer(R),
        "The last task has nothing to lose yet. The mean is over the others.": lambda R: (
            _transfer(R) * (len(R) - 1) / len(R)
        ),
        "You compared with the first row. A task's own row is when it was just learned.": lambda R: float(
            np.mean(R[-1, :-1] - R[0, :-1])
        ),
        "That is the accuracy at the end. What was it when each task was just learned?": lambda R: float(R[-1].mean()),
        "You compared with the best that ever was. A task's own row is when it was just learned.": lambda R: float(
            np.mean(R[-1, :-1] - R[:-1, :-1].max(axis=0))
        ),
        "You looked one task ahead only. The end is after the last task.": lambda R: float(
            np.mean([R[j + 1, j] - R[j, j] for j in range(len(R) - 1)])
        ),
        "Rows are after which task, columns are on which task. Yours are the other way round.": lambda R: _transfer(
            R.T
        ),
    },
    "For every task but the last: the accuracy at the end, less the accuracy when it was just learned. Then the mean.",
    cases={
        "two tasks": lambda random: (random.rand(2, 2),),
        "many tasks": lambda random: (random.rand(9, 9),),
        "all or nothing": lambda random: (np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1]])[:, random.permutation(3)],),
    },
)

Answer = tuple[float, float]


def _step(
    w: NDArray, theta: float, p: NDArray, q: NDArray, a: float, b: float, carry: float, sharpness: float = 4.0
) -> Answer:
    z = w @ np.array([a, b, carry])
    gate = 1 / (1 + np.exp(-sharpness * (z - theta)))
    digit, out = gate * (p[1] * z + q[1]) + (1 - gate) * (p[0] * z + q[0])
    return digit, out


def _library_step(w: NDArray, theta: float, p: NDArray, q: NDArray, a: float, b: float, carry: float) -> Answer:
    params = cell.Params(np.concatenate([w, [theta], p.ravel(), q.ravel()]))
    return cell.forward(params, a, b, carry)[2:]


def _one_line(w: NDArray, theta: float, p: NDArray, q: NDArray, a: float, b: float, carry: float) -> Answer:
    z = w @ np.array([a, b, carry])
    gate = 1 / (1 + np.exp(-4 * (z - theta)))
    digit, out = gate * (p[1] * z + q[1])
    return digit, out


def _draw_cell(random: np.random.RandomState) -> tuple[Any, ...]:
    w, p, q = random.uniform(0.5, 1.5, 3), random.randn(2, 2), random.randn(2, 2)
    read = random.rand(3)
    return w, w @ read + random.choice([-0.3, 0.3]), p, q, *read


cell_step = Check(
    "cell_step",
    _library_step,
    _draw_cell,
    {
        "The answers to yes and no are the other way round.": lambda w, t, p, q, *a: _step(w, t, p[::-1], q[::-1], *a),
        "The gate is not as steep as the formula says.": functools.partial(_step, sharpness=1.0),
        "The gate is hard. The formula makes it smooth.": functools.partial(_step, sharpness=1e9),
        "The carry is not weighed in.": lambda w, t, p, q, a, b, c: _step(w, t, p, q, a, b, 0.0),
        "The rows of p and q are the answers (no, yes), the columns digit and carry. Yours are the other way round.": (
            lambda w, t, p, q, *a: _step(w, t, p.T, q.T, *a)
        ),
        "The share of the answer to no is missing.": _one_line,
        "The digit comes first, the carry second.": lambda *a: _step(*a)[::-1],
    },
    "z weighs the two bits and the carry; the gate looks at z - theta; each answer is a straight line in z.",
    cases={
        "whole digits": lambda random: (*_draw_cell(random)[:4], 1, 0, 1),
        "nothing comes in": lambda random: (*_draw_cell(random)[:4], 0, 0, 0.0),
        "a clear yes": lambda random: (random.uniform(0.5, 1.5, 3), -3.0, *random.randn(2, 2, 2), 1, 1, 0.5),
        "a clear no": lambda random: (random.uniform(0.5, 1.5, 3), 6.0, *random.randn(2, 2, 2), 1, 1, 0.5),
    },
)

Cell = Callable[[float, float, float], Answer]


def _table(random: np.random.RandomState) -> TruthTable:
    """A cell that does not add: only an answer that calls it can know its sums.

    Two zeros give the carry that came in, as in addition, and two ones carry. But a one of the first number carries
    too, one of the second does not, and the other carries are drawn. Every one shows in the sum, so that no digit can
    be left out. The code of a carry is neither 0 nor 1, so that rounding it does harm.
    """
    digits, carries = np.ones((2, 2, 2)), random.randint(2, size=(2, 2, 2))
    digits[0, 0], digits[1, 1, 1] = (0, 1), random.randint(2)
    carries[0, 0], carries[1, 1], carries[1, 0, 0], carries[0, 1, 0] = 0, 1, 1, 0
    return TruthTable(digits + random.uniform(-0.3, 0.3, digits.shape), carries.astype(float), 0.7)


def _add(
    cell: Cell, a: int, b: int, *, extra: int = 1, keep: Callable[[float], float] = lambda carry: carry, first: int = 1
) -> float:
    steps = max(a.bit_length(), b.bit_length()) + extra
    carry, total = 0.0, 0
    for k in range(steps)[::first]:
        digit, carry = cell(a >> k & 1, b >> k & 1, carry)
        carry = keep(carry)
        total += round(digit) << k
    return total


def _unrounded(cell: Cell, a: int, b: int) -> float:
    carry, total = 0.0, 0.0
    for k in range(max(a.bit_length(), b.bit_length()) + 1):
        digit, carry = cell(a >> k & 1, b >> k & 1, carry)
        total += digit * 2**k
    return total


def _spelled(cell: Cell, a: int, b: int) -> list[int]:
    total = int(_add(cell, a, b))
    return [total >> k & 1 for k in range(max(a.bit_length(), b.bit_length()) + 1)]


def _number(random: np.random.RandomState, bits: int) -> int:
    """A random number with `bits` binary digits."""
    return int(random.randint(1 << (bits - 1), 1 << bits))


def _draw_sum(random: np.random.RandomState) -> tuple[Any, ...]:
    """Two numbers of one length: the last digits carry, so that the sum is one digit longer."""
    bits = random.randint(6, 9)
    return _table(random), _number(random, bits), _number(random, bits)


add = Check(
    "add",
    _add,
    _draw_sum,
    {
        "The last carry has no place: take one step more than the longer number has digits.": lambda c, a, b: _add(
            c, a, b, extra=0
        ),
        "You began with the most significant digit. A carry goes the other way.": lambda c, a, b: _add(
            c, a, b, first=-1
        ),
        "The carry is lost from digit to digit.": lambda c, a, b: _add(c, a, b, keep=lambda carry: 0.0),
        "You rounded the carry. The cell may code it as it likes: pass on what it gave.": lambda c, a, b: _add(
            c, a, b, keep=round
        ),
        "You did not round the digits.": _unrounded,
        "These are the digits. The number that they spell is asked for.": _spelled,
        "You added the digits up. Each has its place: twice that of the one before.": lambda c, a, b: sum(
            _spelled(c, a, b)
        ),
    },
    "Least significant digit first; the first carry is 0; each step's carry goes into the next step.",
    cases={
        "the first number is longer": lambda random: (_table(random), _number(random, 9), _number(random, 3)),
        "the second number is longer": lambda random: (_table(random), _number(random, 3), _number(random, 9)),
        "powers of two, the first larger": lambda random: (_table(random), 1 << random.randint(7, 10), 2),
        "powers of two, the second larger": lambda random: (_table(random), 2, 1 << random.randint(7, 10)),
        "zero and a number": lambda random: (_table(random), 0, _number(random, 5)),
        "zero and zero": lambda random: (_table(random), 0, 0),
    },
)


@functools.lru_cache(maxsize=4)
def losing(seed: int) -> tuple[NDArray, NDArray]:
    """Fractions right (best match) of the ones and of the twos, after 0 to 8 passes over the twos: 20 networks."""
    first = 20 * (seed % 10**6)
    data = interference.experiment(range(first, first + 20), epochs=8)
    score = data.score.sel(criterion="best match").mean("seed")
    return score.sel(set="ones").values, score.sel(set="twos").values


remaining = ValueCheck(
    "remaining",
    lambda seed: float(losing(seed)[0][2]),
    lambda seed: {
        "That is after one pass. The question is after two.": float(losing(seed)[0][1]),
        "That is what they know of the twos.": float(losing(seed)[1][2]),
        "That is what they lost. How much is left?": float(1 - losing(seed)[0][2]),
        "That is before the twos began.": float(losing(seed)[0][0]),
        "That is after three passes. The question is after two.": float(losing(seed)[0][3]),
        "That is in percent. A fraction is asked for.": float(100 * losing(seed)[0][2]),
    },
    "Find 2 on the horizontal axis, and the curve of the ones above it. A fraction between 0 and 1.",
    tolerance=0.07,
)

_renamed.names(__name__, kept="minidyn.coursework.ps5.remaining")
