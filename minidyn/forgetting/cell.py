"""The cell of the adder: its parameters, one step, its loss and its gradient.

`minidyn.forgetting.adder` says what the cell is and trains it. Here a step is written once, in autograd's numpy, for
reading, tracing and differentiating; training runs on the closed form of the gradient, which agrees with autograd.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import autograd.numpy as anp
import numpy as np

from minidyn import _checks as check
from minidyn.forgetting import facts

CLAUSES = ("soft", "hard")
SHARPNESS = 4.0  # of the soft clause
PARAMETERS = 12


@dataclass(frozen=True, eq=False)
class Params:
    """The twelve numbers of each cell of a batch, and the kind of their clause.

    Attributes
    ----------
    values : ndarray, shape (seeds, 12), or (12,) for one cell
        w (3), theta (1), p (4), q (4), in that order.
    clause : {"soft", "hard"}
    w : ndarray, shape (seeds, 3)
        Weights of a, b and the carry.
    theta : ndarray, shape (seeds,)
        Threshold of the clause.
    p, q : ndarrays, shape (seeds, 2, 2)
        Slopes and offsets: [:, 0] where the clause says no, [:, 1] where it says yes; digit first, then carry.

    Examples
    --------
    >>> cells = Params(np.ones((3, 12)))
    >>> len(cells), cells[0].w.shape
    (3, (3,))
    """

    values: np.ndarray
    clause: str = "soft"

    def __post_init__(self) -> None:
        check.choice("clause", self.clause, CLAUSES)
        if self.values.shape[-1:] != (PARAMETERS,):
            raise ValueError(f"values must have shape (..., {PARAMETERS}), got {self.values.shape}")

    @property
    def w(self) -> np.ndarray:
        return self.values[..., :3]

    @property
    def theta(self) -> np.ndarray:
        return self.values[..., 3]

    @property
    def p(self) -> np.ndarray:
        return self.values[..., 4:8].reshape(self.values.shape[:-1] + (2, 2))

    @property
    def q(self) -> np.ndarray:
        return self.values[..., 8:].reshape(self.values.shape[:-1] + (2, 2))

    def __len__(self) -> int:
        if self.values.ndim == 1:
            raise TypeError("one cell has no length")
        return len(self.values)

    def __getitem__(self, index: Any) -> Params:
        """Some cells of the batch; an integer picks one, without the leading axis."""
        if self.values.ndim == 1:
            raise TypeError("one cell cannot be indexed")
        return replace(self, values=self.values[index])

    def __iter__(self) -> Iterator[Params]:
        return (self[i] for i in range(len(self)))


def loss(params: Params, a: Any, b: Any, *, digits: int) -> Any:
    """Mean squared error over the digits of one sum, for each cell, in autograd's numpy.

    Parameters
    ----------
    params : Params
    a, b : int for one cell, or array_like of int, shape (seeds,)
        One addition for each cell.
    digits : int
        Digits of the sum that count.

    Returns
    -------
    ndarray, shape (seeds,)

    Examples
    --------
    >>> from autograd import grad
    >>> cells = Params(np.linspace(0, 1, 24).reshape(2, 12))
    >>> slope = grad(lambda values: loss(Params(values), [3, 1], [1, 1], digits=3).sum())(cells.values)
    >>> np.allclose(slope, loss_and_gradient(cells, [3, 1], [1, 1], digits=3)[1])
    True
    """
    bits_a, bits_b, bits_sum = _digits(params, a, b, digits)
    carry, total = 0.0, 0.0
    for i in range(len(bits_a)):
        _, _, digit, carry = forward(params, bits_a[i], bits_b[i], carry)
        total = total + (digit - bits_sum[i]) ** 2
    return total / len(bits_a)


def loss_and_gradient(params: Params, a: Any, b: Any, *, digits: int) -> tuple[np.ndarray, np.ndarray]:
    """The loss of one addition for each cell, and its gradient in closed form.

    Parameters
    ----------
    params, a, b, digits
        As in `loss`.

    Returns
    -------
    loss : ndarray, shape (seeds,)
    gradient : ndarray, shape (seeds, 12)
        With respect to `params.values`. A hard clause passes gradients through the branch taken only.
    """
    values = np.ascontiguousarray(np.atleast_2d(params.values).T)
    bits_a, bits_b, bits_sum = _digits(params, a, b, digits).reshape(3, digits, -1)
    found, slope = raw_gradient(values, bits_a, bits_b, bits_sum, params.clause)
    shape = params.values.shape
    return found.reshape(shape[:-1]), slope.T.reshape(shape)


def forward(params: Params, a: Any, b: Any, carry: Any) -> tuple[Any, Any, Any, Any]:
    """One step of the cells, in autograd's numpy.

    Parameters
    ----------
    params : Params
    a, b, carry : float or ndarray
        The bits and the carry in; they broadcast against (seeds,).

    Returns
    -------
    z, gate, digit, carry : ndarrays
        The weighed input, how far the clause says yes (0 to 1), the digit and the carry out.
    """
    w, p, q = params.w, params.p, params.q
    z = w[..., 0] * a + w[..., 1] * b + w[..., 2] * carry
    gate = gate_of(z - params.theta, params.clause)
    digit, carry = (
        gate * (p[..., 1, k] * z + q[..., 1, k]) + (1 - gate) * (p[..., 0, k] * z + q[..., 0, k]) for k in (0, 1)
    )
    return z, gate, digit, carry


def gate_of(excess: Any, clause: str) -> Any:
    """How far the clause says yes, from z - theta."""
    if clause == "hard":
        return (excess > 0) * 1.0  # autograd passes no gradient through a comparison
    return 0.5 * (1 + anp.tanh(0.5 * SHARPNESS * excess))


def with_clause(params: Params, clause: str | None) -> Params:
    """`params` with another clause; None leaves it as it is."""
    if not isinstance(params, Params):
        raise TypeError(f"params must be Params of cells, got {params!r:.80}")
    return params if clause is None else replace(params, clause=clause)


def raw_digits(params: Params, a: np.ndarray, b: np.ndarray, clause: str | None) -> np.ndarray:
    """Digits (seeds, n, positions) of n sums before rounding; those beyond a pair's own steps are 0."""
    params = with_clause(params, clause)
    params = replace(params, values=params.values[..., None, :])
    lengths = np.array([max(int(x).bit_length(), int(y).bit_length()) for x, y in zip(a, b, strict=True)])
    steps = int(lengths.max()) + 1
    bits_a, bits_b = facts.binary(a, steps).astype(float), facts.binary(b, steps).astype(float)
    out = np.zeros(params.values.shape[:-2] + bits_a.shape)
    carry = 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # the carry of an untrained cell may run away
        for i in range(steps):
            _, _, digit, carry = forward(params, bits_a[:, i], bits_b[:, i], carry)
            out[..., i] = np.where(i <= lengths, digit, 0)
    return out


def raw_gradient(
    values: np.ndarray, a: np.ndarray, b: np.ndarray, target: np.ndarray, clause: str
) -> tuple[np.ndarray, np.ndarray]:
    """Loss (seeds,) and gradient (12, seeds) from values (12, seeds) and digits (positions, seeds)."""
    w_carry, theta = values[2], values[3]
    p, q = values[4:8].reshape(2, 2, -1), values[8:].reshape(2, 2, -1)  # [no or yes, digit or carry]
    dp, dq = p[1] - p[0], q[1] - q[0]
    n = len(a)
    seen = values[0] * a + values[1] * b
    z, gate, carry = np.empty_like(seen), np.empty_like(seen), np.zeros_like(seen)
    for i in range(n):
        z[i] = seen[i] + w_carry * carry[i]
        gate[i] = gate_of(z[i] - theta, clause)
        if i + 1 < n:
            carry[i + 1] = p[0, 1] * z[i] + q[0, 1] + gate[i] * (dp[1] * z[i] + dq[1])
    jump = dp[:, None] * z + dq[:, None]  # (2, positions, seeds): what the clause changes in digit and carry
    error = p[0, 0] * z + q[0, 0] + gate * jump[0] - target
    bend = 0.0 if clause == "hard" else SHARPNESS * gate * (1 - gate)
    by_z = p[0][:, None] + gate * dp[:, None] + bend * jump
    by_out = np.zeros_like(jump)  # of the loss, by digit and by carry out
    by_out[0] = error * (2 / n)
    for i in range(n - 1, 0, -1):
        by_out[1, i - 1] = w_carry * (by_out[0, i] * by_z[0, i] + by_out[1, i] * by_z[1, i])
    to_z = (by_out * by_z).sum(0)
    slope = np.empty_like(values)
    slope[0], slope[1], slope[2] = (to_z * a).sum(0), (to_z * b).sum(0), (to_z * carry).sum(0)
    slope[3] = -(bend * (by_out * jump).sum(0)).sum(0) if clause == "soft" else 0.0
    by_yes, by_no = by_out * gate, by_out * (1 - gate)
    slope[4:6], slope[6:8] = (by_no * z).sum(1), (by_yes * z).sum(1)
    slope[8:10], slope[10:12] = by_no.sum(1), by_yes.sum(1)
    return (error**2).sum(0) / n, slope


def _digits(params: Params, a: Any, b: Any, digits: int) -> np.ndarray:
    """Digits of a, b and a + b, one addition a cell: (3, positions, seeds)."""
    a, b = facts.whole("a", a), facts.whole("b", b)
    for name, number in (("a", a), ("b", b)):
        if number.shape != params.values.shape[:-1]:
            raise ValueError(f"{name} must have shape {params.values.shape[:-1]}, one a cell, got {number.shape}")
    return np.moveaxis(facts.binary(np.stack([a, b, a + b]), digits), -1, 1).astype(float)
