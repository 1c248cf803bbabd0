"""Dynamical losses as `nn.Module`s: `nn.CrossEntropyLoss` and its squared-error twin, with Γ(t) in their class weights.

Two lines change in a training loop: the criterion, and `criterion.step()` after `optimizer.step()`. Γ acts as
torch's own `weight` does, and multiplies it; what a mean divides by stays what torch divides by.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from minidyn import _checks as check
from minidyn.torch._functional import outside_graphs
from minidyn.torch.waveform import Waveform, checked_waveform, class_weights, difference, record, shown


class _DynamicalLoss(nn.Module):
    """What the two losses share: options, clock, Γ and reduction."""

    clock: Tensor
    weight: Tensor | None

    def __init__(
        self,
        amplitude: float | None = None,
        period: int | None = None,
        num_classes: int | None = None,
        *,
        gamma: Waveform | None = None,
        dwell: int | None = None,
        rest_from: int | None = None,
        start: int = 0,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        normalize: str = "static",
    ):
        super().__init__()
        start = check.integer("start", start, least=0)
        clock = {"amplitude": amplitude, "period": period, "dwell": dwell, "rest_from": rest_from}
        self.gamma = checked_waveform(gamma, num_classes, start, clock)
        self.num_classes = len(class_weights(self.gamma, start))
        self.ignore_index = check.integer("ignore_index", ignore_index)
        self.reduction = check.choice("reduction", reduction, ("none", "mean", "sum"))
        self.label_smoothing = check.real("label_smoothing", label_smoothing, least=0, most=1)
        self.normalize = check.choice("normalize", normalize, ("static", "weights"))
        self.register_buffer("weight", _checked_weight(weight, self.num_classes))
        self.register_buffer("clock", torch.zeros((), dtype=torch.int64))
        self._set_clock(start)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss at the present value of the clock; in `eval()` mode with Γ = 1. It does not move the clock."""
        self._check_input(input)
        target = _checked_target(input, target)
        dtype = input.dtype
        input = input.to(torch.float64 if dtype == torch.float64 else torch.float32)
        gamma = (self._class_weights if self.training else torch.ones_like(self._class_weights)).to(input)
        losses = self._losses(input, target, gamma)
        if self.reduction != "none":
            losses = losses.sum()
        if self.reduction == "mean":
            losses = losses / self._denominator(input, target, gamma)
        return losses if torch.is_autocast_enabled(input.device.type) else losses.to(dtype)

    @outside_graphs
    def step(self) -> None:
        """Advance the clock by one: call it once per update, after `optimizer.step()`."""
        self._set_clock(self._step + 1)

    def get_last_weights(self) -> Tensor:
        """Γ in force: that of the update to come, shape (C,), float64, on the CPU.

        As a learning-rate scheduler's `get_last_lr`, it tells what the last `step()` set; `eval()` does not change it.
        """
        return torch.tensor(class_weights(self.gamma, self._step, self.num_classes))

    def extra_repr(self) -> str:
        options = ("ignore_index", "reduction", "label_smoothing", "normalize")
        return ", ".join([shown(self.gamma), *(f"{name}={getattr(self, name)!r}" for name in options)])

    def get_extra_state(self) -> Tensor:
        """Γ(t), which `load_state_dict` compares: the settings of the oscillation, or weights of your own waveform."""
        return record(self.gamma, self._step)

    def set_extra_state(self, state: Tensor) -> None:
        """Warn if the state is that of another Γ(t): then its clock would not mean what it meant."""
        other = difference(self.gamma, state.cpu())
        if other is not None:
            warnings.warn(
                f"the state of a loss with {other} is loaded into one with {shown(self.gamma)}: "
                "only its clock is taken over, and its weight",
                stacklevel=6,
            )

    def denominator(self, input: Tensor, target: Tensor) -> Tensor:
        """What "mean" divides by, at the present value of the clock."""
        gamma = (self._class_weights if self.training else torch.ones_like(self._class_weights)).to(input)
        return self._denominator(input, _checked_target(input, target), gamma)

    @abstractmethod
    def _losses(self, input: Tensor, target: Tensor, gamma: Tensor) -> Tensor:
        """What each sample (and each output) adds, weighted by `gamma` and `weight`."""

    @abstractmethod
    def _denominator(self, input: Tensor, target: Tensor, gamma: Tensor) -> Tensor:
        """What "mean" divides by."""

    def _weighted(self, gamma: Tensor) -> Tensor:
        """Γ times the user's `weight`."""
        return gamma if self.weight is None else gamma * self.weight.to(gamma)

    def _share(self, input: Tensor, target: Tensor, gamma: Tensor) -> Tensor:
        """What each sample adds to torch's denominator of a mean; with normalize="weights", times its Γ.

        Torch counts a class index by its class weight, and a row of probabilities as one whatever the weights.
        """
        per_class = gamma if self.normalize == "weights" else torch.ones_like(gamma)
        if _is_distribution(input, target):
            return _classes_last(target.detach().to(gamma)) @ per_class
        return _of_targets(self._weighted(per_class), target, self.ignore_index)

    def _check_input(self, input: Tensor) -> None:
        if not isinstance(input, Tensor):
            raise TypeError(f"input must be a tensor of logits, got {input!r:.80}")
        if not input.is_floating_point() or input.ndim == 0:
            raise TypeError(f"input must be logits in floating point, got {input.dtype} of shape {tuple(input.shape)}")
        if input.shape[_class_axis(input)] != self.num_classes:
            raise ValueError(f"input must have num_classes={self.num_classes} classes, got shape {tuple(input.shape)}")

    def _set_clock(self, step: int) -> None:
        # The clock is kept twice: a buffer that is saved, and a number, so that reading it never waits for a device.
        self._step = step
        self.clock.fill_(step)
        # Γ is a new tensor each time: a backward pass still to come keeps the one that its forward pass used.
        dtype = torch.float32 if self.clock.device.type == "mps" else torch.float64
        self._class_weights = self.get_last_weights().to(self.clock.device, dtype)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        super()._apply(fn, recurse)
        self._set_clock(self._step)  # Γ goes where the clock went, and keeps its digits under .half()
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        prefix, missing = args[1], args[4]
        missing[:] = [name for name in missing if name != f"{prefix}_extra_state"]  # in states of version 0.1
        self._set_clock(int(self.clock))


class DynamicalCrossEntropyLoss(_DynamicalLoss):
    """`nn.CrossEntropyLoss` whose class weights oscillate: class i counts Γ_i(t) times.

    With class indices and the default options, F(t) = (1/N) Σ_n Γ_{y_n}(t) [-f_{y_n} + log Σ_i exp f_i]. Γ multiplies
    `weight` and acts as `weight` does in torch, under label smoothing and with probabilities too (class c's term
    counts Γ_c times).

    Parameters
    ----------
    amplitude : float
        A, at least 1. A = 1 is `nn.CrossEntropyLoss`, in value and in gradient, for every option.
    period : int
        T: the number of updates for which each class is emphasised.
    num_classes : int
        C, at least 2.
    gamma : optional
        A waveform of your own in place of `amplitude`, `period`, `dwell` and `rest_from`: any object whose
        `weights(step)` gives C numbers of at least 0. It is asked once at each step, and must depend on the step alone.
        See `minidyn.torch.waveform.Waveform`.
    dwell, rest_from : int, optional
        As in `minidyn.Oscillation`: the number of steps that each class is held, and the step from which Γ = 1.
    start : int
        The value of the clock at the first update.
    weight : torch.Tensor, shape (C,), optional
    ignore_index : int
    reduction : {"mean", "sum", "none"}
    label_smoothing : float
        These four as in `nn.CrossEntropyLoss`.
    normalize : {"static", "weights"}
        What "mean" divides by. "static": what torch divides by without Γ (the number of samples or, with
        class indices and `weight`, the sum of their weights). "weights": the same with Γ in it, so that the class
        weights of a batch have mean 1. The two agree if every class weighs the same in a batch, as in
        full batches of a balanced set: then ΣΓ = C makes the mean Γ one. On unbalanced data and on mini-batches they
        differ, and "weights" undoes part of the oscillation: in a batch of one class Γ cancels altogether.

    Attributes
    ----------
    clock : torch.Tensor
        The number of `step()`s, int64: saved in `state_dict`, so that a resumed run goes on in the same turn. To
        set it, load a state. A state of a loss with another Γ(t) is loaded with a warning. Of your own waveform a
        state keeps the weights at 64 steps up to the present one.
    gamma : minidyn.Oscillation, or your own waveform

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the kind above, or a weight is negative; in `step()`, if your own waveform gives other
        weights than C numbers of at least 0; on call, if `input` has another number of
        classes, or `target` is neither of the two below.

    Notes
    -----
    Shapes are those of `nn.CrossEntropyLoss`: input (C,), (N, C) or (N, C, d1, ...); target either class indices or,
    in the shape of the input, probabilities. `forward` never moves the clock, so gradient accumulation, closures and
    validation leave it alone; call `step()` once per update. In `eval()` mode the loss is the static one.
    Half-precision inputs are computed in float32, as autocast does.
    A function that calls `step()` can be compiled by `torch.compile` without `fullgraph`: the clock moves between two
    graphs, and nothing is compiled again as it does.
    Under `DistributedDataParallel` every process calls `step()`; gradients are averaged over processes as for any loss.
    Source: Ruiz-Garcia, Zhang, Schoenholz & Liu, "Tilting the playing field", ICML 2021.

    Examples
    --------
    >>> import torch
    >>> from minidyn.torch import DynamicalCrossEntropyLoss
    >>> net = torch.nn.Linear(2, 3)
    >>> optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    >>> criterion = DynamicalCrossEntropyLoss(amplitude=10, period=100, num_classes=3)
    >>> x, y = torch.randn(6, 2), torch.tensor([0, 1, 2, 0, 1, 2])
    >>> for _ in range(50):
    ...     optimizer.zero_grad()
    ...     criterion(net(x), y).backward()
    ...     optimizer.step()
    ...     criterion.step()
    >>> criterion.get_last_weights()
    tensor([2.5000, 0.2500, 0.2500], dtype=torch.float64)
    """

    def _losses(self, input: Tensor, target: Tensor, gamma: Tensor) -> Tensor:
        if _is_distribution(input, target):
            target = target.to(input)
        return F.cross_entropy(
            input,
            target,
            self._weighted(gamma),
            ignore_index=self.ignore_index,
            reduction="none",
            label_smoothing=self.label_smoothing,
        )

    def _denominator(self, input: Tensor, target: Tensor, gamma: Tensor) -> Tensor:
        return self._share(input, target, gamma).sum()


class DynamicalMSELoss(_DynamicalLoss):
    """Mean squared error against one-hot targets, weighted by Γ(t) in one of two ways.

    weighting="sample" (DMSE1): F(t) = (1/(N C)) Σ_n Γ_{y_n}(t) Σ_i (f_i - y_ni)²
    weighting="output" (DMSE2): F(t) = (1/(N C)) Σ_n Σ_i Γ_i(t) (f_i - y_ni)²

    Parameters
    ----------
    amplitude, period, num_classes, gamma, dwell, rest_from, start
        As for `DynamicalCrossEntropyLoss`. A = 1 is `nn.MSELoss` against one-hot targets.
    weighting : {"sample", "output"}
        Whether Γ and `weight` weigh a sample by its class (a row of probabilities by their mean), or an output unit
        by the class that it stands for.
    weight, ignore_index, reduction, label_smoothing
        With the meaning that they have in `nn.CrossEntropyLoss`: class weights; an index to leave out; "none" gives
        every squared error, in the shape of the input; targets (1 - ε) y + ε/C.
    normalize : {"static", "weights"}
        As for `DynamicalCrossEntropyLoss`. With class indices, "mean" divides by the sum of all weights that stand
        before a squared error, with probabilities by the number of squared errors; "weights" puts Γ into either.
        With weighting="output" and no `weight` the two agree always, since ΣΓ = C.

    Raises
    ------
    TypeError, ValueError
        As for `DynamicalCrossEntropyLoss`.

    Notes
    -----
    The two variants are this project's reading of DMSE1 and DMSE2 in "Dynamical loss functions shape landscape
    topography and improve learning in artificial neural networks" (arXiv 2410.10690).

    Examples
    --------
    >>> import torch
    >>> from minidyn.torch import DynamicalMSELoss
    >>> criterion = DynamicalMSELoss(amplitude=10, period=100, num_classes=2, weighting="output")
    >>> criterion(torch.tensor([[0.0, 1.0]]), torch.tensor([0]))
    tensor(1.)
    """

    def __init__(
        self,
        amplitude: float | None = None,
        period: int | None = None,
        num_classes: int | None = None,
        *,
        weighting: str = "sample",
        **options: Any,
    ):
        super().__init__(amplitude, period, num_classes, **options)
        self.weighting = check.choice("weighting", weighting, ("sample", "output"))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, weighting={self.weighting!r}"

    def _losses(self, input: Tensor, target: Tensor, gamma: Tensor) -> Tensor:
        weights = self._weighted(gamma)
        if _is_distribution(input, target):
            truth = _classes_last(target.to(input))
            per_sample = truth @ weights
            counts = torch.ones_like(per_sample)
        else:
            counts = _of_targets(torch.ones_like(weights), target, self.ignore_index)
            truth = F.one_hot(_safe(target, self.ignore_index), len(weights)).to(input)
            per_sample = _of_targets(weights, target, self.ignore_index)
        truth = (1 - self.label_smoothing) * truth + self.label_smoothing / len(weights)
        expanded = per_sample[..., None] if self.weighting == "sample" else counts[..., None] * weights
        return (expanded * (_classes_last(input) - truth).square()).movedim(-1, _class_axis(input))

    def _denominator(self, input: Tensor, target: Tensor, gamma: Tensor) -> Tensor:
        if self.weighting == "sample":
            return len(gamma) * self._share(input, target, gamma).sum()
        per_class = gamma if self.normalize == "weights" else torch.ones_like(gamma)
        if _is_distribution(input, target):
            return per_class.sum() * (input.numel() // len(gamma))
        return self._weighted(per_class).sum() * (target != self.ignore_index).sum()


def _class_axis(input: Tensor) -> int:
    return 0 if input.ndim == 1 else 1


def _classes_last(values: Tensor) -> Tensor:
    return values.movedim(_class_axis(values), -1)


def _is_distribution(input: Tensor, target: Tensor) -> bool:
    """Torch's rule: a target in the shape of the input holds probabilities, any other class indices."""
    return input.shape == target.shape


def _checked_target(input: Tensor, target: Any) -> Tensor:
    """The target: class indices as int64, or probabilities; as `nn.CrossEntropyLoss` it takes nothing else."""
    if not isinstance(target, Tensor):
        raise TypeError(f"target must be a tensor, got {target!r:.80}")
    if _is_distribution(input, target):
        if not target.is_floating_point():
            raise TypeError(f"target must hold probabilities in floating point, in the shape of input: {target.dtype}")
        return target
    shape = tuple(size for axis, size in enumerate(input.shape) if axis != _class_axis(input))
    if tuple(target.shape) != shape:
        raise ValueError(
            f"target must hold class indices of shape {shape}, or probabilities of shape {tuple(input.shape)}, "
            f"got shape {tuple(target.shape)}"
        )
    if target.is_floating_point() or target.is_complex() or target.dtype == torch.bool:
        raise TypeError(f"target must hold class indices, which are integers, got {target.dtype}")
    return target.long()


def _safe(target: Tensor, ignore_index: int) -> Tensor:
    return torch.where(target == ignore_index, 0, target).long()


def _of_targets(weights: Tensor, target: Tensor, ignore_index: int) -> Tensor:
    """The weight of each sample's class, 0 if the sample is ignored."""
    return weights[_safe(target, ignore_index)] * (target != ignore_index)


def _checked_weight(weight: Any, classes: int) -> Tensor | None:
    if weight is None:
        return None
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        raise TypeError(f"weight must be a tensor of floats, one per class, got {weight!r:.80}")
    if weight.shape != (classes,):
        raise ValueError(f"weight must have shape ({classes},), one per class, got {tuple(weight.shape)}")
    if not (weight.isfinite() & (weight >= 0)).all():
        raise ValueError(f"weight must be finite and at least 0, got {weight.tolist()}")
    return weight
