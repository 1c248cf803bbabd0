"""The empirical neural tangent kernel of your own model, K = J Jᵀ, block by block under a memory bound."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import grad, vmap

from minidyn import _checks as check
from minidyn.torch._functional import (
    FEW,
    cast,
    check_not_random,
    compute_dtype,
    differentiable,
    first,
    function_of,
    mixes_samples,
)


def empirical_ntk(model: nn.Module, inputs: Tensor, *, dtype: torch.dtype | None = None, memory: int = 2**30) -> Tensor:
    """The full empirical kernel K[p, c, q, d] = Σ_k ∂f_c(x_p)/∂θ_k ∂f_d(x_q)/∂θ_k.

    Parameters
    ----------
    model : torch.nn.Module
        θ are its parameters that require a gradient. The outputs of a sample must not depend on the other samples:
        put batch normalisation into `eval()` mode; otherwise it is refused. The model is left as it is.
    inputs : torch.Tensor, shape (P, ...)
    dtype : torch.float32 or torch.float64, optional
        What to compute in. Default: the model's own, at least float32.
    memory : int
        Bytes that the two blocks of J may take that are held at a time. The smaller the bound, the more blocks:
        with n of them, their rows are computed (n + 1)/2 times on average. What the backward pass needs for a block
        and K itself, (P C)² numbers, come on top.

    Returns
    -------
    torch.Tensor, shape (P, C, P, C)
        On the model's device. Nothing is normalised, averaged or traced over; outputs of more than one axis are
        flattened into C.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the kind above, two rows of J exceed `memory`, or the model returns something else
        than a tensor, is random (dropout in training mode), or mixes the samples of a batch.

    Notes
    -----
    A row of J is the gradient of one output of one sample, by `torch.func`.
    Source: Jacot, Gabriel & Hongler, "Neural tangent kernel" (2018).

    Examples
    --------
    >>> import torch
    >>> from minidyn.torch import empirical_ntk
    >>> kernel = empirical_ntk(torch.nn.Linear(2, 3), torch.randn(5, 2))
    >>> kernel.shape
    torch.Size([5, 3, 5, 3])
    >>> torch.linalg.eigvalsh(kernel.reshape(15, 15)).min() > -1e-4
    tensor(True)
    """
    with differentiable():
        return _empirical_ntk(model, inputs, compute_dtype(model, dtype), memory)


def _empirical_ntk(model: nn.Module, inputs: Tensor, dtype: torch.dtype, memory: int) -> Tensor:
    call, params = function_of(model, dtype)
    inputs = _checked(inputs, dtype).to(first(params).device)
    outputs = _outputs_per_sample(lambda samples: call(params, samples), inputs)
    rows = len(inputs) * outputs
    blocks = torch.arange(rows, device=inputs.device).split(_rows_per_block(params, memory))
    units = torch.eye(outputs, dtype=dtype, device=inputs.device)

    def output(params: dict[str, Tensor], x: Tensor, unit: Tensor) -> Tensor:
        return call(params, x[None]).reshape(-1) @ unit

    def jacobian(rows: Tensor) -> dict[str, Tensor]:
        return vmap(grad(output), (None, 0, 0))(params, inputs[rows // outputs], units[rows % outputs])

    kernel = torch.empty(rows, rows, dtype=dtype, device=inputs.device)
    for i, left_rows in enumerate(blocks):
        left = jacobian(left_rows)
        for right_rows in blocks[i:]:
            right = left if right_rows is left_rows else jacobian(right_rows)
            block = reduce(torch.add, (left[name].flatten(1) @ right[name].flatten(1).T for name in params))
            kernel[left_rows[:, None], right_rows] = block
            kernel[right_rows[:, None], left_rows] = block.T
    return kernel.reshape(len(inputs), outputs, len(inputs), outputs)


def _checked(inputs: Tensor, dtype: torch.dtype) -> Tensor:
    if not isinstance(inputs, Tensor):
        raise TypeError(f"inputs must be a tensor, got {inputs!r:.80}")
    if inputs.ndim == 0 or len(inputs) == 0:
        raise ValueError(f"inputs must hold at least one sample, got shape {tuple(inputs.shape)}")
    return cast(inputs, dtype)


def _outputs_per_sample(outputs: Callable[[Tensor], Any], inputs: Tensor) -> int:
    """The number of outputs of a sample, once they are known to depend on that sample alone, and on nothing random."""
    few = inputs[:FEW]
    with torch.no_grad():
        once, again = outputs(few), outputs(few)
    if not isinstance(once, Tensor):
        raise TypeError(f"model must return a tensor, got {type(once).__name__}: let a module around it pick one")
    if len(once) != len(few):
        raise ValueError(f"model must return a row of outputs per sample, got {tuple(once.shape)} for {len(few)}")
    if not once.isfinite().all():
        raise ValueError("model must give finite outputs for inputs, got some that are not")
    check_not_random(once, again, "model")
    if mixes_samples(outputs, inputs):
        raise ValueError(
            "model must not mix samples: the outputs of the first sample alone are others than in a batch, so there is "
            "no kernel. Is there batch normalisation? Then call model.eval()"
        )
    return once[0].numel()


def _rows_per_block(params: dict[str, Tensor], memory: int) -> int:
    row = sum(p.numel() * p.element_size() for p in params.values())
    if check.integer("memory", memory, least=1) < 2 * row:
        raise ValueError(f"memory must hold two rows of the Jacobian, {2 * row} bytes, got {memory}")
    return memory // (2 * row)
