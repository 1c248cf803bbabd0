"""Modules as functions of their parameters, on copies: measuring a model never touches it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def compute_dtype(model: nn.Module, dtype: torch.dtype | None) -> torch.dtype:
    """The dtype to measure in: the one asked for, else the model's own, at least float32."""
    if dtype not in (None, torch.float32, torch.float64):
        raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype!r}")
    return dtype or torch.promote_types(first(trainable(model)).dtype, torch.float32)


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that require a gradient, in the model's order."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {model!r:.80}")
    found = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not found:
        raise ValueError("model must have a parameter that requires a gradient, and has none")
    return found


def function_of(model: nn.Module, dtype: torch.dtype) -> tuple[Callable[..., Any], dict[str, Tensor]]:
    """A function of (params, *arguments), and the trainable parameters in `dtype`, detached copies."""
    params = {name: cast(p.detach(), dtype, copy=True) for name, p in trainable(model).items()}
    return _call(model, params, dtype), params


def cast_module(module: Any, dtype: torch.dtype) -> Callable[..., Any]:
    """A loss, say, as a function that computes in `dtype`; other callables as they are."""
    if not callable(module):
        raise TypeError(f"loss must be callable as loss(outputs, targets), got {module!r:.80}")
    if not isinstance(module, nn.Module):
        return module
    call = _call(module, {}, dtype)
    return lambda *arguments: call({}, *arguments)


def cast(tensor: Tensor, dtype: torch.dtype, **options: Any) -> Tensor:
    """`tensor` in `dtype` where it holds floating-point numbers."""
    return tensor.to(dtype if tensor.is_floating_point() else tensor.dtype, **options)


def first(values: dict[str, Any]) -> Any:
    return next(iter(values.values()))


def _call(module: nn.Module, params: dict[str, Tensor], dtype: torch.dtype) -> Callable[..., Any]:
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    rest = {name: cast(t.detach(), dtype, copy=True) for name, t in tensors.items() if name not in params}

    def call(params: dict[str, Tensor], *arguments: Any) -> Any:
        return torch.func.functional_call(module, {**rest, **params}, arguments)

    return call
