"""Sharpness of your own model: the ends of the Hessian's spectrum, from Hessian-vector products.

The algorithm is `minidyn.eigenvalues.lanczos`. Its basis lies in host memory, in float64; only the products run on
the model's device.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from minidyn import _renamed
from minidyn.eigenvalues import Spectrum, lanczos
from minidyn.torch._functional import differentiable, first
from minidyn.torch.batches import Data
from minidyn.torch.objective import Objective


@_renamed.arguments(most="max_basis")
def top_eigenvalues(
    model: nn.Module,
    data: Data,
    loss: Callable[[Any, Tensor], Tensor],
    *,
    k: int = 1,
    which: str = "largest",
    dtype: torch.dtype | None = None,
    tolerance: float | None = None,
    start: ArrayLike | None = None,
    max_basis: int = 300,
) -> Spectrum:
    """The k algebraically largest (or smallest) eigenvalues of ∂²F/∂θ², for any model, data and loss.

    Parameters
    ----------
    model : torch.nn.Module
        θ are its parameters that require a gradient, in order. It is measured in the mode that it is in, and left
        as it is.
    data : (inputs, targets), or an iterable of such batches
        Tensors on any device; a `DataLoader`, for example, is read once. The inputs may also be tensors by name, which
        are the model's arguments, and a batch may be all by name, with its targets as "labels", as Hugging Face's are.
        Batches are put together so that the result
        is that of all data at once, for a mean over samples, a sum, and for an `nn.CrossEntropyLoss` (or one of this
        package's losses) with class weights and ignored samples.
    loss : callable
        Takes (model(inputs), targets) to a scalar. Losses of `torch.nn` and of this package get the logits of a model
        that returns its outputs by name ("logits", or torchvision's "out"); other functions get what the model
        returns. What it adds through the model's parameters, such as a penalty on
        them, counts if it reads them from the model when it is called. A dynamical loss counts with the Γ in force,
        or in `eval()` mode with Γ = 1.
    k : int
        Number of eigenvalues, 1 to the number of parameters.
    which : {"largest", "smallest"}
    dtype : torch.float32 or torch.float64, optional
        What to compute in. Default: the model's own, at least float32.
    tolerance : float, optional
        On each residual, relative to the largest eigenvalue in size. Default: the square root of the dtype's
        resolution (1.5e-8 in float64, 3.5e-4 in float32). The error of an isolated eigenvalue is of the order of its
        residual squared.
    start : array_like, shape (p,), optional
        Vector from which the search starts: an eigenvector measured a little earlier in training saves products.
    max_basis : int
        Largest number of basis vectors; each takes 8 p bytes of host memory.

    Returns
    -------
    minidyn.Spectrum
        NumPy arrays; `.vectors` (p, k) has the parameters flattened in order.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the kind above, `k` exceeds the number of parameters, a parameter is not finite, the
        data hold a NaN, the loss is random (dropout in training mode), not finite, holds parameters of its own of the
        model, or cannot be put together from batches.

    Warns
    -----
    UserWarning
        If there are several batches and the model mixes the samples of a batch (batch normalisation in training mode).

    Notes
    -----
    A product costs two backward passes over the data and as much memory as they do for one batch; nothing is kept
    from one product to the next. It works inside `torch.no_grad()` and `torch.inference_mode()` too. Attention of
    `scaled_dot_product_attention` is computed by its plain formula, which has second derivatives, and a compiled model
    runs as it was written. Kernels without second derivatives cannot be measured: those of other packages for
    attention, and cuDNN's recurrent layers on a GPU.
    Source: Pearlmutter, "Fast exact multiplication by the Hessian" (1994).

    Examples
    --------
    >>> import torch
    >>> from minidyn.torch import top_eigenvalues
    >>> _ = torch.manual_seed(0)
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    >>> data = torch.randn(20, 2), torch.randint(3, (20,))
    >>> top_eigenvalues(net, data, torch.nn.CrossEntropyLoss(), k=2, dtype=torch.float64).converged
    True
    """
    with differentiable():
        objective = Objective(model, data, loss, dtype)
        resolution = torch.finfo(objective.dtype).eps
        return lanczos(
            hessian_product(objective),
            sum(p.numel() for p in objective.params.values()),
            k=k,
            which=which,
            tolerance=resolution**0.5 if tolerance is None else tolerance,
            start=None if start is None else np.asarray(torch.as_tensor(start).detach().cpu()),
            max_basis=max_basis,
        )


def hessian_product(objective: Objective) -> Callable[[NDArray], NDArray]:
    """The function that takes v (p,) to H v, in float64 on the host."""
    params = {name: p.requires_grad_() for name, p in objective.params.items()}
    some = first(params)

    def product(vector: NDArray) -> NDArray:
        directions = unflatten(torch.as_tensor(vector, dtype=some.dtype, device=some.device), params)
        images = (_differentiated(value, list(params.values()), directions) for value in objective.values(params))
        return reduce(torch.add, images).cpu().to(torch.float64).numpy()

    return product


def _differentiated(value: Tensor, params: list[Tensor], directions: list[Tensor]) -> Tensor:
    """H v of one value, flat, by differentiating (∂F/∂θ) · v."""
    if not value.requires_grad:  # F does not depend on θ
        return torch.cat([torch.zeros_like(p).flatten() for p in params])
    gradients = torch.autograd.grad(value, params, create_graph=True, materialize_grads=True)
    slope = torch.stack([(g * v).sum() for g, v in zip(gradients, directions, strict=True)]).sum()
    if not slope.requires_grad:  # F is linear in θ
        return torch.cat([torch.zeros_like(p).flatten() for p in params])
    return torch.cat([h.flatten() for h in torch.autograd.grad(slope, params, materialize_grads=True)])


def unflatten(vector: Tensor, params: dict[str, Tensor]) -> list[Tensor]:
    """A flat vector in the shapes of the parameters."""
    pieces = vector.split([p.numel() for p in params.values()])
    return [piece.view_as(p) for piece, p in zip(pieces, params.values(), strict=True)]
