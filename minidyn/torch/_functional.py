"""Modules as functions of their parameters, on copies: measuring a model never touches it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from minidyn.torch.inputs import Inputs, mapped, samples

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@contextmanager
def differentiable() -> Iterator[None]:
    """Compute with derivatives of any order, also inside `torch.no_grad()`.

    Attention is computed by its plain formula, and what was compiled runs eagerly: neither has second derivatives.
    """
    with torch.inference_mode(False), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), _eagerly():
        yield


def _eagerly() -> Any:
    """Run what `torch.compile` has made as it was written; without importing the compiler if nothing has."""
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


def outside_graphs(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A decorator: `torch.compile` calls the function as it is, between two graphs, and does not trace it."""

    @wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        # Disabled in the call: with the decorator itself, the import of this module would import the compiler too.
        return torch.compiler.disable(function)(*args, **kwargs)

    return call


def compute_dtype(model: nn.Module, dtype: torch.dtype | None) -> torch.dtype:
    """The dtype to measure in: the one asked for, else the model's own, at least float32."""
    if dtype not in (None, torch.float32, torch.float64):
        raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype!r}")
    return dtype or torch.promote_types(first(trainable(model)).dtype, torch.float32)


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that require a gradient, in the model's order."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {model!r:.80}")
    params = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not params:
        raise ValueError("model must have a parameter that requires a gradient, and has none")
    return params


def check_model(model: nn.Module) -> None:
    """Raise an error, which names the tensor, if there is nothing to train, or numbers are not finite."""
    params = trainable(model)
    for name, p in model.named_parameters():
        if isinstance(p, nn.parameter.UninitializedParameter):
            raise ValueError(f"model must know its shapes, and {name!r} is lazy: call the model on a batch first")
        if not bool(p.isfinite().all()):
            raise ValueError(f"model must have finite parameters, got {_first_not_finite(p)!r} in {name!r}")
    for name, buffer in model.named_buffers():
        if buffer.is_floating_point() and bool(buffer.isnan().any()):  # masks may hold an infinity
            raise ValueError(f"model must have buffers without a NaN, got one in {name!r}")
    if not any(p.numel() for p in params.values()):
        raise ValueError(f"model must have a number to train, and its parameters are empty: {', '.join(params)}")


def _first_not_finite(tensor: Tensor) -> float:
    return float(tensor.detach()[~tensor.isfinite()][0])


def function_of(model: nn.Module, dtype: torch.dtype) -> tuple[Callable[..., Any], dict[str, Tensor]]:
    """A function of (params, *arguments), and the trainable parameters in `dtype`, detached copies."""
    params = {name: cast(p.detach(), dtype, copy=True) for name, p in trainable(model).items()}
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    rest = {name: cast(t.detach(), dtype, copy=True) for name, t in tensors.items() if name not in params}
    places = _places(model, {id(tensor): name for name, tensor in tensors.items()})

    def call(params: dict[str, Tensor], *arguments: Any) -> Any:
        values = {**rest, **params}
        replaced = {place: values[name] for place, name in places.items()}
        return torch.func.functional_call(model, replaced, arguments, tie_weights=False)

    return call, params


def _places(model: nn.Module, names: dict[int, str]) -> dict[str, str]:
    """Where each tensor stands, place to name; a module that has two names in the model counts once.

    Replaced under both names, as torch's own `tie_weights` does it, its tensors would not come back afterwards.
    """
    places = {}
    for prefix, module in model.named_modules():
        for tensors in (module.named_parameters, module.named_buffers):
            for name, tensor in tensors(prefix, recurse=False, remove_duplicate=False):
                places[name] = names[id(tensor)]
    return places


def cast(tensor: Tensor, dtype: torch.dtype, **options: Any) -> Tensor:
    """`tensor` in `dtype` if it holds floating-point numbers; a copy if autograd could not record it."""
    tensor = tensor.clone() if tensor.is_inference() else tensor
    return tensor.to(dtype if tensor.is_floating_point() else tensor.dtype, **options)


def usable_device(device: Any) -> torch.device:
    """The device asked for; a ValueError if PyTorch cannot use it here."""
    try:
        torch.empty(1, device=device)
        return torch.device(device)
    except (RuntimeError, TypeError, AssertionError) as error:
        raise ValueError(f"device must be one that PyTorch can use here, as 'cpu', got {device!r}: {error}") from error


def first(values: dict[str, Any]) -> Any:
    return next(iter(values.values()))


def check_not_random(once: Tensor, again: Tensor, name: str) -> None:
    """Raise a ValueError if two evaluations of the same differ."""
    if not bool(((once - again).abs() <= 10 * torch.finfo(once.dtype).eps * once.abs()).all()):
        shown = f"{float(once.flatten()[0])!r} and then {float(again.flatten()[0])!r}"
        raise ValueError(
            f"{name} must not be random, got {shown} for the same batch: is there dropout? Then call model.eval()"
        )


@torch.no_grad()
def mixes_samples(outputs: Callable[[Inputs], Tensor], inputs: Inputs) -> bool:
    """Do the outputs of the first sample depend on the other samples, as with batch normalisation in training mode?"""
    if samples(inputs) < 2:
        return False
    together = outputs(mapped(lambda tensor: tensor[:FEW], inputs))[:1]
    try:
        alone = outputs(mapped(lambda tensor: tensor[:1], inputs))
    except ValueError:  # of batch normalisation, which refuses a single sample
        return True
    return float((alone - together).abs().max()) > torch.finfo(alone.dtype).eps ** 0.5 * float(together.abs().max())


FEW = 8  # samples that are enough to see whether they are mixed
