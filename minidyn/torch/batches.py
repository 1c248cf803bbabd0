"""Data in batches, and the share that each batch's loss has in the loss of all of them.

A loss that is a mean is put together again by what it divides by in each batch: the number of samples, or for a
cross-entropy with class weights or an index to ignore, the weights of those that count. A sum is added up. What kind
of loss a function is, shows on the batches themselves: their losses are compared with those of two parts of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import FunctionType
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from minidyn.torch._functional import cast
from minidyn.torch.inputs import Inputs, check_inputs, mapped, samples
from minidyn.torch.losses import _DynamicalLoss

Pair: TypeAlias = tuple[Inputs, Tensor]
Data: TypeAlias = Pair | Mapping[str, Tensor] | Iterable[Pair] | Iterable[Mapping[str, Tensor]]
LABELS = "labels"  # the targets in a batch of tensors by name


class Batch(NamedTuple):
    """What the model takes, and what the loss compares its outputs with."""

    inputs: Inputs
    targets: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(mapped(lambda tensor: tensor.to(device), self.inputs), self.targets.to(device))


def as_batches(data: Any, dtype: torch.dtype) -> list[Batch]:
    """The data as a list of batches, floating-point numbers in `dtype`."""
    if isinstance(data, Tensor) or not isinstance(data, Iterable):
        raise TypeError(f"data must be (inputs, targets) or an iterable of such batches, got {data!r:.80}")
    batches = [_as_batch(batch, dtype) for batch in ([data] if _is_batch(data) else data)]
    if not batches:
        raise ValueError("data must hold at least one batch, got none")
    return batches


def _is_batch(data: Any) -> bool:
    """Is this (inputs, targets), or tensors by name?"""
    if isinstance(data, tuple | list):
        return len(data) == 2 and isinstance(data[0], Tensor | Mapping) and isinstance(data[1], Tensor)
    return isinstance(data, Mapping)


def _as_batch(batch: Any, dtype: torch.dtype) -> Batch:
    if not _is_batch(batch):
        raise TypeError(f"data must hold (inputs, targets), two tensors per batch, got {batch!r:.80}")
    inputs, targets = _divided(batch) if isinstance(batch, Mapping) else batch
    if targets.ndim == 0 or len(targets) == 0:
        raise ValueError(f"targets must hold at least one sample, got shape {tuple(targets.shape)}")
    check_inputs(inputs)
    if samples(inputs) != len(targets):
        raise ValueError(f"inputs and targets must be as many, got {samples(inputs)} and {len(targets)}")
    if targets.is_floating_point() and bool(targets.isnan().any()):
        raise ValueError(f"targets must hold no NaN, got {int(targets.isnan().sum())} of them")
    return Batch(mapped(lambda tensor: cast(tensor, dtype), inputs), cast(targets, dtype))


def _divided(batch: Mapping[str, Any]) -> tuple[dict[str, Any], Tensor]:
    """The labels of a batch by name, and the rest, which are arguments of the model."""
    if not isinstance(batch.get(LABELS), Tensor):
        raise TypeError(f"data by name must hold the tensor {LABELS!r}, got {', '.join(map(repr, batch))}")
    return {name: value for name, value in batch.items() if name != LABELS}, batch[LABELS]


class Evidence(NamedTuple):
    """What a batch tells about a loss."""

    samples: int
    is_sum: bool  # a loss of torch's that says so
    divisor: float | None = None  # what a mean divides by, if that is known
    losses: tuple[float, float, float] | None = None  # of the batch, of its first sample, and of the others


def evidence(loss: Callable[[Any, Tensor], Tensor], outputs: Any, targets: Tensor) -> Evidence:
    """What a batch tells about a loss; little if its outputs cannot be cut, or the loss of a part fails."""
    count, is_known = len(targets), is_of_torch(loss)
    if is_known and getattr(loss, "reduction", None) == "sum":
        return Evidence(count, is_sum=True)
    divisor = _divisor(loss, outputs, targets) if is_known else None
    if divisor is not None or count == 1:
        return Evidence(count, is_sum=False, divisor=divisor)
    try:
        parts = [slice(None), slice(1), slice(1, None)]
        whole, head, rest = (float(loss(_part(outputs, part, count), targets[part])) for part in parts)
    except Exception:  # of a function that is not ours, and takes whole batches only
        return Evidence(count, is_sum=False)
    return Evidence(count, is_sum=False, losses=(whole, head, rest))


def is_of_torch(loss: Any) -> bool:
    """Is this a loss of torch's, or one of this package's, which take logits and nothing else?"""
    module = loss.__module__ if isinstance(loss, FunctionType) else type(loss).__module__
    return module.startswith(("torch.nn.", "minidyn.torch."))


def shares(batches: Sequence[Evidence], dtype: torch.dtype) -> list[float]:
    """The factor before each batch's loss in the loss of all batches together."""
    if all(batch.is_sum for batch in batches):
        return [1.0] * len(batches)
    divisors = [batch.divisor for batch in batches if batch.divisor is not None]
    if divisors:
        if not sum(divisors):
            raise ValueError("data must hold a sample that counts: all are ignored, or of classes with weight 0")
        return [divisor / sum(divisors) for divisor in divisors]
    tolerance = torch.finfo(dtype).eps ** 0.5
    if all(_is_mean(batch, tolerance) for batch in batches):
        total = sum(batch.samples for batch in batches)
        return [batch.samples / total for batch in batches]
    if all(_is_sum(batch, tolerance) for batch in batches):
        return [1.0] * len(batches)
    raise ValueError(
        "loss must be a mean over the samples of a batch, or a sum, to be put together from several batches, and it is "
        "neither (class weights, ignored samples, and a penalty beside a sum make it so). Give all data as one batch, "
        "or the nn.CrossEntropyLoss itself in place of a function that calls it"
    )


def _is_mean(batch: Evidence, tolerance: float) -> bool:
    if batch.losses is None:
        return True
    whole, head, rest = batch.losses
    return _is_close(whole, (head + (batch.samples - 1) * rest) / batch.samples, batch.losses, tolerance)


def _is_sum(batch: Evidence, tolerance: float) -> bool:
    if batch.losses is None:
        return True
    whole, head, rest = batch.losses
    return _is_close(whole, head + rest, batch.losses, tolerance)


def _is_close(value: float, other: float, scale: tuple[float, ...], tolerance: float) -> bool:
    return abs(value - other) <= tolerance * max(map(abs, scale))


def _part(outputs: Any, part: slice, count: int) -> Any:
    """The outputs of some samples of a batch."""
    if isinstance(outputs, Tensor) and outputs.ndim and len(outputs) == count:
        return outputs[part]
    if isinstance(outputs, dict):
        return type(outputs)(_cut(outputs, part, count))
    if type(outputs) in (tuple, list):
        return type(outputs)(_part(output, part, count) for output in outputs)
    raise TypeError(f"outputs of type {type(outputs).__name__} cannot be cut into samples")


def _cut(outputs: dict[str, Any], part: slice, count: int) -> dict[str, Any]:
    """The outputs by name of some samples, without those that cannot be cut, such as a cache of keys and values."""
    pieces = {}
    for name, output in outputs.items():
        with suppress(TypeError):
            pieces[name] = _part(output, part, count)
    return pieces


def _divisor(loss: Any, outputs: Any, targets: Tensor) -> float | None:
    """What the mean of a cross-entropy, or of one of our losses, divides by; None for other losses."""
    if getattr(loss, "reduction", None) != "mean" or not isinstance(outputs, Tensor):
        return None
    if isinstance(loss, _DynamicalLoss):
        return float(loss.denominator(outputs, targets))
    if type(loss) not in (nn.CrossEntropyLoss, nn.NLLLoss):
        return None
    if targets.is_floating_point():  # probabilities
        return float(outputs.numel() // outputs.shape[1])
    counted = targets[targets != loss.ignore_index]
    return float(len(counted) if loss.weight is None else loss.weight[counted].sum())
