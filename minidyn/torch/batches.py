"""Data in batches, and the share that each batch's loss has in the loss of all of them.

A loss that is a mean is put together again by what it divides by in each batch: the number of samples, or for a
cross-entropy with class weights or an index to ignore, the weights of those that count. A sum is added up. What kind
of loss a function is, shows on the batches themselves: their losses are compared with those of two parts of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from minidyn.torch._functional import cast
from minidyn.torch.losses import _DynamicalLoss

Batch = tuple[Tensor, Tensor]


def as_batches(data: Any, dtype: torch.dtype) -> list[Batch]:
    """The data as a list of (inputs, targets), floating-point numbers in `dtype`."""
    pair = isinstance(data, (tuple, list)) and len(data) == 2 and all(isinstance(part, Tensor) for part in data)
    if not pair and (isinstance(data, Tensor) or not isinstance(data, Iterable)):
        raise TypeError(f"data must be (inputs, targets) or an iterable of such batches, got {data!r:.80}")
    batches = [_as_batch(batch, dtype) for batch in ([data] if pair else data)]
    if not batches:
        raise ValueError("data must hold at least one batch, got none")
    return batches


def _as_batch(batch: Any, dtype: torch.dtype) -> Batch:
    if not (isinstance(batch, (tuple, list)) and len(batch) == 2 and all(isinstance(b, Tensor) for b in batch)):
        raise TypeError(f"data must hold (inputs, targets), two tensors per batch, got {batch!r:.80}")
    inputs, targets = batch
    if targets.ndim == 0 or inputs.ndim == 0 or len(inputs) != len(targets) or len(targets) == 0:
        raise ValueError(f"inputs and targets must be as many, got {tuple(inputs.shape)}, {tuple(targets.shape)}")
    return cast(inputs, dtype), cast(targets, dtype)


class Evidence(NamedTuple):
    """What a batch tells about a loss."""

    samples: int
    is_sum: bool  # a loss of torch's that says so
    divisor: float | None = None  # what a mean divides by, if that is known
    losses: tuple[float, float, float] | None = None  # of the batch, of its first sample, and of the others


def evidence(loss: Callable[[Any, Tensor], Tensor], outputs: Any, targets: Tensor) -> Evidence:
    """What a batch tells about a loss; little if its outputs cannot be cut, or the loss of a part fails."""
    samples, is_known = len(targets), type(loss).__module__.startswith(("torch.nn.", "minidyn.torch."))
    if is_known and getattr(loss, "reduction", None) == "sum":
        return Evidence(samples, is_sum=True)
    divisor = _divisor(loss, outputs, targets) if is_known else None
    if divisor is not None or samples == 1:
        return Evidence(samples, is_sum=False, divisor=divisor)
    try:
        parts = [slice(None), slice(1), slice(1, None)]
        whole, head, rest = (float(loss(_part(outputs, part, samples), targets[part])) for part in parts)
    except Exception:  # of a function that is not ours, and takes whole batches only
        return Evidence(samples, is_sum=False)
    return Evidence(samples, is_sum=False, losses=(whole, head, rest))


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
        samples = sum(batch.samples for batch in batches)
        return [batch.samples / samples for batch in batches]
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


def _part(outputs: Any, part: slice, samples: int) -> Any:
    """The outputs of some samples of a batch."""
    if isinstance(outputs, Tensor) and outputs.ndim and len(outputs) == samples:
        return outputs[part]
    if isinstance(outputs, dict):
        return {name: _part(output, part, samples) for name, output in outputs.items()}
    if type(outputs) in (tuple, list):
        return type(outputs)(_part(output, part, samples) for output in outputs)
    raise TypeError(f"outputs of type {type(outputs).__name__} cannot be cut into samples")


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
