"""The derivatives of a model and of a loss through it: in closed form for an `MLP`, by autograd for any other model.

`of(net)` chooses, once; arguments are not checked here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from autograd import hessian as autograd_hessian
from autograd import make_hvp, make_vjp
from autograd.differential_operators import make_jvp_reversemode
from numpy.typing import NDArray

from minidyn import _checks as check
from minidyn.losses import Loss
from minidyn.mlp import MLP, has_closed_forms
from minidyn.model import Model, check_problem
from minidyn.parameters import Structure
from minidyn.task import Task

Pullback = Callable[[NDArray], NDArray]


class Derivatives(Protocol):
    """The derivatives of a model's outputs (P, C), and of a loss, with respect to its p parameters, flat."""

    def vjp(self, params: Any, x: NDArray) -> tuple[NDArray, Pullback]:
        """Outputs (P, C), and the function that takes a cotangent v (P, C) to Jᵀ v (p,)."""

    def jvp(self, params: Any, x: NDArray, tangent: NDArray) -> NDArray:
        """J u (P, C), for a direction u (p,) in parameter space."""

    def jacobian(self, params: Any, x: NDArray) -> NDArray:
        """J = ∂logits/∂params (P, C, p)."""

    def ntk(self, params: Any, x: NDArray, other_x: NDArray | None = None) -> NDArray:
        """J J'ᵀ (P, C, Q, C), with J at x and J' at other_x; by default J Jᵀ."""

    def hessian(self, params: Any, task: Task, loss: Loss, step: int) -> NDArray:
        """The exact Hessian of F (p, p), symmetric to the last bit."""

    def hessian_product(self, params: Any, task: Task, loss: Loss, step: int) -> Pullback:
        """The function that takes v (p,) to H v (p,)."""


def of(net: Model) -> Derivatives:
    """The derivatives of a model: an `MLP`'s own, unless a subclass changes its outputs; otherwise autograd's."""
    return ClosedForms(net) if has_closed_forms(net) else Autograd(net)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ClosedForms:
    """Those that an `MLP` brings along."""

    net: MLP

    def vjp(self, params: Any, x: NDArray) -> tuple[NDArray, Pullback]:
        return self.net.vjp(params, x)

    def jvp(self, params: Any, x: NDArray, tangent: NDArray) -> NDArray:
        return self.net.jvp(params, x, tangent)

    def jacobian(self, params: Any, x: NDArray) -> NDArray:
        return self.net.jacobian(params, x)

    def ntk(self, params: Any, x: NDArray, other_x: NDArray | None = None) -> NDArray:
        return self.net.ntk(params, x, other_x)

    def hessian(self, params: Any, task: Task, loss: Loss, step: int) -> NDArray:
        return self.net.hessian(params, task.x, *self._output_derivatives(params, task, loss, step))

    def hessian_product(self, params: Any, task: Task, loss: Loss, step: int) -> Pullback:
        return self.net.hessian_product(params, task.x, *self._output_derivatives(params, task, loss, step))

    def _output_derivatives(self, params: Any, task: Task, loss: Loss, step: int) -> tuple[NDArray, NDArray]:
        logits = self.net.logits(params, task.x)
        return loss.gradient(logits, task.labels, step), loss.curvature(logits, task.labels, step)


@dataclass(frozen=True)
class Autograd:
    """Those of any model that is written in `autograd.numpy`."""

    net: Model

    def vjp(self, params: Any, x: NDArray) -> tuple[NDArray, Pullback]:
        vector, outputs = self._outputs(params, x)
        pullback, logits = make_vjp(outputs)(vector)
        return logits, pullback

    def jvp(self, params: Any, x: NDArray, tangent: NDArray) -> NDArray:
        vector, outputs = self._outputs(params, x)
        return make_jvp_reversemode(outputs)(vector)(tangent)

    def jacobian(self, params: Any, x: NDArray) -> NDArray:
        logits, pullback = self.vjp(params, x)
        size = Structure(params).size
        check.memory(f"the Jacobian on {len(x)} samples", 2 * logits.size * (size + logits.size))
        units = np.eye(logits.size).reshape(-1, *logits.shape)
        return np.stack([pullback(unit) for unit in units]).reshape(*logits.shape, -1)

    def ntk(self, params: Any, x: NDArray, other_x: NDArray | None = None) -> NDArray:
        sets = x, x if other_x is None else other_x
        rows, columns = (self.net.logits(params, samples).size for samples in sets)
        what = f"the tangent kernel between {len(sets[0])} and {len(sets[1])} samples"
        check.memory(what, (rows + columns) * Structure(params).size + rows * columns)
        jacobian = self.jacobian(params, x)
        other = jacobian if other_x is None else self.jacobian(params, other_x)
        left, right = (j.reshape(-1, j.shape[-1]) for j in (jacobian, other))
        return (left @ right.T).reshape(*jacobian.shape[:2], *other.shape[:2])

    def hessian(self, params: Any, task: Task, loss: Loss, step: int) -> NDArray:
        vector, value = self._value(params, task, loss, step)
        check.memory(f"the Hessian, with {len(vector):,} parameters,", 3 * len(vector) ** 2)
        hessian = autograd_hessian(value)(vector)
        return (hessian + hessian.T) / 2

    def hessian_product(self, params: Any, task: Task, loss: Loss, step: int) -> Pullback:
        vector, value = self._value(params, task, loss, step)
        return make_hvp(value)(vector)[0]

    def _outputs(self, params: Any, x: NDArray) -> tuple[NDArray, Callable[[NDArray], Any]]:
        """The parameters as a vector, and the outputs as a function of it."""
        structure = Structure(params)
        return structure.flatten(params), lambda v: self.net.logits(structure.unflatten(v), x)

    def _value(self, params: Any, task: Task, loss: Loss, step: int) -> tuple[NDArray, Callable[[NDArray], Any]]:
        """The parameters as a vector, and F as a function of it."""
        vector, outputs = self._outputs(params, task.x)
        return vector, lambda v: loss.value(outputs(v), task.labels, step)


@np.errstate(under="ignore")
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
        If the arguments do not fit each other.

    Examples
    --------
    >>> import minidyn as md
    >>> net, task = md.MLP(2, 10, 3), md.spiral()
    >>> [(W.shape, b.shape) for W, b in md.gradient(net, net.init(0), task, md.CrossEntropy())]
    [((2, 10), (10,)), ((10, 3), (3,))]
    """
    vector, unflatten = check_problem(net, params, task, loss)
    logits, pullback = of(net).vjp(unflatten(vector), task.x)
    return unflatten(pullback(loss.gradient(logits, task.labels, step)))


def vjp(net: Model, params: Any, x: NDArray) -> tuple[NDArray, Pullback]:
    """Outputs (P, C), and the function that takes a cotangent v (P, C) to Jᵀ v, flat (p,)."""
    return of(net).vjp(params, x)


def jvp(net: Model, params: Any, x: NDArray, tangent: NDArray) -> NDArray:
    """J u, shape (P, C), for a flat direction u (p,) in parameter space."""
    return of(net).jvp(params, x, tangent)


def jacobian(net: Model, params: Any, x: NDArray) -> NDArray:
    """J = ∂logits/∂params, shape (P, C, p)."""
    return of(net).jacobian(params, x)


def hessian(net: Model, params: Any, task: Task, loss: Loss, step: int) -> NDArray:
    """The exact Hessian of F, shape (p, p)."""
    return of(net).hessian(params, task, loss, step)


def hessian_product(net: Model, params: Any, task: Task, loss: Loss, step: int) -> Pullback:
    """The function that takes v (p,) to H v."""
    return of(net).hessian_product(params, task, loss, step)
