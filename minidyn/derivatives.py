"""The derivatives of a model and of a loss through it: in closed form where the model brings them, else by autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from autograd import hessian as autograd_hessian
from autograd import make_hvp, make_vjp
from autograd.differential_operators import make_jvp_reversemode
from autograd.misc import flatten as autograd_flatten
from numpy.typing import NDArray

from minidyn.losses import Loss
from minidyn.model import Model, check_problem
from minidyn.task import Task


def gradient(net: Model, params: Any, task: Task, loss: Loss, step: int = 0) -> Any:
    """∂F/∂params, in the structure of `params`.

    Parameters
    ----------
    net : MLP or any model with `init` and `logits`
    params
        As `net.init` returns them.
    task : Task
    loss : CrossEntropy or SquaredError
    step : int
        The value of the clock, in steps: which Γ is in force.

    Returns
    -------
    Like `params`.

    Raises
    ------
    TypeError, ValueError
        Where the arguments do not fit each other.

    Examples
    --------
    >>> import minidyn as md
    >>> net, task = md.MLP(2, 10, 3), md.spiral()
    >>> [(W.shape, b.shape) for W, b in md.gradient(net, net.init(0), task, md.CrossEntropy())]
    [((2, 10), (10,)), ((10, 3), (3,))]
    """
    vector, unflatten = check_problem(net, params, task, loss)
    logits, pullback = vjp(net, unflatten(vector), task.x)
    return unflatten(pullback(loss.gradient(logits, task.labels, step)))


def vjp(net: Any, params: Any, x: NDArray) -> tuple[NDArray, Callable[[NDArray], NDArray]]:
    """Outputs (P, C), and the function that takes a cotangent (P, C) to Jᵀv, flat (p,)."""
    if hasattr(net, "vjp"):
        return net.vjp(params, x)
    pullback, logits = make_vjp(lambda p: net.logits(p, x))(params)
    return logits, lambda cotangent: autograd_flatten(pullback(cotangent))[0]


def jvp(net: Any, params: Any, x: NDArray, tangent: NDArray) -> NDArray:
    """J u, shape (P, C), for a flat direction u (p,) in parameter space."""
    if hasattr(net, "jvp"):
        return net.jvp(params, x, tangent)
    _, unflatten = autograd_flatten(params)
    return make_jvp_reversemode(lambda p: net.logits(p, x))(params)(unflatten(tangent))


def jacobian(net: Any, params: Any, x: NDArray) -> NDArray:
    """J = ∂logits/∂params, shape (P, C, p)."""
    if hasattr(net, "jacobian"):
        return net.jacobian(params, x)
    logits, pullback = vjp(net, params, x)
    units = np.eye(logits.size).reshape(-1, *logits.shape)
    return np.stack([pullback(unit) for unit in units]).reshape(*logits.shape, -1)


def hessian(net: Any, params: Any, task: Task, loss: Loss, step: int) -> NDArray:
    """The exact Hessian of F, shape (p, p)."""
    if hasattr(net, "hessian"):
        return net.hessian(params, task.x, *_output_derivatives(net, params, task, loss, step))
    vector, unflatten = autograd_flatten(params)
    found = autograd_hessian(lambda v: _value(net, unflatten(v), task, loss, step))(vector)
    return (found + found.T) / 2


def hessian_product(net: Any, params: Any, task: Task, loss: Loss, step: int) -> Callable[[NDArray], NDArray]:
    """The function that takes v (p,) to H v."""
    if hasattr(net, "hessian_product"):
        return net.hessian_product(params, task.x, *_output_derivatives(net, params, task, loss, step))
    vector, unflatten = autograd_flatten(params)
    product, _ = make_hvp(lambda v: _value(net, unflatten(v), task, loss, step))(vector)
    return product


def _output_derivatives(net: Any, params: Any, task: Task, loss: Loss, step: int) -> tuple[NDArray, NDArray]:
    logits = net.logits(params, task.x)
    return loss.gradient(logits, task.labels, step), loss.curvature(logits, task.labels, step)


def _value(net: Any, params: Any, task: Task, loss: Loss, step: int) -> Any:
    return loss.value(net.logits(params, task.x), task.labels, step)
