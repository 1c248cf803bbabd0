"""The networks that the protocol compares, behind one small interface.

A learner is any object with

- `name`, and `parameters`, the number of its parameters;
- `init(seeds)`: the state of a batch of networks, one per seed;
- `update(state, pairs, active)`: the state after one descent step of each network on its own addition, `pairs` of shape
  (seeds, 2); networks for which `active` (seeds,) is False stay as they are;
- `answers(state, pairs)`: the sums, shape (seeds, n), that the networks give for `pairs` (n, 2);
- `any_length`: whether it can add numbers longer than those it was trained on;
- `largest_sum`, optional: the largest sum that it can be trained on;
- `consolidate(state, pairs)`, optional: the state after the last update on a task, whose facts are `pairs`.

`Perceptron` reads a whole addition at once, in the coarse code or in binary digits. `Recurrent` works digit by digit,
as the adder does, but has no clause; neither has `PlainCell`, which is otherwise the adder. The differences between
them and `Adder` show what each property contributes.
`minidyn.forgetting.elastic` has a perceptron that protects what it has learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import autograd.numpy as anp
import numpy as np
from autograd import grad

from minidyn import _checks as check
from minidyn import _renamed
from minidyn.forgetting import adder, facts

SUMS = np.arange(19)  # of two single digits
NO_ANSWER = -1  # what a network whose outputs are not finite answers


class Learner(Protocol):
    """What the protocol needs of a learner; the module's docstring describes it."""

    @property
    def name(self) -> str: ...

    @property
    def parameters(self) -> int: ...

    @property
    def any_length(self) -> bool: ...

    def init(self, seeds: Any) -> Any: ...

    def update(self, state: Any, pairs: np.ndarray, active: np.ndarray) -> Any: ...

    def answers(self, state: Any, pairs: np.ndarray) -> np.ndarray: ...


def checked(learner: Any) -> Learner:
    """`learner`, if it is an object with all that the protocol needs.

    Raises
    ------
    TypeError
        If it is a class, or lacks an attribute.
    """
    if isinstance(learner, type):
        raise TypeError(f"learner must be an object such as Perceptron(), got the class {learner.__name__}")
    needed = ("name", "parameters", "any_length", "init", "update", "answers")
    missing = [name for name in needed if not hasattr(learner, name)]
    if missing:
        raise TypeError(f"learner must have {', '.join(needed)}, got {learner!r:.80} without {', '.join(missing)}")
    return learner


class Adder:
    """The cell of `minidyn.forgetting.adder` as a learner: 12 parameters, plain descent, clipped gradients.

    Parameters
    ----------
    clause : {"soft", "hard"}
    digits : int
        Binary digits of a training sum, 1 to 61.
    learning_rate : float, optional
        Default: 0.1 for the soft clause, 0.05 for the hard one.
    ranges : mapping of str to (low, high), optional
        Ranges of the initial parameters, as in `minidyn.forgetting.adder.init`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> Adder().parameters
    12
    """

    parameters = adder.PARAMETERS
    any_length = True

    def __init__(
        self,
        *,
        clause: str = "soft",
        digits: int = 5,
        learning_rate: float | None = None,
        ranges: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        self.clause = check.choice("clause", clause, adder.CLAUSES)
        self.digits = check.integer("digits", digits, least=1, most=61)
        rate = adder.LEARNING_RATE[clause] if learning_rate is None else learning_rate
        self.learning_rate = check.real("learning_rate", rate, above=0)
        self.ranges = adder.initial_ranges(ranges)
        self.largest_sum = 2**self.digits - 1
        self.name = f"adder, {clause} clause"

    def init(self, seeds: Any) -> adder.Params:
        return adder.init(facts.seeds_of(seeds), clause=self.clause, ranges=self.ranges)

    def update(self, state: adder.Params, pairs: np.ndarray, active: np.ndarray) -> adder.Params:
        rate = self.learning_rate * active
        return adder.update(state, pairs[:, 0], pairs[:, 1], digits=self.digits, learning_rate=rate)

    def answers(self, state: adder.Params, pairs: np.ndarray) -> np.ndarray:
        return adder.add(state, pairs[:, 0], pairs[:, 1])


class State(NamedTuple):
    """Weights and their velocities: lists of arrays with the seeds on the leading axis."""

    weights: list[np.ndarray]
    velocities: list[np.ndarray]


class Network:
    """A network trained by descent with momentum on one addition at a time; autograd gives its gradient.

    A subclass defines `shapes`, the coding of additions (`inputs`, `targets`), the outputs of the network (`outputs`),
    their distance from the targets (`losses`) and how sums are read from them (`read`).
    """

    name: str
    any_length = False
    largest_sum: int | None = None
    shapes: list[tuple[int, ...]]

    def __init__(self, weight_range: float, learning_rate: float, momentum: float) -> None:
        self.weight_range = check.real("weight_range", weight_range, above=0)
        self.learning_rate = check.real("learning_rate", learning_rate, above=0)
        self.momentum = check.real("momentum", momentum, least=0, most=1)
        self._gradient = grad(lambda weights, x, y: anp.sum(self.losses(self.outputs(weights, x), y)))

    @property
    def parameters(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def init(self, seeds: Any) -> State:
        """Weights uniform on (-weight_range, weight_range), drawn in the order of `shapes` from each seed's stream."""
        streams, end = [np.random.RandomState(seed) for seed in facts.seeds_of(seeds)], self.weight_range
        drawn = [[stream.uniform(-end, end, shape) for shape in self.shapes] for stream in streams]
        weights = [np.stack(arrays) for arrays in zip(*drawn, strict=True)]
        return State(weights, [np.zeros_like(w) for w in weights])

    def update(self, state: State, pairs: np.ndarray, active: np.ndarray) -> State:
        """One step down the gradient of the loss."""
        return self.step(state, self.gradients(state, pairs), active)

    def gradients(self, state: State, pairs: np.ndarray) -> list[np.ndarray]:
        """The gradient of each network's loss on its own addition, `pairs` (seeds, 2)."""
        batch = pairs[:, None]
        return list(self._gradient(state.weights, self.inputs(batch), self.targets(batch)))

    def step(self, state: State, gradients: list[np.ndarray], active: np.ndarray) -> State:
        """v = momentum v - learning_rate gradient, w = w + v, for the networks that are active."""
        weights, velocities = [], []
        for w, v, gradient in zip(state.weights, state.velocities, gradients, strict=True):
            on = active.reshape(-1, *[1] * (w.ndim - 1))
            v = np.where(on, self.momentum * v - self.learning_rate * gradient, v)
            velocities.append(v)
            weights.append(w + on * v)
        return State(weights, velocities)

    def answers(self, state: State, pairs: np.ndarray) -> np.ndarray:
        return self.read(self.outputs(state.weights, self.inputs(pairs)))

    def inputs(self, pairs: np.ndarray) -> np.ndarray:
        """The inputs that code additions (..., 2)."""
        raise NotImplementedError

    def targets(self, pairs: np.ndarray) -> np.ndarray:
        """The targets of the outputs for additions (..., 2)."""
        raise NotImplementedError

    def outputs(self, weights: list[Any], x: np.ndarray) -> Any:
        """Outputs (seeds, n, ...) for inputs (n, ...) or (seeds, n, ...), in autograd's numpy."""
        raise NotImplementedError

    def losses(self, outputs: Any, targets: np.ndarray) -> Any:
        """Half the squared error of each output."""
        return 0.5 * (outputs - targets) ** 2

    def read(self, outputs: np.ndarray) -> np.ndarray:
        """The sums (seeds, n) that outputs mean; -1 for outputs that are not finite."""
        raise NotImplementedError


class Perceptron(Network):
    """A network with one hidden layer of logistic units with biases, which reads a whole addition at once.

    The defaults are the network of McCloskey and Cohen (1989): 28-50-24, coarse code, weights uniform on (-0.3, 0.3),
    learning rate 0.25, momentum 0.9, targets 0.9 and 0.1.

    Parameters
    ----------
    hidden : int
        Width of the hidden layer.
    code : {"coarse", "binary"}
        "coarse": decimal digits 0 to 9 on 12 units each; the answer is the best match among the sums 0 to 18. "binary":
        `bits` units per number; the digits of the sum are read with the threshold 1/2.
    bits : int
        Binary digits of each number, 1 to 30; used by the binary code only.
    weight_range : float
        Initial weights are uniform on (-weight_range, weight_range).
    learning_rate, momentum : float
        Above 0; 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> Perceptron().parameters
    2674
    """

    @_renamed.arguments(spread="weight_range")
    def __init__(
        self,
        hidden: int = 50,
        *,
        code: str = "coarse",
        bits: int = 4,
        weight_range: float = 0.3,
        learning_rate: float = 0.25,
        momentum: float = 0.9,
    ) -> None:
        super().__init__(weight_range, learning_rate, momentum)
        self.hidden = check.integer("hidden", hidden, least=1)
        self.code = check.choice("code", code, ("coarse", "binary"))
        self.bits = check.integer("bits", bits, least=1, most=30)
        inputs, outputs = (28, 24) if code == "coarse" else (2 * self.bits, self.bits + 1)
        self.name = f"perceptron {inputs}-{hidden}-{outputs}, {code} code"
        self.shapes = [(inputs, hidden), (1, hidden), (hidden, outputs), (1, outputs)]
        self._patterns = facts.coarse_targets(SUMS)

    def inputs(self, pairs: np.ndarray) -> np.ndarray:
        if self.code == "coarse":
            return facts.coarse_inputs(pairs)
        digits = facts.binary(pairs, self.bits).astype(float)
        return digits.reshape(*digits.shape[:-2], -1)

    def targets(self, pairs: np.ndarray) -> np.ndarray:
        if self.code == "coarse":
            return facts.coarse_targets(pairs.sum(-1))
        return facts.OFF + (facts.ON - facts.OFF) * facts.binary(pairs.sum(-1), self.bits + 1)

    def outputs(self, weights: list[Any], x: np.ndarray) -> Any:
        w1, b1, w2, b2 = weights
        return _logistic(anp.matmul(_logistic(anp.matmul(x, w1) + b1), w2) + b2)

    def read(self, outputs: np.ndarray) -> np.ndarray:
        if self.code == "binary":
            sums = facts.from_binary(outputs > 0.5)
        else:
            distance = ((outputs[..., None, :] - self._patterns) ** 2).sum(-1)
            sums = SUMS[distance.argmin(-1)]
        return np.where(np.isfinite(outputs).all(-1), sums, NO_ANSWER)


class DigitByDigit(Network):
    """A network that reads the binary digits of an addition one by one, least significant first.

    Attributes
    ----------
    digits : int
        Binary digits of a training sum.
    """

    any_length = True
    digits: int

    def inputs(self, pairs: np.ndarray) -> np.ndarray:
        """The bits of additions (..., 2): (positions, ..., 2), with `digits` positions or more."""
        longest = int(pairs.max()).bit_length() + 1
        return np.moveaxis(facts.binary(pairs, max(longest, self.digits)).astype(float), -1, 0)

    def targets(self, pairs: np.ndarray) -> np.ndarray:
        return np.moveaxis(facts.binary(pairs.sum(-1), self.digits).astype(float), -1, 0)[..., None]


class Recurrent(DigitByDigit):
    """A small recurrent network that adds digit by digit, least significant first, and has no clause.

    The hidden units are h = tanh(a U_a + b U_b + h W + c); the digit is read from a logistic unit with the threshold
    1/2. The loss is the cross-entropy summed over the digits.

    Parameters
    ----------
    hidden : int
        Number of hidden units.
    gated : bool
        Whether the units are those of a GRU (Cho et al. 2014).
    digits : int
        Binary digits of a training sum.
    weight_range : float
        Initial weights are uniform on (-weight_range, weight_range).
    learning_rate, momentum : float
        Above 0; 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> Recurrent(3).parameters, Recurrent(3, gated=True).parameters
    (22, 58)
    """

    @_renamed.arguments(spread="weight_range")
    def __init__(
        self,
        hidden: int = 8,
        *,
        gated: bool = False,
        digits: int = 5,
        weight_range: float = 1.0,
        learning_rate: float = 0.005,
        momentum: float = 0.9,
    ) -> None:
        super().__init__(weight_range, learning_rate, momentum)
        self.hidden = check.integer("hidden", hidden, least=1)
        self.digits = check.integer("digits", digits, least=1)
        if not isinstance(gated, bool):
            raise TypeError(f"gated must be True or False, got {gated!r}")
        self.gated = gated
        self.largest_sum = 2**self.digits - 1
        self.name = f"{'GRU' if gated else 'recurrent'}, {hidden} hidden"
        layer: list[tuple[int, ...]] = [(2, hidden), (hidden, hidden), (1, hidden)]
        self.shapes = layer * (3 if gated else 1) + [(hidden, 1), (1, 1)]

    def outputs(self, weights: list[Any], x: np.ndarray) -> Any:
        """Logits (positions, seeds, n, 1)."""
        *cell, w_out, b_out = weights
        h = np.zeros((1, 1, self.hidden))
        logits = []
        for bits in x:
            h = self._next(cell, bits, h)
            logits.append(anp.matmul(h, w_out) + b_out)
        return anp.stack(logits)

    def losses(self, outputs: Any, targets: np.ndarray) -> Any:
        return anp.logaddexp(0, outputs) - targets * outputs

    def read(self, outputs: np.ndarray) -> np.ndarray:
        logits = np.moveaxis(outputs[..., 0], 0, -1)
        return np.where(np.isfinite(logits).all(-1), facts.from_binary(logits > 0), NO_ANSWER)

    def _next(self, cell: list[Any], bits: Any, h: Any) -> Any:
        def preactivation(k: int, state: Any) -> Any:
            u, w, c = cell[3 * k : 3 * k + 3]
            return anp.matmul(bits, u) + anp.matmul(state, w) + c

        if not self.gated:
            return anp.tanh(preactivation(0, h))
        update, reset = _logistic(preactivation(0, h)), _logistic(preactivation(1, h))
        return update * h + (1 - update) * anp.tanh(preactivation(2, reset * h))


class PlainCell(DigitByDigit):
    """The adder without its clause: two hidden units in place of the question and the two straight lines.

    Like the adder it has twelve parameters, reads a, b and the carry at each digit, hands on a carry that is never
    rounded, and learns from the mean squared error of the digits with gradients of norm 1 at most::

        h = tanh(a U_a + b U_b + carry W + c)        two units
        (digit, carry) = h V

    It can represent addition: one unit is the step of the carry, the other a straight line.

    Parameters
    ----------
    digits : int
        Binary digits of a training sum, 1 to 61.
    weight_range : float
        Initial weights are uniform on (-weight_range, weight_range).
    learning_rate, momentum : float
        Above 0; 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> PlainCell().parameters
    12
    """

    name = "plain cell"

    def __init__(
        self, *, digits: int = 5, weight_range: float = 1.0, learning_rate: float = 0.03, momentum: float = 0.9
    ) -> None:
        super().__init__(weight_range, learning_rate, momentum)
        self.digits = check.integer("digits", digits, least=1, most=61)
        self.largest_sum = 2**self.digits - 1
        self.shapes = [(2, 2), (1, 2), (1, 2), (2, 2)]

    def gradients(self, state: State, pairs: np.ndarray) -> list[np.ndarray]:
        """The gradients, shortened to norm 1 at most."""
        gradients = super().gradients(state, pairs)
        norm = np.sqrt(sum((g**2).sum((1, 2), keepdims=True) for g in gradients))
        return [adder.CLIP * g / np.maximum(norm, adder.CLIP) for g in gradients]

    def outputs(self, weights: list[Any], x: np.ndarray) -> Any:
        """Digits before rounding (positions, seeds, n, 1)."""
        by_bits, by_carry, bias, out = weights
        carry: Any = 0.0
        digits = []
        for bits in x:
            both = anp.matmul(anp.tanh(anp.matmul(bits, by_bits) + carry * by_carry + bias), out)
            digits.append(both[..., :1])
            carry = both[..., 1:]
        return anp.stack(digits)

    def losses(self, outputs: Any, targets: np.ndarray) -> Any:
        return (outputs - targets) ** 2 / len(targets)

    def read(self, outputs: np.ndarray) -> np.ndarray:
        digits = np.rint(np.moveaxis(outputs[..., 0], 0, -1))
        return np.where(((digits == 0) | (digits == 1)).all(-1), facts.from_binary(digits == 1), NO_ANSWER)


def comparison(bits: int = 4) -> dict[str, Learner]:
    """The learners that the book compares, with the settings that it uses throughout.

    Sizes and rates other than McCloskey and Cohen's were chosen on seeds from 9000 on. The smallest perceptron is the
    narrowest in their code that learns all the ones and twos facts together with each of 50 seeds. The large
    perceptron does not train at their rate; its rate and its initial weights are smaller.

    Parameters
    ----------
    bits : int
        Binary digits of the numbers, 1 to 30; 4 are enough for single decimal digits.

    Returns
    -------
    dict
        Names and learners.

    Examples
    --------
    >>> {name: learner.parameters for name, learner in comparison().items()}  # doctest: +NORMALIZE_WHITESPACE
    {'adder': 12, 'hard adder': 12, 'perceptron': 2674, 'smallest perceptron': 448, 'large perceptron': 26524,
     'binary perceptron': 705, 'recurrent': 97, 'GRU': 89, 'plain cell': 12}
    """
    bits = check.integer("bits", bits, least=1, most=30)
    return {
        "adder": Adder(digits=bits + 1),
        "hard adder": Adder(clause="hard", digits=bits + 1),
        "perceptron": Perceptron(),
        "smallest perceptron": Perceptron(8),
        "large perceptron": Perceptron(500, weight_range=0.1, learning_rate=0.01),
        "binary perceptron": Perceptron(code="binary", bits=bits),
        "recurrent": Recurrent(8, digits=bits + 1),
        "GRU": Recurrent(4, gated=True, digits=bits + 1),
        "plain cell": PlainCell(digits=bits + 1),
    }


def _logistic(x: Any) -> Any:
    return 0.5 * (1 + anp.tanh(0.5 * x))
