"""The networks that the protocol sets side by side, behind one small interface.

A learner is any object with

- `name`, and `parameters`, the number of its parameters;
- `init(seeds)`: the state of a batch of networks, one for each seed;
- `update(state, pairs, active)`: the state after one descent step on one addition a network, `pairs` (seeds, 2); the
  networks where `active` (seeds,) is False stay as they are;
- `answers(state, pairs)`: the sums (seeds, n) read off for `pairs` (n, 2);
- `any_length`: whether it adds numbers longer than those it was trained on.

`Perceptron` reads a whole addition at once, in the coarse code or in binary digits. `Recurrent` works digit by digit,
as the adder does, but has no clause. The difference between them and `Adder` is what each property buys.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import autograd.numpy as anp
import numpy as np
from autograd import grad

from minidyn import _checks as check
from minidyn.forgetting import adder, facts

SUMS = np.arange(19)  # of two single digits


class Learner(Protocol):
    """What the protocol asks of a learner; see the module's text."""

    @property
    def name(self) -> str: ...

    @property
    def parameters(self) -> int: ...

    @property
    def any_length(self) -> bool: ...

    def init(self, seeds: Any) -> Any: ...

    def update(self, state: Any, pairs: np.ndarray, active: np.ndarray) -> Any: ...

    def answers(self, state: Any, pairs: np.ndarray) -> np.ndarray: ...


class Adder:
    """The cell of `minidyn.forgetting.adder` as a learner: 12 parameters, plain descent, clipped gradients.

    Parameters
    ----------
    clause : {"soft", "hard"}
    digits : int
        Digits of a sum in training.
    learning_rate : float, optional
        Default: the recipe's.

    Examples
    --------
    >>> Adder().parameters
    12
    """

    parameters = adder.PARAMETERS
    any_length = True

    def __init__(self, *, clause: str = "soft", digits: int = 5, learning_rate: float | None = None) -> None:
        self.clause = check.choice("clause", clause, adder.CLAUSES)
        self.digits = check.integer("digits", digits, least=1, most=61)
        rate = adder.LEARNING_RATE[clause] if learning_rate is None else learning_rate
        self.learning_rate = check.real("learning_rate", rate, above=0)
        self.name = f"adder, {clause} clause"

    def init(self, seeds: Any) -> adder.Params:
        return adder.init(facts.seeds_of(seeds), clause=self.clause)

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
    """A network trained by descent with momentum on one addition at a time; its gradient is autograd's.

    A subclass gives `shapes`, and says how additions are coded (`inputs`, `targets`), what the network makes of them
    (`outputs`), how far that is from the targets (`losses`) and how sums are read (`read`).
    """

    name: str
    any_length = False
    shapes: list[tuple[int, ...]]

    def __init__(self, spread: float, learning_rate: float, momentum: float) -> None:
        self.spread = check.real("spread", spread, above=0)
        self.learning_rate = check.real("learning_rate", learning_rate, above=0)
        self.momentum = check.real("momentum", momentum, least=0, most=1)
        self._gradient = grad(lambda weights, x, y: anp.sum(self.losses(self.outputs(weights, x), y)))

    @property
    def parameters(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def init(self, seeds: Any) -> State:
        """Weights uniform on (-spread, spread), each seed from its own stream, in the order of `shapes`."""
        streams = [np.random.RandomState(seed) for seed in facts.seeds_of(seeds)]
        drawn = [[s.uniform(-self.spread, self.spread, shape) for shape in self.shapes] for s in streams]
        weights = [np.stack(arrays) for arrays in zip(*drawn, strict=True)]
        return State(weights, [np.zeros_like(w) for w in weights])

    def update(self, state: State, pairs: np.ndarray, active: np.ndarray) -> State:
        """One step: v = momentum v - learning_rate gradient, w = w + v."""
        one = pairs[:, None]
        slopes = self._gradient(state.weights, self.inputs(one), self.targets(one))
        weights, velocities = [], []
        for w, v, slope in zip(state.weights, state.velocities, slopes, strict=True):
            on = active.reshape(-1, *[1] * (w.ndim - 1))
            v = np.where(on, self.momentum * v - self.learning_rate * slope, v)
            velocities.append(v)
            weights.append(w + on * v)
        return State(weights, velocities)

    def answers(self, state: State, pairs: np.ndarray) -> np.ndarray:
        return self.read(self.outputs(state.weights, self.inputs(pairs)))

    def inputs(self, pairs: np.ndarray) -> np.ndarray:
        """Additions (..., 2) as the network sees them."""
        raise NotImplementedError

    def targets(self, pairs: np.ndarray) -> np.ndarray:
        """What the outputs should be for additions (..., 2)."""
        raise NotImplementedError

    def outputs(self, weights: list[Any], x: np.ndarray) -> Any:
        """Outputs (seeds, n, ...) for inputs (seeds or nothing, n, ...), in autograd's numpy."""
        raise NotImplementedError

    def losses(self, outputs: Any, targets: np.ndarray) -> Any:
        """Half the squared error of every output."""
        return 0.5 * (outputs - targets) ** 2

    def read(self, outputs: np.ndarray) -> np.ndarray:
        """Sums (seeds, n)."""
        raise NotImplementedError


class Perceptron(Network):
    """One hidden layer of logistic units with biases, which reads a whole addition at once.

    Its defaults are the network of McCloskey and Cohen (1989): 28-50-24, coarse code, weights uniform on (-0.3, 0.3),
    learning rate 0.25, momentum 0.9, targets 0.9 and 0.1.

    Parameters
    ----------
    hidden : int
        Width of the hidden layer.
    code : {"coarse", "binary"}
        "coarse": digits of 0 to 9 on 12 units each, the answer read by best match among the sums 0 to 18. "binary":
        `bits` digits a number, the digits of the sum read at the threshold 1/2.
    bits : int
        Binary digits of each number; used by the binary code only.
    spread : float
        Initial weights are uniform on (-spread, spread).
    learning_rate, momentum : float

    Examples
    --------
    >>> Perceptron().parameters
    2674
    """

    def __init__(
        self,
        hidden: int = 50,
        *,
        code: str = "coarse",
        bits: int = 4,
        spread: float = 0.3,
        learning_rate: float = 0.25,
        momentum: float = 0.9,
    ) -> None:
        super().__init__(spread, learning_rate, momentum)
        self.hidden = check.integer("hidden", hidden, least=1)
        self.code = check.choice("code", code, ("coarse", "binary"))
        self.bits = check.integer("bits", bits, least=1, most=30)
        wide, out = (28, 24) if code == "coarse" else (2 * self.bits, self.bits + 1)
        self.name = f"perceptron {wide}-{hidden}-{out}, {code} code"
        self.shapes = [(wide, hidden), (1, hidden), (hidden, out), (1, out)]
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
            return (outputs > 0.5) @ 2 ** np.arange(self.bits + 1)
        distance = ((outputs[..., None, :] - self._patterns) ** 2).sum(-1)
        return SUMS[distance.argmin(-1)]


class Recurrent(Network):
    """A small recurrent network that adds digit by digit, least significant first, and has no clause.

    Hidden units h = tanh(a U_a + b U_b + h W + c); the digit is read from a logistic unit at the threshold 1/2. The
    loss is the cross-entropy summed over the digits. With `gated`, the units are those of a GRU (Cho et al. 2014).

    Parameters
    ----------
    hidden : int
    gated : bool
    digits : int
        Digits of a sum in training.
    spread, learning_rate, momentum : float

    Examples
    --------
    >>> Recurrent(3).parameters, Recurrent(3, gated=True).parameters
    (22, 58)
    """

    any_length = True

    def __init__(
        self,
        hidden: int = 8,
        *,
        gated: bool = False,
        digits: int = 5,
        spread: float = 1.0,
        learning_rate: float = 0.005,
        momentum: float = 0.9,
    ) -> None:
        super().__init__(spread, learning_rate, momentum)
        self.hidden = check.integer("hidden", hidden, least=1)
        self.digits = check.integer("digits", digits, least=1)
        self.gated = bool(gated)
        self.name = f"{'GRU' if gated else 'recurrent'}, {hidden} hidden"
        layer: list[tuple[int, ...]] = [(2, hidden), (hidden, hidden), (1, hidden)]
        self.shapes = layer * (3 if gated else 1) + [(hidden, 1), (1, 1)]

    def inputs(self, pairs: np.ndarray) -> np.ndarray:
        longest = int(pairs.max()).bit_length() + 1
        digits = facts.binary(pairs, max(longest, self.digits)).astype(float)
        return np.moveaxis(digits, -1, 0)  # (positions, seeds or nothing, n, 2)

    def targets(self, pairs: np.ndarray) -> np.ndarray:
        return np.moveaxis(facts.binary(pairs.sum(-1), self.digits).astype(float), -1, 0)[..., None]

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
        bits = outputs[..., 0] > 0
        return np.tensordot(2 ** np.arange(len(bits)), bits, axes=1)

    def _next(self, cell: list[Any], bits: Any, h: Any) -> Any:
        def mixed(k: int, state: Any) -> Any:
            u, w, c = cell[3 * k : 3 * k + 3]
            return anp.matmul(bits, u) + anp.matmul(state, w) + c

        if not self.gated:
            return anp.tanh(mixed(0, h))
        keep, reset = _logistic(mixed(0, h)), _logistic(mixed(1, h))
        return keep * h + (1 - keep) * anp.tanh(mixed(2, reset * h))


def comparison(bits: int = 4) -> dict[str, Learner]:
    """The learners that the book sets side by side, with the settings it froze.

    The sizes and rates beside McCloskey and Cohen's were chosen on seeds from 9000 on. The smallest perceptron is the
    narrowest in their code that gets all the ones and twos facts right, learned together, with each of 50 seeds. The
    largest does not train at their rate; its rate and initial spread are lower.

    Parameters
    ----------
    bits : int
        Binary digits of the numbers: 4 for single decimal digits.

    Returns
    -------
    dict
        From short names to learners.

    Examples
    --------
    >>> {name: learner.parameters for name, learner in comparison().items()}  # doctest: +NORMALIZE_WHITESPACE
    {'adder': 12, 'hard adder': 12, 'perceptron': 2674, 'smallest perceptron': 448, 'large perceptron': 26524,
     'binary perceptron': 705, 'recurrent': 97, 'GRU': 89}
    """
    bits = check.integer("bits", bits, least=1, most=30)
    return {
        "adder": Adder(digits=bits + 1),
        "hard adder": Adder(clause="hard", digits=bits + 1),
        "perceptron": Perceptron(),
        "smallest perceptron": Perceptron(8),
        "large perceptron": Perceptron(500, spread=0.1, learning_rate=0.01),
        "binary perceptron": Perceptron(code="binary", bits=bits),
        "recurrent": Recurrent(8, digits=bits + 1),
        "GRU": Recurrent(4, gated=True, digits=bits + 1),
    }


def _logistic(x: Any) -> Any:
    return 0.5 * (1 + anp.tanh(0.5 * x))
