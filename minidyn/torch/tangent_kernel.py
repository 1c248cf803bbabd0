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
    check_model,
    check_not_random,
    compute_dtype,
    differentiable,
    first,
    function_of,
    mixes_samples,
)
from minidyn.torch.inputs import Inputs, LogitsOf, check_inputs, mapped, samples


def empirical_ntk(
    model: nn.Module,
    inputs: Inputs,
    other_inputs: Inputs | None = None,
    *,
    dtype: torch.dtype | None = None,
    memory: int = 2**30,
) -> Tensor:
    """The full empirical kernel K[p, c, q, d] = Σ_k ∂f_c(x_p)/∂θ_k ∂f_d(x'_q)/∂θ_k, also between two sets of inputs.

    Parameters
    ----------
    model : torch.nn.Module
        θ are its parameters that require a gradient. The outputs of a sample must not depend on the other samples:
        put batch normalisation into `eval()` mode; otherwise it is refused. The model is left as it is.
    inputs : torch.Tensor, shape (P, ...), or a mapping of names to such tensors
        A mapping holds the model's arguments by name, as for Hugging Face's models. Of what a model returns by name,
        the logits are its outputs.
    other_inputs : optional
        x', of Q samples, of the same kind. Default: `inputs`, which takes half the work, as K is symmetric.
    dtype : torch.float32 or torch.float64, optional
        What to compute in. Default: the model's own, at least float32.
    memory : int
        Bytes that the two blocks of J may take that are held at a time. The smaller the bound, the more blocks:
        with n of them, their rows are computed (n + 1)/2 times on average, and n times between two sets of inputs.
        What the backward pass needs for a block and K itself, P C Q C numbers, come on top.

    Returns
    -------
    torch.Tensor, shape (P, C, Q, C)
        On the model's device. Nothing is normalised, averaged or traced over; outputs of more than one axis are
        flattened into C.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the kind above, two rows of J exceed `memory`, or the model has parameters that are not
        finite, returns neither a tensor nor logits by name, is random (dropout in training mode), or mixes the samples
        of a batch.

    Notes
    -----
    A row of J is the gradient of one output of one sample, by `torch.func`: for many rows at once or, if a model does
    not allow that (Hugging Face's look at the values of their masks), one after the other.
    Source: Jacot, Gabriel & Hongler, "Neural tangent kernel" (2018).

    Examples
    --------
    >>> import torch
    >>> from minidyn.torch import empirical_ntk
    >>> kernel = empirical_ntk(torch.nn.Linear(2, 3), torch.randn(5, 2))
    >>> kernel.shape
    torch.Size([5, 3, 5, 3])
    >>> empirical_ntk(torch.nn.Linear(2, 3), torch.randn(5, 2), torch.randn(4, 2)).shape
    torch.Size([5, 3, 4, 3])
    >>> torch.linalg.eigvalsh(kernel.reshape(15, 15)).min() > -1e-4
    tensor(True)
    """
    with differentiable():
        check_model(model)
        dtype = compute_dtype(model, dtype)
        left = right = _Jacobian(model, _checked(inputs, "inputs", dtype), dtype)
        if other_inputs is not None:
            right = _Jacobian(model, _checked(other_inputs, "other_inputs", dtype), dtype)
        if left.outputs != right.outputs:
            raise ValueError(
                f"other_inputs must give as many outputs as inputs, {left.outputs} per sample, got {right.outputs}"
            )
        kernel = _kernel(left, right, _rows_per_block(left.params, memory))
        return kernel.reshape(left.samples, left.outputs, right.samples, right.outputs)


class _Jacobian:
    """The rows of J for some samples, computed when they are asked for.

    Attributes
    ----------
    samples, outputs : int
        The number of samples, and of outputs of each; row p C + c is the gradient of output c of sample p.
    """

    def __init__(self, model: nn.Module, inputs: Inputs, dtype: torch.dtype):
        self.call, self.params = function_of(LogitsOf(model), dtype)
        device = first(self.params).device
        self.inputs = mapped(lambda tensor: tensor.to(device), inputs)
        self.samples = samples(inputs)
        self.outputs = _outputs_per_sample(lambda x: self.call(self.params, x), self.inputs)
        self.units = torch.eye(self.outputs, dtype=dtype, device=device)
        self.at_once = True

    def __call__(self, rows: Tensor) -> dict[str, Tensor]:
        """These rows, under the names of the parameters, in the shapes of the parameters behind the first axis."""
        arguments = mapped(lambda tensor: tensor[rows // self.outputs], self.inputs), self.units[rows % self.outputs]
        if self.at_once:
            try:
                return vmap(grad(self._output), (None, 0, 0))(self.params, *arguments)
            except RuntimeError as error:
                if "vmap" not in str(error) and "atching rule" not in str(error):
                    raise
                self.at_once = False
        return self._one_by_one(*arguments)

    def _output(self, params: dict[str, Tensor], x: Inputs, unit: Tensor) -> Tensor:
        return self.call(params, mapped(lambda tensor: tensor[None], x)).reshape(-1) @ unit

    def _one_by_one(self, inputs: Inputs, units: Tensor) -> dict[str, Tensor]:
        rows = [
            grad(self._output)(self.params, mapped(lambda tensor: tensor[k], inputs), unit)  # noqa: B023
            for k, unit in enumerate(units)
        ]
        return {name: torch.stack([row[name] for row in rows]) for name in self.params}


def _kernel(left: _Jacobian, right: _Jacobian, rows_per_block: int) -> Tensor:
    """The products of all rows of two Jacobians, block by block; of one with itself, each block once."""
    units = left.units
    counts = left.samples * left.outputs, right.samples * right.outputs
    kernel = torch.empty(*counts, dtype=units.dtype, device=units.device)
    blocks, others = (torch.arange(count, device=units.device).split(rows_per_block) for count in counts)
    for i, rows in enumerate(blocks):
        block = left(rows)
        for other_rows in others[i if left is right else 0 :]:
            is_diagonal = left is right and other_rows[0] == rows[0]
            product = _product(block, block if is_diagonal else right(other_rows))
            kernel[rows[:, None], other_rows] = product
            if left is right:
                kernel[other_rows[:, None], rows] = product.T
    return kernel


def _product(rows: dict[str, Tensor], other_rows: dict[str, Tensor]) -> Tensor:
    return reduce(torch.add, (rows[name].flatten(1) @ other_rows[name].flatten(1).T for name in rows))


def _checked(inputs: Any, name: str, dtype: torch.dtype) -> Inputs:
    check_inputs(inputs, name)
    return mapped(lambda tensor: cast(tensor, dtype), inputs)


def _outputs_per_sample(outputs: Callable[[Inputs], Tensor], inputs: Inputs) -> int:
    """The number of outputs of a sample, once they are known to depend on that sample alone, and on nothing random."""
    few = mapped(lambda tensor: tensor[:FEW], inputs)
    with torch.no_grad():
        once, again = outputs(few), outputs(few)
    if len(once) != samples(few):
        raise ValueError(f"model must return a row of outputs per sample, got {tuple(once.shape)} for {samples(few)}")
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
