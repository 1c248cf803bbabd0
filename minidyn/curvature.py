"""Curvature of the loss in weight space: the exact Hessian, its leading eigenvalues, and slices of the landscape.

The largest eigenvalue λ_max is the sharpness. Plain gradient descent on a frozen quadratic valley is stable
along an eigenvector only while η λ < 2. Eigenvalues are ordered algebraically, not by size: at a random start
the Hessian of a ReLU network has many negative ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from minidyn import _checks as check
from minidyn import derivatives, model
from minidyn.eigenvalues import Spectrum, lanczos
from minidyn.losses import Loss
from minidyn.model import Model
from minidyn.task import Task


@np.errstate(under="ignore")
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
        If the arguments do not fit each other.
    MemoryError
        If the Hessian would not fit the memory that is left; before any work.

    Examples
    --------
    >>> import minidyn as md
    >>> net, task = md.MLP(2, 10, 3), md.spiral()
    >>> md.hessian(net, net.init(0), task, md.CrossEntropy()).shape
    (63, 63)
    """
    vector, unflatten = model.check_problem(net, params, task, loss)
    return derivatives.hessian(net, unflatten(vector), task, loss, step)


@np.errstate(under="ignore")
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
    product = derivatives.hessian_product(net, unflatten(vector), task, loss, step)

    @np.errstate(under="ignore")
    def checked_product(v: NDArray) -> NDArray:
        return product(check.array("v", v, vector.shape))

    return checked_product


@np.errstate(under="ignore")
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
        How many eigenvalues, 1 to p.
    which : {"largest", "smallest"}
    tolerance : float
        Bound on each residual, relative to the largest eigenvalue in size. The error of an isolated eigenvalue is
        of the order of its residual squared.
    start : array_like, shape (p,), optional
        Vector from which the search starts; an eigenvector of a nearby Hessian saves products.

    Returns
    -------
    Spectrum

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit each other, or `k` exceeds the number of parameters.

    Examples
    --------
    >>> import minidyn as md
    >>> net, task = md.MLP(2, 10, 3), md.spiral()
    >>> md.hessian_eigenvalues(net, net.init(0), task, md.CrossEntropy(), k=3).converged
    True
    """
    vector, unflatten = model.check_problem(net, params, task, loss)
    product = derivatives.hessian_product(net, unflatten(vector), task, loss, step)
    return lanczos(product, len(vector), k=k, which=which, tolerance=tolerance, start=start)


@np.errstate(under="ignore")
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
        F over "first" and, in a plane, "second"; with a leading "step" if `step` is an array.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit each other.

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
    axes = np.atleast_2d(check.array("directions", directions, None))
    if axes.shape[0] not in (1, 2) or axes.shape[1:] != vector.shape:
        raise ValueError(f"directions must have shape (1, {len(vector)}) or (2, {len(vector)}), got {axes.shape}")
    if len(offsets) != len(axes):
        raise ValueError(f"offsets must be one array per direction, got {len(offsets)} for {len(axes)}")
    lines = [check.array("offsets", line, (None,)) for line in offsets]
    steps = np.atleast_1d(check.steps("step", step))
    values = np.empty((len(steps), *map(len, lines)))
    for index in np.ndindex(*map(len, lines)):
        point = vector + sum(line[i] * axis for line, i, axis in zip(lines, index, axes, strict=True))
        logits = net.logits(unflatten(point), task.x)
        values[:, *index] = [loss.value(logits, task.labels, s) for s in steps]
    names = ("first", "second")[: len(lines)]
    slices = xr.DataArray(values, {"step": steps, **dict(zip(names, lines, strict=True))}, ("step", *names), "loss")
    return slices if np.ndim(step) else slices.isel(step=0, drop=True)
