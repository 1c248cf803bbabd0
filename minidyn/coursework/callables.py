"""Functions that a check hands to an answer: each is given by its numbers, so that it can be rebuilt elsewhere.

A lambda cannot leave its process without a pickle. These can: their fields are data, and `transfer` sends those.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PolynomialGradient:
    """The gradient of a polynomial: `matrix @ w + square * w**2 + cube * w**3`.

    Attributes
    ----------
    matrix : array (n, n)
    square, cube : array (n,)

    Examples
    --------
    >>> gradient = PolynomialGradient(2 * np.eye(2), np.zeros(2), np.ones(2))
    >>> gradient(np.array([1.0, 2.0]))
    array([ 3., 12.])
    """

    matrix: NDArray
    square: NDArray
    cube: NDArray

    def __call__(self, w: NDArray) -> NDArray:
        w = np.asarray(w)
        return self.matrix @ w + self.square * w**2 + self.cube * w**3


@dataclass(frozen=True)
class Force:
    """A force along one direction: a polynomial in x, from the constant term upwards.

    Attributes
    ----------
    coefficients : array (n,)

    Examples
    --------
    >>> Force(np.array([0.0, 1.0, 0.0, 2.0]))(3.0)
    57.0
    """

    coefficients: NDArray

    def __call__(self, x: float) -> float:
        return float(sum(c * x**k for k, c in enumerate(self.coefficients)))


@dataclass(frozen=True)
class TruthTable:
    """A cell for two binary digits and a carry that is looked up in a table, and need not be that of addition.

    Attributes
    ----------
    digits, carries : array (2, 2, 2)
        By the digit of a, the digit of b, and whether a carry came in. Digits need not be whole numbers.
    code : float
        What the cell hands on for a carry of 1; it hands on 0 for none. To a carry that it never handed on, it answers
        with a digit of -1.

    Examples
    --------
    >>> table = np.zeros((2, 2, 2))
    >>> TruthTable(table + 0.9, table + 1, 0.6)(1, 0, 0.0)
    (0.9, 0.6)
    """

    digits: NDArray
    carries: NDArray
    code: float

    def __call__(self, a: int, b: int, carry: float) -> tuple[float, float]:
        place = int(a), int(b), int(carry > self.code / 2)
        if abs(carry - self.code * place[2]) > 1e-6:
            return -1.0, 0.0
        return float(self.digits[place]), float(self.code * self.carries[place])


ALL = {kind.__name__: kind for kind in (PolynomialGradient, Force, TruthTable)}
