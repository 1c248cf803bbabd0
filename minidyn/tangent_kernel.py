"""The empirical neural tangent kernel K = J Jᵀ, with J = ∂logits/∂params at the present weights.

Flattening: row (sample p, output c) is number p C + c. Nothing is normalised, averaged or traced over.
Source: Jacot, Gabriel & Hongler, "Neural tangent kernel" (2018).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minidyn import _checks as check
from minidyn import derivatives, model
from minidyn.eigenvalues import Spectrum, lanczos
from minidyn.model import Model


@np.errstate(under="ignore")
def ntk(net: Model, params: Any, x: ArrayLike, other_x: ArrayLike | None = None) -> NDArray:
    """The full empirical kernel K[p, c, q, d] = Σ_k ∂f_c(x_p)/∂θ_k ∂f_d(x'_q)/∂θ_k, also between two sets of samples.

    Parameters
    ----------
    net : MLP or any model with `init` and `logits`
    params
        As `net.init` returns them.
    x : array_like, shape (P, d)
        Samples.
    other_x : array_like, shape (Q, d), optional
        x', other samples: of the training set, say, to see how training on them moves the outputs at x. Default: `x`.

    Returns
    -------
    numpy.ndarray, shape (P, C, Q, C)

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit each other, or there is no sample.
    MemoryError
        If the kernel would not fit the memory that is left; before any work.

    Notes
    -----
    The published notebook of "Tilting the playing field" shows the kernel of the first 50 samples, averaged
    over the outputs: `np.trace(ntk(net, params, x[:50]), axis1=1, axis2=3) / C`.

    Examples
    --------
    >>> import minidyn as md
    >>> net, task = md.MLP(2, 10, 3), md.spiral(points_per_class=5)
    >>> md.ntk(net, net.init(0), task.x).shape
    (15, 3, 15, 3)
    >>> md.ntk(net, net.init(0), [[0.0, 0.5]], task.x).shape
    (1, 3, 15, 3)
    """
    params, x = _checked(net, params, x)
    other = None if other_x is None else _samples("other_x", other_x, x.shape[1])
    return derivatives.of(net).ntk(params, x, other)


@np.errstate(under="ignore")
def ntk_eigenvalues(
    net: Model,
    params: Any,
    x: ArrayLike,
    *,
    k: int = 1,
    tolerance: float = 1e-8,
    start: ArrayLike | None = None,
) -> Spectrum:
    """The k largest eigenvalues of the kernel, from products K v = J (Jᵀ v): neither K nor J is formed.

    Parameters
    ----------
    net, params, x
        As for `ntk`.
    k : int
        How many eigenvalues, 1 to P C.
    tolerance, start
        As for `hessian_eigenvalues`; `start` has shape (P C,).

    Returns
    -------
    Spectrum
        Its vectors have P C entries, sample by sample.

    Raises
    ------
    TypeError, ValueError
        If the arguments do not fit each other, or there is no sample.

    Examples
    --------
    >>> import minidyn as md
    >>> net, task = md.MLP(2, 10, 3), md.spiral()
    >>> md.ntk_eigenvalues(net, net.init(0), task.x, k=2).converged
    True
    """
    params, x = _checked(net, params, x)
    of_net = derivatives.of(net)
    logits, pullback = of_net.vjp(params, x)

    def product(v: NDArray) -> NDArray:
        return of_net.jvp(params, x, pullback(v.reshape(logits.shape))).ravel()

    return lanczos(product, logits.size, k=k, tolerance=tolerance, start=start)


def _checked(net: Model, params: Any, x: ArrayLike) -> tuple[Any, NDArray]:
    samples = _samples("x", x, None)
    vector, unflatten = model.flatten(net, params, samples)
    return unflatten(vector), samples


def _samples(name: str, x: ArrayLike, dimensions: int | None) -> NDArray:
    """`x` as an array of at least one sample, in row-major order."""
    samples = check.array(name, x, (None, dimensions))
    if not len(samples):
        raise ValueError(f"{name} must hold at least one sample, got none")
    return np.ascontiguousarray(samples)
