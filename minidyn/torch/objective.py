"""F of a model over data as a function of its parameters: what `top_eigenvalues` and `valley_slice` differentiate."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from minidyn.torch._functional import (
    check_model,
    check_not_random,
    compute_dtype,
    function_of,
    mixes_samples,
    trainable,
)
from minidyn.torch.batches import Batch, as_batches, evidence, is_of_torch, shares
from minidyn.torch.inputs import Inputs, answer, logits, samples


class Objective:
    """F(θ), with copies of what the model and the loss are made of; checked on the first batch.

    Attributes
    ----------
    params : dict of str to torch.Tensor
        θ as the model has it: the parameters that require a gradient, in order.
    """

    def __init__(self, model: nn.Module, data: Any, loss: Callable[[Any, Tensor], Tensor], dtype: torch.dtype | None):
        check_model(model)
        self.model, self.names = model, list(trainable(model))
        self.dtype = compute_dtype(model, dtype)
        if not callable(loss) or isinstance(loss, type):
            raise TypeError(f"loss must be callable as loss(outputs, targets), got {loss!r:.80}")
        self.batches = as_batches(data, self.dtype)
        self._call, params = function_of(_ModelAndLoss(model, loss), self.dtype)
        self.params = {name: params.pop(f"model.{name}") for name in self.names}
        self._rest = params  # of the loss
        value = self._checked_value(self.batches[0])
        self.shares = self._shares() if len(self.batches) > 1 else [1.0]
        if not self.shares[0]:  # a batch of samples that do not count
            value = self._checked_value(next(b for b, share in zip(self.batches, self.shares, strict=True) if share))
        if not value.isfinite():
            raise ValueError(f"loss must be finite at the parameters that model has, got {float(value)!r}")

    def values(self, params: dict[str, Tensor]) -> Iterator[Tensor]:
        """What each batch adds to F at these parameters, one after the other, so that one graph exists at a time."""
        for batch, share in zip(self.batches, self.shares, strict=True):
            if share:
                yield self._evaluate(params, batch, _loss) * share

    def _evaluate(self, params: dict[str, Tensor], batch: Batch, function: Callable[..., Any]) -> Any:
        device = next(iter(self.params.values())).device
        tensors = {f"model.{name}": p for name, p in params.items()} | self._rest
        return self._call(tensors, *batch.to(device), function)

    def _checked_value(self, batch: Batch) -> Tensor:
        """The loss of a batch, once it is a scalar, not random, and uses no parameters that θ does not replace."""
        value = self._evaluate(self.params, batch, _loss)
        if not isinstance(value, Tensor) or value.ndim:
            shown = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
            raise ValueError(f"loss must return a scalar, got {shown:.80}")
        self._check_holds_no_parameters(value)
        value = value.detach()
        again = self._evaluate(self.params, batch, _loss)
        if value.isfinite():
            check_not_random(value, again, "loss")
        return value

    def _check_holds_no_parameters(self, value: Tensor) -> None:
        """Parameters are replaced wherever the loss reads them from the model; those that it holds itself are not."""
        own = list(trainable(self.model).values())
        slopes = torch.autograd.grad(value, own, allow_unused=True) if value.requires_grad else [None]
        if any(slope is not None for slope in slopes):
            raise ValueError(
                "loss holds parameters of the model, in a list that was made before, say: what it adds through them "
                "cannot be followed. Let it read them from the model when it is called, as model.parameters()"
            )

    def _shares(self) -> list[float]:
        with torch.no_grad():
            pieces = [self._evaluate(self.params, batch, evidence) for batch in self.batches]
            mixes = self._has_logits() and mixes_samples(self._logits_of, self.batches[0].inputs)
        if mixes:
            warnings.warn(
                "model mixes the samples of a batch (batch normalisation in training mode?): the result depends on how "
                "the data is cut into batches",
                stacklevel=5,
            )
        return shares(pieces, self.dtype)

    def _has_logits(self) -> bool:
        try:
            return self._logits_of(self.batches[0].inputs).ndim > 0
        except TypeError:
            return False

    def _logits_of(self, inputs: Inputs) -> Tensor:
        batch = Batch(inputs, self.batches[0].targets[: samples(inputs)])
        return self._evaluate(self.params, batch, _logits)


class _ModelAndLoss(nn.Module):
    """A model and its loss as one module, so that the parameters are replaced also where the loss reads them."""

    def __init__(self, model: nn.Module, loss: Callable[[Any, Tensor], Tensor]):
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, inputs: Inputs, targets: Tensor, function: Callable[..., Any]) -> Any:
        outputs = answer(self.model, inputs)
        return function(self.loss, logits(outputs) if is_of_torch(self.loss) else outputs, targets)


def _loss(loss: Callable[[Any, Tensor], Tensor], outputs: Any, targets: Tensor) -> Tensor:
    return loss(outputs, targets)


def _logits(loss: Callable[[Any, Tensor], Tensor], outputs: Any, targets: Tensor) -> Tensor:
    return logits(outputs)
