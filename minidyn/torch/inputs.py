"""What goes into a model, and its logits: a tensor or, as with Hugging Face's models, tensors by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch import Tensor, nn

Inputs: TypeAlias = Tensor | Mapping[str, Tensor]
LOGITS = ("logits", "out")  # how models that return outputs by name call theirs: Hugging Face's, torchvision's


def answer(model: nn.Module, inputs: Inputs) -> Any:
    """What a model returns for a tensor, or for tensors that are its arguments by name."""
    return model(**inputs) if isinstance(inputs, Mapping) else model(inputs)


def logits(outputs: Any) -> Tensor:
    """The logits among what a model returns; a TypeError if it cannot be told which they are."""
    values = [outputs] if isinstance(outputs, Tensor) else []
    if isinstance(outputs, Mapping):
        values = [outputs[name] for name in LOGITS if isinstance(outputs.get(name), Tensor)]
    if not values:
        names = f" of {', '.join(map(repr, outputs))}" if isinstance(outputs, Mapping) else ""
        raise TypeError(
            f"model must return a tensor, or a mapping with the tensor 'logits' or 'out', got {type(outputs).__name__}"
            f"{names}: let a module around it pick one"
        )
    return values[0]


class LogitsOf(nn.Module):
    """A model as a function of its `Inputs` that returns a tensor."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, inputs: Inputs) -> Tensor:
        return logits(answer(self.model, inputs))


def mapped(function: Callable[[Tensor], Tensor], inputs: Inputs) -> Inputs:
    """The inputs with each tensor replaced by its image."""
    if isinstance(inputs, Mapping):
        return {name: function(tensor) for name, tensor in inputs.items()}
    return function(inputs)


def by_name(inputs: Inputs, name: str = "inputs") -> dict[str, Tensor]:
    """The tensors of the inputs under the names that errors give them."""
    return dict(inputs) if isinstance(inputs, Mapping) else {name: inputs}


def check_inputs(inputs: Any, name: str = "inputs") -> None:
    """Raise an error for what is neither a tensor of samples nor tensors of as many samples by name, or holds a NaN."""
    tensors = by_name(inputs, name) if isinstance(inputs, Mapping | Tensor) else {}
    if not tensors or not all(isinstance(key, str) for key in tensors):
        raise TypeError(f"{name} must be a tensor, or a mapping of names to tensors, got {inputs!r:.80}")
    for key, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{key} must be a tensor, got {tensor!r:.80}")
        if tensor.ndim == 0 or len(tensor) == 0:
            raise ValueError(f"{key} must hold at least one sample, got shape {tuple(tensor.shape)}")
        if tensor.is_floating_point() and bool(tensor.isnan().any()):
            raise ValueError(f"{key} must hold no NaN, got {int(tensor.isnan().sum())} of them")
    if len({len(tensor) for tensor in tensors.values()}) > 1:
        shapes = ", ".join(f"{key} {tuple(tensor.shape)}" for key, tensor in tensors.items())
        raise ValueError(f"{name} must hold as many samples in each tensor, got {shapes}")


def samples(inputs: Inputs) -> int:
    """The number of samples."""
    return len(next(iter(by_name(inputs).values())))
