"""Sharpness of your own model: the ends of the Hessian's spectrum, from Hessian-vector products.

The algorithm is `minidyn.curvature.lanczos`. Its basis lies in host memory, in float64; only the products run on
the model's device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from minidyn.eigenvalues import Spectrum, lanczos
from minidyn.torch._functional import cast, cast_module, compute_dtype, first, function_of


def top_eigenvalues(
    model: nn.Module,
    data: tuple[Tensor, Tensor] | Iterable[tuple[Tensor, Tensor]],
    loss: Callable[[Any, Tensor], Tensor],
    *,
    k: int = 1,
    which: str = "largest",
    dtype: torch.dtype | None = None,
    tolerance: float | None = None,
    start: ArrayLike | None = None,
    most: int = 300,
) -> Spectrum:
    """The k algebraically largest (or smallest) eigenvalues of ∂²F/∂θ², for any model, data and loss.

    Parameters
    ----------
    model : torch.nn.Module
        θ are its parameters that require a gradient, in order. It is measured in the mode that it is in, and left
        as it is.
    data : (inputs, targets), or an iterable of such batches
        Tensors on any device; a `DataLoader`, for example, is read once. F over several batches is the mean over
        their samples, so `loss` should be a mean over samples too.
    loss : callable
        Takes (model(inputs), targets) to a scalar. A dynamical loss counts with the Γ in force, or in `eval()` mode
        with Γ = 1.
    k : int
        How many, 1 to the number of parameters.
    which : {"largest", "smallest"}
    dtype : torch.float32 or torch.float64, optional
        What to compute in. Default: the model's own, at least float32.
    tolerance : float, optional
        On each residual, relative to the largest eigenvalue in size. Default: the square root of the dtype's
        resolution (1.5e-8 in float64, 3.5e-4 in float32). The error of an isolated eigenvalue is of the order of its
        residual squared.
    start : array_like, shape (p,), optional
        Where the search starts: an eigenvector measured a little earlier in training saves products.
    most : int
        How many basis vectors to keep at most; each takes 8 p bytes of host memory.

    Returns
    -------
    minidyn.Spectrum
        NumPy arrays; `.vectors` (p, k) has the parameters flattened in order.

    Raises
    ------
    TypeError, ValueError
        Where an argument is not of the kind above, `k` exceeds the number of parameters, or the loss is random
        (dropout in training mode).

    Notes
    -----
    A product costs two backward passes over the data and as much memory as they do for one batch; nothing is kept
    from one product to the next. Layers without a second derivative (fused attention, cuDNN's recurrent layers)
    cannot be measured.
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
    dtype = compute_dtype(model, dtype)
    call, params = function_of(model, dtype)
    criterion, batches = cast_module(loss, dtype), as_batches(data, dtype)
    device, samples = first(params).device, sum(len(targets) for _, targets in batches)

    def value(inputs: Tensor, targets: Tensor) -> Tensor:
        found = criterion(call(params, inputs.to(device)), targets.to(device))
        if found.ndim:
            raise ValueError(f"loss must return a scalar, got shape {tuple(found.shape)}")
        return found * (len(targets) / samples)

    def product(vector: NDArray) -> NDArray:
        directions = unflatten(torch.as_tensor(vector, dtype=dtype, device=device), params)
        images = (_hessian_product(value(*batch), list(params.values()), directions) for batch in batches)
        return reduce(torch.add, images).cpu().to(torch.float64).numpy()

    check_repeatable(value, batches[0], dtype)
    for parameter in params.values():
        parameter.requires_grad_()
    return lanczos(
        product,
        sum(p.numel() for p in params.values()),
        k=k,
        which=which,
        tolerance=torch.finfo(dtype).eps ** 0.5 if tolerance is None else tolerance,
        start=None if start is None else np.asarray(torch.as_tensor(start).detach().cpu()),
        max_basis=most,
    )


def _hessian_product(value: Tensor, params: list[Tensor], directions: list[Tensor]) -> Tensor:
    """H v, flat, by differentiating (∂F/∂θ) · v."""
    gradients = torch.autograd.grad(value, params, create_graph=True, materialize_grads=True)
    slope = torch.stack([(g * v).sum() for g, v in zip(gradients, directions, strict=True)]).sum()
    if not slope.requires_grad:  # F is linear in θ
        return torch.cat([torch.zeros_like(p).flatten() for p in params])
    return torch.cat([h.flatten() for h in torch.autograd.grad(slope, params, materialize_grads=True)])


def unflatten(vector: Tensor, params: dict[str, Tensor]) -> list[Tensor]:
    pieces = vector.split([p.numel() for p in params.values()])
    return [piece.view_as(p) for piece, p in zip(pieces, params.values(), strict=True)]


def as_batches(data: Any, dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    """The data as a list of (inputs, targets), floating-point numbers in `dtype`."""
    pair = isinstance(data, (tuple, list)) and len(data) == 2 and all(isinstance(part, Tensor) for part in data)
    if not pair and (isinstance(data, Tensor) or not isinstance(data, Iterable)):
        raise TypeError(f"data must be (inputs, targets) or an iterable of such batches, got {data!r:.80}")
    batches = []
    for batch in [data] if pair else data:
        if not (isinstance(batch, (tuple, list)) and len(batch) == 2 and all(isinstance(b, Tensor) for b in batch)):
            raise TypeError(f"data must hold (inputs, targets), two tensors a batch, got {batch!r:.80}")
        inputs, targets = batch
        if targets.ndim == 0 or len(inputs) != len(targets) or len(targets) == 0:
            raise ValueError(f"inputs and targets must be as many, got {tuple(inputs.shape)}, {tuple(targets.shape)}")
        batches.append((cast(inputs, dtype), cast(targets, dtype)))
    if not batches:
        raise ValueError("data must hold at least one batch, got none")
    return batches


def check_repeatable(value: Callable[..., Tensor], batch: tuple[Tensor, Tensor], dtype: torch.dtype) -> None:
    with torch.no_grad():
        once, again = float(value(*batch)), float(value(*batch))
    if abs(once - again) > 10 * torch.finfo(dtype).eps * abs(once):
        raise ValueError(
            f"loss must not be random, got {once!r} and then {again!r} for the same batch: is there dropout? "
            "Then call model.eval()"
        )
