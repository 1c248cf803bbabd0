"""Eigenvalues of a symmetric matrix that is known by its products with vectors: Lanczos' iteration.

The Hessian, the tangent kernel and the curvature of PyTorch modules all come through here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minidyn import _checks as check
from minidyn import _renamed


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Some eigenvalues of a symmetric matrix, and how well they are known.

    Attributes
    ----------
    values : numpy.ndarray, shape (k,)
        Eigenvalues, in descending order.
    vectors : numpy.ndarray, shape (n, k)
        Unit eigenvectors as columns.
    residuals : numpy.ndarray, shape (k,)
        ``|A v - λ v|``: each λ lies within its residual of an exact eigenvalue.
    converged : bool
        Whether all residuals met the tolerance.
    products : int
        Matrix-vector products used.

    Examples
    --------
    >>> import numpy as np
    >>> from minidyn.eigenvalues import lanczos
    >>> spectrum = lanczos(lambda v: np.arange(5) * v, 5, k=2)  # of the matrix with 0, 1, 2, 3, 4 on its diagonal
    >>> spectrum.values.round(6), spectrum.converged
    (array([4., 3.]), True)
    """

    values: NDArray
    vectors: NDArray
    residuals: NDArray
    converged: bool
    products: int

    def __repr__(self) -> str:
        state = "converged" if self.converged else "NOT converged"
        return f"Spectrum({self.values}, largest residual {self.residuals.max():.1e}, {state})"


@_renamed.arguments(most="max_basis")
@np.errstate(under="ignore")
def lanczos(
    product: Callable[[NDArray], NDArray],
    size: int,
    *,
    k: int = 1,
    which: str = "largest",
    tolerance: float = 1e-8,
    start: ArrayLike | None = None,
    max_basis: int | None = None,
) -> Spectrum:
    """The k largest or smallest eigenvalues of a symmetric matrix known by its products with vectors.

    Lanczos' iteration with full reorthogonalisation (twice), so that no ghost copies of an eigenvalue appear.
    It runs until the residuals meet the tolerance, at the latest until the basis is complete and the result exact.
    An eigenvalue that is repeated exactly is returned once, unless the basis is complete.

    Parameters
    ----------
    product : callable
        Takes v of shape (size,) to A v.
    size : int
        The dimension n of A.
    k, which, tolerance, start
        As for `hessian_eigenvalues`.
    max_basis : int, optional
        Largest number of basis vectors, k to n (the default); each takes 8 n bytes. If the tolerance is not met with
        this number, the result says that it has not converged.

    Returns
    -------
    Spectrum

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Notes
    -----
    Source: Lanczos (1950); Parlett, "The symmetric eigenvalue problem" (1998), chapter 13.

    Examples
    --------
    >>> import numpy as np
    >>> from minidyn.eigenvalues import lanczos
    >>> lanczos(lambda v: np.arange(5.0) * v, 5, k=2).values.round(6)
    array([4., 3.])
    """
    size = check.integer("size", size, least=1)
    k = check.integer("k", k, least=1)
    if k > size:
        raise ValueError(f"k={k} exceeds the {size} eigenvalues that there are")
    max_basis = size if max_basis is None else min(size, check.integer("max_basis", max_basis, least=k))
    which = check.choice("which", which, ("largest", "smallest"))
    tolerance = check.real("tolerance", tolerance, above=0)
    basis = _Basis(None if start is None else check.array("start", start, (size,)), size, max_basis)
    next_test = max(k, 8)
    while True:
        basis.expand(product)
        if basis.is_invariant:
            basis.restart_in_complement()
        if basis.count >= next_test or basis.count == max_basis:
            ritz = basis.ritz_pairs(k, which)
            if basis.count == max_basis or ritz.bounds.max() <= tolerance * ritz.scale:
                return _spectrum(product, ritz, basis, tolerance)
            next_test = int(1.15 * next_test) + 1


class _RitzPairs(NamedTuple):
    """Eigenvalues of a matrix inside a subspace: what they are to the matrix itself, `bounds` say."""

    values: NDArray  # (k,)
    coefficients: NDArray  # (basis vectors, k): of the eigenvectors
    bounds: NDArray  # (k,), on the residuals
    scale: float  # the largest eigenvalue in size


class _Basis:
    """An orthonormal basis of the space that v, A v, A A v, ... span, in which A is tridiagonal."""

    def __init__(self, start: NDArray | None, size: int, max_basis: int):
        self.random = np.random.RandomState(0)
        self.direction = self.random.randn(size) if start is None else _perturbed(start, self.random)
        self.vectors = np.empty((min(max_basis, 32), size))
        self.max_basis = max_basis
        self.diagonal: list[float] = []
        self.off_diagonal: list[float] = []  # the last one is the norm of what the basis lacks
        self.scale = 0.0  # of A

    @property
    def count(self) -> int:
        return len(self.diagonal)

    @property
    def filled(self) -> NDArray:
        return self.vectors[: self.count]

    @property
    def is_invariant(self) -> bool:
        """Whether A maps the space to itself, so that nothing is left to expand it by."""
        return self.off_diagonal[-1] <= 1e-14 * self.scale

    def expand(self, product: Callable[[NDArray], NDArray]) -> None:
        """Add the next vector to the basis, and orthogonalise its image twice: that is the next direction."""
        size, count = len(self.direction), self.count
        if count == len(self.vectors):
            self.vectors = np.concatenate([self.vectors, np.empty((min(count, self.max_basis - count), size))])
        vector = self.vectors[count]
        vector[:] = self.direction / np.linalg.norm(self.direction)
        image = check.array("product(v)", product(vector), (size,))
        self.diagonal.append(vector @ image)
        self.scale = max(self.scale, float(np.linalg.norm(image)))
        self.direction = self._orthogonal(self._orthogonal(image))
        self.off_diagonal.append(float(np.linalg.norm(self.direction)))

    def restart_in_complement(self) -> None:
        """Go on from a random direction that is orthogonal to the space."""
        self.direction = self._orthogonal(self._orthogonal(self.random.randn(len(self.direction))))
        self.off_diagonal[-1] = 0.0

    def ritz_pairs(self, k: int, which: str) -> _RitzPairs:
        """The k largest or smallest eigenvalues of A inside the space."""
        off = self.off_diagonal[:-1]
        values, vectors = np.linalg.eigh(np.diag(self.diagonal) + np.diag(off, 1) + np.diag(off, -1))
        end = slice(-1, -k - 1, -1) if which == "largest" else slice(k - 1, None, -1)
        bounds = np.abs(self.off_diagonal[-1] * vectors[-1, end])
        return _RitzPairs(values[end], vectors[:, end], bounds, np.abs(values).max())

    def _orthogonal(self, vector: NDArray) -> NDArray:
        return vector - self.filled.T @ (self.filled @ vector)


def _spectrum(product: Callable[[NDArray], NDArray], ritz: _RitzPairs, basis: _Basis, tolerance: float) -> Spectrum:
    """The Ritz pairs as eigenvectors of the matrix, with their true residuals."""
    vectors = basis.filled.T @ ritz.coefficients
    vectors /= np.linalg.norm(vectors, axis=0)
    pairs = zip(ritz.values, vectors.T, strict=True)
    residuals = np.array([np.linalg.norm(product(v) - value * v) for value, v in pairs])
    limit = 2 * max(tolerance, 1e-12) * ritz.scale
    return Spectrum(ritz.values, vectors, residuals, bool((residuals <= limit).all()), basis.count + len(residuals))


def _perturbed(start: NDArray, random: np.random.RandomState) -> NDArray:
    """A start vector with a little of every direction, so that no eigenvector is out of reach."""
    norm = np.linalg.norm(start) or 1.0
    noise = random.randn(len(start))
    return start / norm + 0.01 * noise / np.linalg.norm(noise)
