"""The valley of your own model along one direction: `minidyn.valley_slice` for any module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from minidyn import _checks as check
from minidyn.torch._functional import differentiable, first
from minidyn.torch.batches import Data
from minidyn.torch.curvature import top_eigenvalues, unflatten
from minidyn.torch.objective import Objective
from minidyn.valley import ValleySlice, unit_direction


def valley_slice(
    model: nn.Module,
    data: Data,
    loss: Callable[[Any, Tensor], Tensor],
    *,
    learning_rate: float,
    direction: ArrayLike | None = None,
    radius: float = 0.2,
    dtype: torch.dtype | None = None,
) -> ValleySlice:
    """The valley through a model's present parameters along one direction, for any model, data and loss.

    Parameters
    ----------
    model, data, loss, dtype
        As for `top_eigenvalues`; the model is left as it is, and later changes of it do not change the slice.
    learning_rate : float
        η of the plain gradient descent whose map is wanted.
    direction : array_like, shape (p,), optional
        u, over the parameters that require a gradient, flattened in order; its length does not matter. None: the
        leading eigenvector of the Hessian.
    radius : float
        The force is fitted over the slice's floor ± radius. Take about as much as the bounce is wide.

    Returns
    -------
    minidyn.ValleySlice
        With `value(x)`, `force(x)`, `curvature_at(x)`, `curvature`, `flip_coefficient`, `flip_error`,
        `period_two_amplitude` and `orbit(updates)`; each offset costs a pass over the data.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the kind above, or the loss is random (dropout in training mode).

    Notes
    -----
    The floor of a bouncing model is the mean of its parameters over some updates: `torch.optim.swa_utils.AveragedModel`
    keeps it.

    Examples
    --------
    >>> import torch
    >>> from minidyn.torch import valley_slice
    >>> _ = torch.manual_seed(0)
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).double()
    >>> data = torch.randn(20, 2).double(), torch.randint(3, (20,))
    >>> cut = valley_slice(net, data, torch.nn.CrossEntropyLoss(), learning_rate=0.5)
    >>> cut.force([-0.1, 0.0, 0.1]).shape
    (3,)
    """
    rate = check.real("learning_rate", learning_rate, above=0)
    radius = check.real("radius", radius, above=0)
    with differentiable():
        objective = Objective(model, data, loss, dtype)
        params, dtype = objective.params, objective.dtype
        if direction is None:
            direction = top_eigenvalues(model, objective.batches, loss, dtype=dtype).vectors[:, 0]
        unit = unit_direction(direction, sum(p.numel() for p in params.values()))
        pieces = unflatten(torch.as_tensor(unit, dtype=dtype, device=first(params).device), params)
    line = _Line(objective, dict(zip(params, pieces, strict=True)))
    return ValleySlice(direction=unit, learning_rate=rate, radius=radius, line=line)


@dataclass(frozen=True, eq=False)
class _Line:
    """F and its derivatives along a line in parameter space."""

    objective: Objective
    direction: dict[str, Tensor]

    def __call__(self, x: NDArray, order: int) -> NDArray:
        with differentiable():
            return np.array([self._derivative(float(offset), order) for offset in x], float)

    def _derivative(self, offset: float, order: int) -> float:
        """Differentiate with respect to the offset itself, batch by batch."""
        some = first(self.direction)
        t = torch.tensor(offset, dtype=some.dtype, device=some.device, requires_grad=order > 0)
        moved = {name: p + t * self.direction[name] for name, p in self.objective.params.items()}
        total = 0.0
        for value in self.objective.values(moved):
            for _ in range(order):
                value = _slope(value, t)
            total += float(value.detach())
        return total


def _slope(value: Tensor, t: Tensor) -> Tensor:
    """∂value/∂t, which is 0 if `value` does not depend on t."""
    if not value.requires_grad:
        return torch.zeros_like(t)
    return torch.autograd.grad(value, t, create_graph=True, materialize_grads=True)[0]
