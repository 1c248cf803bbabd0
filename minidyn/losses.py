"""The losses: each is defined once, by its terms and their derivatives with respect to the outputs.

A loss is F(t) = (1/P) Σ_j Σ_i w_ji(t) e_i(f(x_j), y_j): terms e that know no time, and weights w, made of the
class weights Γ(t), that know nothing else. Value, gradient and curvature with respect to the outputs f all come from
the terms and their first and second derivatives, so the static loss and its dynamical twin cannot drift apart.
Everything here is written in `autograd.numpy`, so that autograd can check it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import reduce
from typing import Any, Protocol

import autograd.numpy as np
from numpy import errstate
from numpy.typing import ArrayLike, NDArray

from minidyn import _checks as check
from minidyn import _renamed
from minidyn.oscillation import Oscillation

# A loss of a reader's own defines both of a pair, which must agree, and none of what is computed from them.
PAIRS = (("terms_and_gradient", "output_hessian"),)
COMPUTED = ("value", "gradient", "curvature", "class_weights")


class ClassWeights(Protocol):
    """What a loss asks of its `gamma`: `Oscillation` has it, and so can a waveform Γ(t) of your own.

    Nothing else about a waveform is asked. `weights` is called with one step at a time. The weights of `Oscillation`
    have the sum C, so that the loss keeps its scale; those of your own need not.

    Examples
    --------
    A class that fades in and out, while the others stay:

    >>> import numpy as np
    >>> import minidyn as md
    >>> class Fading:
    ...     classes = 3
    ...     def weights(self, step):
    ...         return np.array([1 + np.sin(2 * np.pi * step / 100), 1.0, 1.0])
    >>> net, task, loss = md.MLP(2, 10, 3), md.spiral(), md.CrossEntropy(Fading())
    >>> run = md.train(net, net.init(0), task, loss, learning_rate=0.5, steps=50)
    >>> run.history.weights.sel(step=25).values
    array([2., 1., 1.])
    """

    @property
    def classes(self) -> int:
        """C, the number of classes."""

    def weights(self, step: Any) -> NDArray:
        """Class weights at a step, shape (C,), at least 0."""


class Loss(ABC):
    """What the losses share: the weighted sums. Use `CrossEntropy` or `SquaredError`.

    A loss of your own inherits from one of them and overrides `terms_and_gradient` and `output_hessian`, or `expand`
    (and `sum_per_class`, if it is to be trained).
    """

    per_output = False  # whether the class weights go to the output units (or to the samples)

    parts = _renamed.Member("terms_and_gradient")
    bends = _renamed.Member("output_hessian")
    spread = _renamed.Member("expand")
    gather = _renamed.Member("sum_per_class")

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for old, former in vars(Loss).items():
            if isinstance(former, _renamed.Member) and old in vars(cls):
                _renamed.warn(f"Loss.{old}", f"Loss.{former.new}")
                setattr(cls, former.new, vars(cls)[old])
        for name in COMPUTED:
            if name in vars(cls):
                raise TypeError(f"{cls.__name__} must not override {name}, which is computed from terms_and_gradient")
        for pair in PAIRS:
            if len(vars(cls).keys() & set(pair)) == 1:
                raise TypeError(f"{cls.__name__} must override both of {' and '.join(pair)}, which must agree")

    def __init__(self, gamma: Oscillation | ClassWeights | None = None):
        if gamma is not None:
            if isinstance(gamma, type) or not (callable(getattr(gamma, "weights", None)) and hasattr(gamma, "classes")):
                raise TypeError(f"gamma must be an Oscillation or have .weights(step) and .classes, got {gamma!r:.80}")
            check.integer("gamma.classes", gamma.classes, least=2)
        self.gamma = gamma

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.gamma is None else self.gamma})"

    @abstractmethod
    def terms_and_gradient(self, logits: NDArray, labels: NDArray) -> tuple[NDArray, NDArray]:
        """The terms e, shape (P, 1) or (P, C), and ∂(Σe)/∂f, shape (P, C)."""

    @abstractmethod
    def output_hessian(self, logits: NDArray, labels: NDArray) -> NDArray:
        """∂²(Σe)/∂f∂f, sample by sample, shape (P, C, C)."""

    def class_weights(self, step: int, classes: int) -> NDArray:
        """Γ in force at a step, shape (C,): ones if the loss is static."""
        step = check.integer("step", step, least=0)
        if self.gamma is None:
            return np.ones(classes)
        weights = check.array(f"gamma.weights({step})", self.gamma.weights(step), (classes,))
        if weights.min() < 0:
            raise ValueError(f"gamma.weights({step}) must be >= 0, got {weights}")
        return weights

    def expand(self, weights: NDArray, labels: NDArray) -> NDArray:
        """The class weights expanded over samples and outputs: shape (P, 1), or (1, C)."""
        return weights[None, :] if self.per_output else weights[labels][:, None]

    def sum_per_class(self, terms: NDArray, labels: NDArray, classes: int) -> NDArray:
        """The sums of the terms that each class weight multiplies, shape (C,): the adjoint of `expand`."""
        if self.per_output:
            return terms.sum(axis=0)
        return np.bincount(labels, reduce_classes(np.add, terms)[:, 0], classes)

    @errstate(under="ignore")
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
        TypeError, ValueError
            If `logits` are not real numbers, `labels` not integers of the classes, or the shapes disagree with each
            other or with the classes of `gamma`.
        """
        logits, labels, weight = self._checked(logits, labels, step)
        return np.sum(weight * self.terms_and_gradient(logits, labels)[0]) / len(labels)

    @errstate(under="ignore")
    def gradient(self, logits: ArrayLike, labels: ArrayLike, step: int = 0) -> NDArray:
        """∂F/∂logits, shape (P, C); arguments and errors as for `value`."""
        logits, labels, weight = self._checked(logits, labels, step)
        return weight * self.terms_and_gradient(logits, labels)[1] / len(labels)

    @errstate(under="ignore")
    def curvature(self, logits: ArrayLike, labels: ArrayLike, step: int = 0) -> NDArray:
        """∂²F/∂logits², the block of each sample, shape (P, C, C); arguments and errors as for `value`."""
        logits, labels, weight = self._checked(logits, labels, step)
        return weight[:, :, None] * self.output_hessian(logits, labels) / len(labels)

    def check_classes(self, classes: int) -> None:
        """Raise a ValueError if `gamma` weighs another number of classes."""
        if self.gamma is not None and self.gamma.classes != classes:
            raise ValueError(f"gamma weighs {self.gamma.classes} classes, but the outputs have {classes}")

    @errstate(under="ignore")
    def check_sums(self, logits: NDArray, labels: NDArray) -> None:
        """Raise a ValueError if `sum_per_class` is not the adjoint of `expand`: a record would show another loss."""
        classes = logits.shape[1]
        weights, terms = 1.0 + np.arange(classes), self.terms_and_gradient(logits, labels)[0]
        total = np.sum(self.expand(weights, labels) * terms)
        by_class = weights @ self.sum_per_class(terms, labels, classes)
        if not np.isclose(total, by_class, rtol=1e-9):
            raise ValueError(
                f"loss must be the sum of Γ_c times its sum_per_class to be trained, got {total:g} and {by_class:g} "
                f"for Γ = {weights} from {self!r:.80}: override sum_per_class together with expand"
            )

    def _checked(self, logits: Any, labels: Any, step: int) -> tuple[NDArray, NDArray, NDArray]:
        """The arguments of `value` as arrays, and the weights expanded."""
        logits, labels = np.array(logits), np.asarray(labels)
        if logits.dtype.kind not in check.REAL:
            raise TypeError(f"logits must be real numbers, got {logits.dtype}")
        if logits.ndim != 2 or labels.shape != logits.shape[:1] or not labels.size:
            raise ValueError(f"logits must be (P, C) and labels (P,), P >= 1, got {logits.shape} and {labels.shape}")
        if labels.dtype.kind not in "iu":
            raise TypeError(f"labels must be integers, got {labels.dtype}")
        classes = logits.shape[1]
        if not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(f"labels must lie in 0..{classes - 1}, got {labels.min()}..{labels.max()}")
        self.check_classes(classes)
        return logits, labels, self.expand(self.class_weights(step, classes), labels)


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
        If `gamma` has no `.weights` or `.classes`.

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
        Whether Γ weighs each sample by its class, or each output unit by the class it stands for.

    Raises
    ------
    TypeError, ValueError
        If `gamma` has no `.weights` or `.classes`, or `weighting` is another word.

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
    """A boolean array (P, C), true at each sample's class."""
    return labels[:, None] == np.arange(classes)


def reduce_classes(combine: Any, columns: NDArray) -> NDArray:
    """The columns of (P, C) combined into one (P, 1); NumPy is slow at reductions along a short last axis."""
    return reduce(combine, columns.T)[:, None]


def accuracy(logits: Any, labels: Any) -> float:
    """The fraction of samples whose largest output is that of their own class; arrays or tensors (P, C) and (P,)."""
    return int((logits.argmax(1) == labels).sum()) / len(labels)


def to_dict(loss: Loss) -> dict[str, Any] | None:
    """What a record needs to rebuild a loss of this file, or None for a reader's own loss or waveform."""
    if type(loss) not in (CrossEntropy, SquaredError) or type(loss.gamma) not in (Oscillation, type(None)):
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
