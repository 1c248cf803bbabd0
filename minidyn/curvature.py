"""Curvature of the loss in weight space: the exact Hessian, its leading eigenvalues, and slices of the landscape.

The largest eigenvalue λ_max is the sharpness. Plain gradient descent on a frozen quadratic valley is stable
along an eigenvector only while η λ < 2. Eigenvalues are ordered algebraically, not by size: at a random start
the Hessian of a ReLU network has many negative ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from minidyn import _checks as check
from minidyn import model
from minidyn.losses import Loss
from minidyn.model import Model
from minidyn.task import Task


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


def hessian(net: Model, params: Any, task: Task, loss: Loss, step: int = 0) -> NDArray:
    """The exact Hessian ∂²F/∂params², with the class weights of `step` in force.

    Parameters
    ----------
    net : MLP or any model with `init` and `logits`
        For an `MLP` in closed form; for other models by autograd (p backward passes).
    params
        As `net.init` returns them; flattened in order.
    task : Task
    loss : CrossEntropy or SquaredError
    step : int
        The value of the clock, in steps.

    Returns
    -------
    numpy.ndarray, shape (p, p)
        Symmetric to the last bit.

    Raises
    ------
    TypeError, ValueError
        Where the arguments do not fit each other.

    Examples
    --------
    >>> import minidyn as md
    >>> net, task = md.MLP(2, 10, 3), md.spiral()
    >>> md.hessian(net, net.init(0), task, md.CrossEntropy()).shape
    (63, 63)
    """
    vector, unflatten = model.check_problem(net, params, task, loss)
    return model.hessian(net, unflatten(vector), task, loss, step)


def hessian_product(net: Model, params: Any, task: Task, loss: Loss, step: int = 0) -> Callable[[NDArray], NDArray]:
    """The function that takes a flat vector v (p,) to H v, exactly and without forming H.

    Arguments and errors as for `hessian`. Source: Pearlmutter, "Fast exact multiplication by the Hessian" (1994).

    Examples
    --------
    >>> import minidyn as md, numpy as np
    >>> net, task = md.MLP(2, 10, 3), md.spiral()
    >>> product = md.hessian_product(net, net.init(0), task, md.CrossEntropy())
    >>> product(np.ones(net.size)).shape
    (63,)
    """
    vector, unflatten = model.check_problem(net, params, task, loss)
    return model.hessian_product(net, unflatten(vector), task, loss, step)


def hessian_eigenvalues(
    net: Model,
    params: Any,
    task: Task,
    loss: Loss,
    step: int = 0,
    *,
    k: int = 1,
    which: str = "largest",
    tolerance: float = 1e-8,
    start: ArrayLike | None = None,
) -> Spectrum:
    """The k algebraically largest (or smallest) eigenvalues of the Hessian, from Hessian-vector products.

    Parameters
    ----------
    net, params, task, loss, step
        As for `hessian`.
    k : int
        How many, 1 to p.
    which : {"largest", "smallest"}
    tolerance : float
        On each residual, relative to the largest eigenvalue in size. The error of an isolated eigenvalue is
        of the order of its residual squared.
    start : array_like, shape (p,), optional
        Where the search starts: a vector from a run's previous measurement saves products.

    Returns
    -------
    Spectrum

    Raises
    ------
    TypeError, ValueError
        Where the arguments do not fit each other, or `k` exceeds the number of parameters.

    Examples
    --------
    >>> import minidyn as md
    >>> net, task = md.MLP(2, 10, 3), md.spiral()
    >>> md.hessian_eigenvalues(net, net.init(0), task, md.CrossEntropy(), k=3).converged
    True
    """
    vector, unflatten = model.check_problem(net, params, task, loss)
    product = model.hessian_product(net, unflatten(vector), task, loss, step)
    return lanczos(product, len(vector), k=k, which=which, tolerance=tolerance, start=start)


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
    >>> from minidyn.curvature import lanczos
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


def landscape(
    net: Model,
    params: Any,
    task: Task,
    loss: Loss,
    directions: ArrayLike,
    *offsets: ArrayLike,
    step: ArrayLike = 0,
) -> xr.DataArray:
    """F on a line or a plane through `params`: a slice of the landscape, at one step or at several.

    Parameters
    ----------
    net, params, task, loss
        As for `hessian`.
    directions : array_like, shape (p,), (1, p) or (2, p)
        Directions in parameter space, flat, for example `spectrum.vectors.T`. They are used as they are,
        not normalised.
    *offsets : array_like, shape (n,)
        How far to go along each direction: as many arrays as there are directions.
    step : int or array_like of int, shape (m,)
        The value of the clock; the outputs are computed once for all steps.

    Returns
    -------
    xarray.DataArray
        F over "first" and, in a plane, "second"; with a leading "step" where `step` is an array.

    Raises
    ------
    TypeError, ValueError
        Where the arguments do not fit each other.

    Examples
    --------
    >>> import minidyn as md, numpy as np
    >>> net, task, loss = md.MLP(2, 10, 3), md.spiral(), md.CrossEntropy()
    >>> params = net.init(0)
    >>> top = md.hessian_eigenvalues(net, params, task, loss)
    >>> md.landscape(net, params, task, loss, top.vectors.T, np.linspace(-1, 1, 5)).dims
    ('first',)
    """
    vector, unflatten = model.check_problem(net, params, task, loss)
    axes = np.atleast_2d(check.array("directions", directions, (None,) * np.ndim(directions)))
    if axes.shape[0] not in (1, 2) or axes.shape[1:] != vector.shape:
        raise ValueError(f"directions must have shape (1, {len(vector)}) or (2, {len(vector)}), got {axes.shape}")
    if len(offsets) != len(axes):
        raise ValueError(f"offsets must be one array a direction, got {len(offsets)} for {len(axes)}")
    lines = [check.array("offsets", line, (None,)) for line in offsets]
    steps = np.atleast_1d(step)
    values = np.empty((len(steps), *map(len, lines)))
    for index in np.ndindex(*map(len, lines)):
        moved = vector + sum(line[i] * axis for line, i, axis in zip(lines, index, axes, strict=True))
        logits = net.logits(unflatten(moved), task.x)
        values[:, *index] = [loss.value(logits, task.labels, s) for s in steps]
    names = ("first", "second")[: len(lines)]
    found = xr.DataArray(values, {"step": steps, **dict(zip(names, lines, strict=True))}, ("step", *names), "loss")
    return found if np.ndim(step) else found.isel(step=0, drop=True)


def _warm(start: NDArray, random: np.random.RandomState) -> NDArray:
    """A start vector with a little of every direction, so that no eigenvector is out of reach."""
    norm = np.linalg.norm(start) or 1.0
    noise = random.randn(len(start))
    return start / norm + 0.01 * noise / np.linalg.norm(noise)
