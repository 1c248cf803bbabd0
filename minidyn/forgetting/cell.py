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
        Slopes and offsets of the two straight lines: [:, 0] applies when the clause says no, [:, 1] when it says yes.
        The last axis is the digit, then the carry.

    Raises
    ------
    TypeError
        If `values` is not an array.
    ValueError
        If its last axis does not have length 12, or `clause` is unknown.

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
        shape = getattr(self.values, "shape", None)  # not the type: autograd differentiates through boxes
        if not isinstance(shape, tuple):
            raise TypeError(f"values must be an array of shape (..., {PARAMETERS}), got {self.values!r:.80}")
        if shape[-1:] != (PARAMETERS,):
            raise ValueError(f"values must have shape (..., {PARAMETERS}), got {shape}")

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
        """A part of the batch; an integer selects a single cell, without the leading axis."""
        if self.values.ndim == 1:
            raise TypeError("one cell cannot be indexed")
        return replace(self, values=self.values[index])

    def __iter__(self) -> Iterator[Params]:
        return (self[i] for i in range(len(self)))


def loss(params: Params, a: Any, b: Any, *, digits: int) -> Any:
    """Mean squared error over the digits of a sum, for each cell, in autograd's numpy.

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
    """The loss of each cell on its addition, and the gradient in closed form.

    Parameters
    ----------
    params, a, b, digits
        As in `loss`.

    Returns
    -------
    loss : ndarray, shape (seeds,)
    gradient : ndarray, shape (seeds, 12)
        With respect to `params.values`. Behind a hard clause gradients flow only through the branch taken.
    """
    values = np.ascontiguousarray(np.atleast_2d(params.values).T)
    bits_a, bits_b, bits_sum = _digits(params, a, b, digits).reshape(3, digits, -1)
    losses, gradients = raw_gradient(values, bits_a, bits_b, bits_sum, params.clause)
    shape = params.values.shape
    return losses.reshape(shape[:-1]), gradients.T.reshape(shape)


def forward(params: Params, a: Any, b: Any, carry: Any) -> tuple[Any, Any, Any, Any]:
    """One step of the cells, in autograd's numpy.

    Parameters
    ----------
    params : Params
    a, b, carry : float or ndarray
        The bits and the incoming carry; they broadcast against (seeds,).

    Returns
    -------
    z, gate, digit, carry : ndarrays
        The weighted input, the degree to which the clause says yes (0 to 1), the digit and the outgoing carry.
    """
    w, p, q = params.w, params.p, params.q
    z = w[..., 0] * a + w[..., 1] * b + w[..., 2] * carry
    gate = gate_of(z - params.theta, params.clause)
    digit, carry = (
        gate * (p[..., 1, k] * z + q[..., 1, k]) + (1 - gate) * (p[..., 0, k] * z + q[..., 0, k]) for k in (0, 1)
    )
    return z, gate, digit, carry


def gate_of(excess: Any, clause: str) -> Any:
    """The degree to which the clause says yes, from the excess z - theta."""
    if clause == "hard":
        return (excess > 0) * 1.0  # autograd passes no gradient through a comparison
    return 0.5 * (1 + anp.tanh(0.5 * SHARPNESS * excess))


def with_clause(params: Params, clause: str | None) -> Params:
    """`params` with another clause; None leaves it as it is."""
    if not isinstance(params, Params):
        raise TypeError(f"params must be Params of cells, got {params!r:.80}")
    return params if clause is None else replace(params, clause=clause)


def raw_digits(params: Params, a: np.ndarray, b: np.ndarray, clause: str | None) -> np.ndarray:
    """Digits (seeds, n, positions) of n sums before rounding; those beyond the last step of a pair are 0."""
    params = with_clause(params, clause)
    params = replace(params, values=params.values[..., None, :])
    lengths = np.array([max(int(x).bit_length(), int(y).bit_length()) for x, y in zip(a, b, strict=True)])
    steps = int(lengths.max()) + 1
    bits_a, bits_b = facts.binary(a, steps).astype(float), facts.binary(b, steps).astype(float)
    digits = np.zeros(params.values.shape[:-2] + bits_a.shape)
    carry = 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # the carry of an untrained cell may run away
        for i in range(steps):
            _, _, digit, carry = forward(params, bits_a[:, i], bits_b[:, i], carry)
            digits[..., i] = np.where(i <= lengths, digit, 0)
    return digits


def raw_gradient(
    values: np.ndarray, a: np.ndarray, b: np.ndarray, target: np.ndarray, clause: str
) -> tuple[np.ndarray, np.ndarray]:
    """Loss (seeds,) and gradient (12, seeds) from values (12, seeds) and digits (positions, seeds)."""
    p, q = values[4:8].reshape(2, 2, -1), values[8:].reshape(2, 2, -1)  # [no or yes, digit or carry]
    dp, dq = p[1] - p[0], q[1] - q[0]
    z, gate, carry = _states(values, a, b, clause)
    n = len(z)
    change = dp[:, None] * z + dq[:, None]  # of digit and carry, if the clause says yes: (2, positions, seeds)
    error = p[0, 0] * z + q[0, 0] + gate * change[0] - target
    gate_slope = 0.0 if clause == "hard" else SHARPNESS * gate * (1 - gate)
    outputs_by_z = p[0][:, None] + gate * dp[:, None] + gate_slope * change
    by_output = np.zeros_like(change)  # derivatives of the loss by the digit and by the outgoing carry
    by_output[0] = error * (2 / n)
    for i in range(n - 1, 0, -1):
        by_z = by_output[0, i] * outputs_by_z[0, i] + by_output[1, i] * outputs_by_z[1, i]
        by_output[1, i - 1] = values[2] * by_z
    by_z = (by_output * outputs_by_z).sum(0)
    by_no, by_yes = by_output * (1 - gate), by_output * gate
    gradient = np.empty_like(values)
    gradient[0], gradient[1], gradient[2] = (by_z * a).sum(0), (by_z * b).sum(0), (by_z * carry).sum(0)
    gradient[3] = -(gate_slope * (by_output * change).sum(0)).sum(0) if clause == "soft" else 0.0
    gradient[4:6], gradient[6:8] = (by_no * z).sum(1), (by_yes * z).sum(1)
    gradient[8:10], gradient[10:12] = by_no.sum(1), by_yes.sum(1)
    return (error**2).sum(0) / n, gradient


def _states(values: np.ndarray, a: np.ndarray, b: np.ndarray, clause: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted input, gate and incoming carry at each position, (positions, seeds)."""
    p, q = values[4:8].reshape(2, 2, -1), values[8:].reshape(2, 2, -1)
    seen = values[0] * a + values[1] * b
    z, gate, carry = np.empty_like(seen), np.empty_like(seen), np.zeros_like(seen)
    for i in range(len(seen)):
        z[i] = seen[i] + values[2] * carry[i]
        gate[i] = gate_of(z[i] - values[3], clause)
        if i + 1 < len(seen):
            carry[i + 1] = p[0, 1] * z[i] + q[0, 1] + gate[i] * ((p[1, 1] - p[0, 1]) * z[i] + (q[1, 1] - q[0, 1]))
    return z, gate, carry


def _digits(params: Params, a: Any, b: Any, digits: int) -> np.ndarray:
    """Digits of a, b and a + b, for the addition of each cell: (3, positions, seeds)."""
    a, b = facts.whole("a", a), facts.whole("b", b)
    for name, number in (("a", a), ("b", b)):
        if number.shape != params.values.shape[:-1]:
            raise ValueError(f"{name} must have shape {params.values.shape[:-1]}, one per cell, got {number.shape}")
    return np.moveaxis(facts.binary(np.stack([a, b, a + b]), digits), -1, 1).astype(float)
