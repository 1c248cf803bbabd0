"""Eigenvalues of a symmetric matrix that is known by its products with vectors: Lanczos' iteration.

The Hessian, the tangent kernel and the curvature of PyTorch modules all come through here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minidyn import _checks as check


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Some eigenvalues of a symmetric matrix, and how well they are known.

    Attributes
    ----------
    values : numpy.ndarray, shape (k,)
        Eigenvalues, in descending order.
    vectors : numpy.ndarray, shape (n, k)
        Unit eigenvectors, one a column.
    residuals : numpy.ndarray, shape (k,)
        ``|A v - λ v|``: each λ lies within its residual of an exact eigenvalue.
    converged : bool
        Whether all residuals met the tolerance.
    products : int
        Matrix-vector products used.
    """

    values: NDArray
    vectors: NDArray
    residuals: NDArray
    converged: bool
    products: int

    def __repr__(self) -> str:
        state = "converged" if self.converged else "NOT converged"
        return f"Spectrum({self.values}, largest residual {self.residuals.max():.1e}, {state})"


def lanczos(
    product: Callable[[NDArray], NDArray],
    size: int,
    *,
    k: int = 1,
    which: str = "largest",
    tolerance: float = 1e-8,
    start: ArrayLike | None = None,
    most: int | None = None,
) -> Spectrum:
    """The k largest or smallest eigenvalues of a symmetric matrix known by its products with vectors.

    Lanczos' iteration with full reorthogonalisation (twice), so that no ghost copies of an eigenvalue appear.
    It runs until the residuals meet the tolerance, at most until the basis is complete and the result exact.
    An eigenvalue that is repeated exactly is found once, unless the basis is complete.

    Parameters
    ----------
    product : callable
        Takes v of shape (size,) to A v.
    size : int
        The dimension n of A.
    k, which, tolerance, start
        As for `hessian_eigenvalues`.
    most : int, optional
        How many vectors of the basis to keep at most, k to n (the default): they take 8 n bytes each. Where the
        tolerance is not met by then, the result says that it has not converged.

    Returns
    -------
    Spectrum

    Raises
    ------
    TypeError, ValueError
        Where an argument is out of its range.

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
    most = size if most is None else min(size, check.integer("most", most, least=k))
    check.choice("which", which, ("largest", "smallest"))
    tolerance = check.real("tolerance", tolerance, above=0)
    random = np.random.RandomState(0)
    residual = random.randn(size) if start is None else _warm(check.array("start", start, (size,)), random)
    basis, diagonal, off, scale = np.empty((min(most, 32), size)), [], [0.0], 0.0
    looks_at = max(k, 8)
    for step in range(most):
        if step == len(basis):
            basis = np.concatenate([basis, np.empty((min(len(basis), most - step), size))])
        basis[step] = residual / np.linalg.norm(residual)
        image = check.array("product(v)", product(basis[step]), (size,))
        diagonal.append(basis[step] @ image)
        residual = image - basis[: step + 1].T @ (basis[: step + 1] @ image)
        residual -= basis[: step + 1].T @ (basis[: step + 1] @ residual)
        scale = max(scale, float(np.linalg.norm(image)))
        off.append(float(np.linalg.norm(residual)))
        if off[-1] <= 1e-14 * scale:  # an invariant subspace: go on in its complement
            residual = random.randn(size)
            for _ in range(2):
                residual -= basis[: step + 1].T @ (basis[: step + 1] @ residual)
            off[-1] = 0.0
        if step + 1 >= looks_at or step + 1 == most:
            values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off[1:-1], 1) + np.diag(off[1:-1], -1))
            wanted = slice(-1, -k - 1, -1) if which == "largest" else slice(k - 1, None, -1)
            bounds = np.abs(off[-1] * vectors[-1, wanted])
            if bounds.max() <= tolerance * np.abs(values).max():
                break
            looks_at = int(1.15 * looks_at) + 1
    found = basis[: step + 1].T @ vectors[:, wanted]
    found /= np.linalg.norm(found, axis=0)
    residuals = np.array([np.linalg.norm(product(v) - l * v) for l, v in zip(values[wanted], found.T, strict=True)])
    limit = max(tolerance, 1e-12) * np.abs(values).max()
    return Spectrum(values[wanted], found, residuals, bool((residuals <= 2 * limit).all()), step + 1 + k)


def _warm(start: NDArray, random: np.random.RandomState) -> NDArray:
    """A start vector with a little of every direction, so that no eigenvector is out of reach."""
    norm = np.linalg.norm(start) or 1.0
    noise = random.randn(len(start))
    return start / norm + 0.01 * noise / np.linalg.norm(noise)
