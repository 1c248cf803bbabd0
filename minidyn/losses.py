"""The losses: each is defined once, by what one sample adds for each output and how steeply that rises.

A loss is F(t) = (1/P) Σ_j Σ_i w_ji(t) e_i(f(x_j), y_j): elements e that know no time, and weights w, made of
the class weights Γ(t), that know nothing else. Value, gradient and curvature with respect to the outputs f all
come from the elements, their slopes and their bends, so the static loss and its dynamical twin cannot drift
apart. Everything here is written in `autograd.numpy`, so that autograd can check it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import reduce
from typing import Any, Protocol

import autograd.numpy as np
from numpy.typing import ArrayLike, NDArray

from minidyn import _checks as check
from minidyn.oscillation import Oscillation


class ClassWeights(Protocol):
    """What a loss asks of its `gamma`: `Oscillation` has it, and so can a reader's own waveform."""

    classes: int

    def weights(self, step: Any) -> NDArray:
        """Class weights at a step, shape (C,)."""


class Loss(ABC):
    """What the losses share: the weighted sums. Use `CrossEntropy` or `SquaredError`."""

    per_output = False  # do the class weights go to the output units (or to the samples)?

    def __init__(self, gamma: Oscillation | ClassWeights | None = None):
        if gamma is not None and not (hasattr(gamma, "weights") and hasattr(gamma, "classes")):
            raise TypeError(f"gamma must be an Oscillation or have .weights(step) and .classes, got {gamma!r}")
        self.gamma = gamma

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.gamma is None else self.gamma})"

    @abstractmethod
    def terms_and_gradient(self, logits: NDArray, labels: NDArray) -> tuple[NDArray, NDArray]:
        """Elements e, shape (P, 1) or (P, C), and their slopes ∂(Σe)/∂f, shape (P, C)."""

    @abstractmethod
    def output_hessian(self, logits: NDArray, labels: NDArray) -> NDArray:
        """Second derivatives ∂²(Σe)/∂f∂f, shape (P, C, C)."""

    def class_weights(self, step: int, classes: int) -> NDArray:
        """Γ in force at a step, shape (C,): ones where the loss is static."""
        step = check.integer("step", step, least=0)
        if self.gamma is None:
            return np.ones(classes)
        return check.array(f"gamma.weights({step})", self.gamma.weights(step), (classes,))

    def expand(self, weights: NDArray, labels: NDArray) -> NDArray:
        """The class weights laid out over samples and outputs: shape (P, 1), or (1, C)."""
        return weights[None, :] if self.per_output else weights[labels][:, None]

    def sum_per_class(self, elements: NDArray, labels: NDArray, classes: int) -> NDArray:
        """The sums of the elements that each class weight multiplies, shape (C,): the other way than `expand`."""
        if self.per_output:
            return elements.sum(axis=0)
        return np.bincount(labels, reduce_classes(np.add, elements)[:, 0], classes)

    def value(self, logits: ArrayLike, labels: ArrayLike, step: int = 0) -> float:
        """F at a step.

        Parameters
        ----------
        logits : array_like, shape (P, C)
            The network's outputs.
        labels : array_like of int, shape (P,)
            The class of each sample.
        step : int
            The value of the clock, in steps.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            Where the shapes disagree with each other or with the classes of `gamma`.
        """
        logits, labels, weight = self._laid_out(logits, labels, step)
        return np.sum(weight * self.terms_and_gradient(logits, labels)[0]) / len(labels)

    def gradient(self, logits: ArrayLike, labels: ArrayLike, step: int = 0) -> NDArray:
        """∂F/∂logits, shape (P, C); arguments and errors as for `value`."""
        logits, labels, weight = self._laid_out(logits, labels, step)
        return weight * self.terms_and_gradient(logits, labels)[1] / len(labels)

    def curvature(self, logits: ArrayLike, labels: ArrayLike, step: int = 0) -> NDArray:
        """∂²F/∂logits², the block of each sample, shape (P, C, C); arguments and errors as for `value`."""
        logits, labels, weight = self._laid_out(logits, labels, step)
        return weight[:, :, None] * self.output_hessian(logits, labels) / len(labels)

    def _laid_out(self, logits: Any, labels: Any, step: int) -> tuple[NDArray, NDArray, NDArray]:
        logits, labels = np.array(logits), np.asarray(labels)
        if logits.ndim != 2 or labels.shape != logits.shape[:1] or not labels.size:
            raise ValueError(f"logits must be (P, C) and labels (P,), P >= 1, got {logits.shape} and {labels.shape}")
        if labels.dtype.kind not in "iu":
            raise TypeError(f"labels must be integers, got {labels.dtype}")
        classes = logits.shape[1]
        if not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(f"labels must lie in 0..{classes - 1}, got {labels.min()}..{labels.max()}")
        self.check_classes(classes)
        return logits, labels, self.expand(self.class_weights(step, classes), labels)

    def check_classes(self, classes: int) -> None:
        """Raise a ValueError where `gamma` weighs another number of classes."""
        if self.gamma is not None and self.gamma.classes != classes:
            raise ValueError(f"gamma weighs {self.gamma.classes} classes, but the outputs have {classes}")


class CrossEntropy(Loss):
    """Cross-entropy, each sample weighted by Γ of its class.

    F(t) = (1/P) Σ_j Γ_{y_j}(t) [-f_{y_j}(x_j) + log Σ_i exp f_i(x_j)]

    Parameters
    ----------
    gamma : Oscillation, optional
        The class weights Γ(t), or any object with `.weights(step)` and `.classes`. None: the static loss.

    Raises
    ------
    TypeError
        Where `gamma` has no `.weights` or `.classes`.

    Notes
    -----
    Source: "Tilting the playing field" (ICML 2021), its dynamical loss. Stable for logits of 1e4 and more.

    Examples
    --------
    >>> import minidyn as md
    >>> float(md.CrossEntropy().value([[0.0, 0.0]], [1]))  # log 2
    0.6931471805599453
    """

    def terms_and_gradient(self, logits: NDArray, labels: NDArray) -> tuple[NDArray, NDArray]:
        shifted = logits - reduce_classes(np.maximum, logits)
        exponential = np.exp(shifted)
        total = reduce_classes(np.add, exponential)
        truth = one_hot(labels, logits.shape[1])
        return np.log(total) - shifted[truth][:, None], exponential / total - truth

    def output_hessian(self, logits: NDArray, labels: NDArray) -> NDArray:
        probability = self.terms_and_gradient(logits, labels)[1] + one_hot(labels, logits.shape[1])
        diagonal = probability[:, :, None] * np.eye(logits.shape[1])
        return diagonal - probability[:, :, None] * probability[:, None, :]


class SquaredError(Loss):
    """Mean squared error against one-hot targets, weighted by class in one of two ways.

    weighting="sample" (DMSE1): F(t) = (1/(P C)) Σ_j Γ_{y_j}(t) Σ_i (f_i(x_j) - y_ji)²
    weighting="output" (DMSE2): F(t) = (1/(P C)) Σ_j Σ_i Γ_i(t) (f_i(x_j) - y_ji)²

    Parameters
    ----------
    gamma : Oscillation, optional
        The class weights Γ(t), or any object with `.weights(step)` and `.classes`. None: the static loss.
    weighting : {"sample", "output"}
        Whether Γ weighs a sample by its class, or an output unit by the class it stands for.

    Raises
    ------
    TypeError, ValueError
        Where `gamma` has no `.weights` or `.classes`, or `weighting` is another word.

    Notes
    -----
    The two variants are this project's reading of DMSE1 and DMSE2 in "Dynamical loss functions shape landscape
    topography and improve learning in artificial neural networks" (arXiv 2410.10690).

    Examples
    --------
    >>> import minidyn as md
    >>> float(md.SquaredError().value([[0.0, 1.0]], [0]))
    1.0
    """

    def __init__(self, gamma: Oscillation | ClassWeights | None = None, weighting: str = "sample"):
        super().__init__(gamma)
        self.weighting = check.choice("weighting", weighting, ("sample", "output"))
        self.per_output = weighting == "output"

    def __repr__(self) -> str:
        return f"SquaredError({self.gamma}, weighting={self.weighting!r})"

    def terms_and_gradient(self, logits: NDArray, labels: NDArray) -> tuple[NDArray, NDArray]:
        residual = logits - one_hot(labels, logits.shape[1])
        return residual**2 / logits.shape[1], 2 * residual / logits.shape[1]

    def output_hessian(self, logits: NDArray, labels: NDArray) -> NDArray:
        samples, classes = logits.shape
        return np.broadcast_to(2 / classes * np.eye(classes), (samples, classes, classes))


def one_hot(labels: NDArray, classes: int) -> NDArray:
    """A boolean (P, C) array, true at each sample's class."""
    return labels[:, None] == np.arange(classes)


def reduce_classes(combine: Any, columns: NDArray) -> NDArray:
    """The columns of (P, C) combined into one, (P, 1): NumPy is slow at reducing along a short last axis."""
    return reduce(combine, columns.T)[:, None]


def accuracy(logits: Any, labels: Any) -> float:
    """The fraction of samples whose largest output is that of their own class; arrays or tensors (P, C) and (P,)."""
    return int((logits.argmax(1) == labels).sum()) / len(labels)


def to_dict(loss: Loss) -> dict[str, Any] | None:
    """What a record needs to rebuild a loss of this file, or None for a reader's own loss or waveform."""
    if type(loss) not in (CrossEntropy, SquaredError) or not isinstance(loss.gamma, Oscillation | None):
        return None
    weighting = {"weighting": loss.weighting} if isinstance(loss, SquaredError) else {}
    gamma = loss.gamma and {
        name: getattr(loss.gamma, name) for name in ("amplitude", "period", "classes", "dwell", "rest_from")
    }
    return {"loss": type(loss).__name__, "gamma": gamma, **weighting}


def from_dict(stored: dict[str, Any]) -> Loss:
    """The loss that `to_dict` described."""
    gamma = None if stored["gamma"] is None else Oscillation(**stored["gamma"])
    if stored["loss"] == "CrossEntropy":
        return CrossEntropy(gamma)
    return SquaredError(gamma, stored["weighting"])
