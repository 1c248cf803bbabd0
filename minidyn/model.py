"""What a model is, and its derivatives: in closed form where the model brings them, by autograd elsewhere.

A model has `init(seed) -> params` and `logits(params, x) -> (P, C)` in `autograd.numpy`. `MLP` also brings
`vjp`, `jvp`, `jacobian`, `hessian` and `hessian_product`; a model that has one of these is taken at its word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from autograd import hessian as autograd_hessian
from autograd import make_hvp, make_vjp
from autograd.differential_operators import make_jvp_reversemode
from autograd.misc import flatten as autograd_flatten
from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn.losses import Loss
from minidyn.task import Task


class Model(Protocol):
    """What the library asks of a network: `MLP` has it, and so can a reader's own."""

    def init(self, seed: int) -> Any:
        """Initial parameters: nested lists, tuples and dicts of float arrays."""

    def logits(self, params: Any, x: NDArray) -> NDArray:
        """Outputs (P, C) for samples x (P, d), written in `autograd.numpy`."""


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


def check_problem(
    net: Model, params: Any, task: Task, loss: Loss | None = None
) -> tuple[NDArray, Callable[[NDArray], Any]]:
    """`params` as a flat vector and the way back, once (net, params, task, loss) are known to fit each other."""
    if not isinstance(task, Task):
        raise TypeError(f"task must be a Task, got {task!r:.80}")
    if loss is not None and not isinstance(loss, Loss):
        raise TypeError(f"loss must be a CrossEntropy or SquaredError, got {loss!r:.80}")
    vector, unflatten = flatten(net, params, task.x)
    if loss is not None:
        outputs = np.shape(net.logits(unflatten(vector), task.x[:1]))
        if outputs != (1, task.classes):
            raise ValueError(f"net must give logits of shape (P, {task.classes}), got {outputs} for P=1 from {net!r}")
        loss.check_classes(task.classes)
    return vector, unflatten


def flatten(net: Any, params: Any, x: NDArray) -> tuple[NDArray, Callable[[NDArray], Any]]:
    """A flat copy of `params` and the function that takes a vector back to their structure."""
    if isinstance(net, type) or not (hasattr(net, "init") and hasattr(net, "logits")):
        raise TypeError(f"net must have init(seed) and logits(params, x), got {net!r:.80}")
    if hasattr(net, "check_params"):
        net.check_params(params)
        if x.shape[1] != net.widths[0]:
            raise ValueError(f"x has {x.shape[1]} dimensions, but net {net!r} has {net.widths[0]} inputs")
    try:
        vector, unflatten = autograd_flatten(params)
    except TypeError:
        raise TypeError(f"params must be nested lists, tuples and dicts of arrays, got {params!r:.80}") from None
    return check.array("params", vector, (None,)).copy(), getattr(net, "unflatten", unflatten)


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
