"""Elastic weight consolidation: a network that holds on to the weights that mattered for earlier tasks.

After a task A the weights w* and the diagonal of their Fisher information F are kept. While later tasks are learned, a
spring pulls each weight back to where it was, the harder the more the outputs for A depend on it::

    penalty(w) = (strength / 2) sum_i F_i (w_i - w*_i)^2

The errors are squared, so the outputs are means of normal distributions with variance 1, and the expected information
needs no labels: F_i is the mean over the facts of the sum over the outputs of (d output / d w_i)^2. After several tasks
the springs of all of them pull.

Source: Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks" (PNAS 114, 3521, 2017), whose
abstract describes the method; the diagonal form above is the one in common use.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np
from autograd import grad

from minidyn import _checks as check
from minidyn.forgetting.learners import Perceptron, State


class ElasticState(NamedTuple):
    """Weights and velocities as in `State`, and the springs: F, and F w*, summed over the tasks so far."""

    weights: list[np.ndarray]
    velocities: list[np.ndarray]
    stiffness: list[np.ndarray]
    pull: list[np.ndarray]


class Elastic:
    """A perceptron that protects what it has learned, as a learner.

    Parameters
    ----------
    network : Perceptron
    strength : float
        Of the springs, at least 0. Descent is stable only where learning_rate * strength * F is below 2 (1 + momentum)
        for the network's rate and momentum.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above; the message names it.

    Examples
    --------
    >>> from minidyn.forgetting import protocol
    >>> from minidyn.forgetting.learners import Perceptron
    >>> elastic = Elastic(Perceptron(), strength=300)
    >>> kept = [protocol.sequential(net, range(3), epochs=5).R[:, -1, 0].mean() for net in (Perceptron(), elastic)]
    >>> bool(kept[1] > kept[0])
    True
    """

    any_length = False
    largest_sum: int | None = None

    def __init__(self, network: Perceptron, *, strength: float) -> None:
        if not isinstance(network, Perceptron):
            raise TypeError(f"network must be a Perceptron, whose errors are squared, got {network!r:.80}")
        self.network = network
        self.strength = check.real("strength", strength, least=0)
        self.parameters = network.parameters
        self.name = f"{network.name}, elastic {self.strength:g}"

    def init(self, seeds: Any) -> ElasticState:
        """The network's own initial weights, without springs."""
        weights, velocities = self.network.init(seeds)
        return ElasticState(weights, velocities, *([np.zeros_like(w) for w in weights] for _ in range(2)))

    def update(self, state: ElasticState, pairs: np.ndarray, active: np.ndarray) -> ElasticState:
        """One step of the network down the gradient of its loss and of the penalty."""
        losses = self.network.gradients(State(state.weights, state.velocities), pairs)
        gradients = [by_loss + by_springs for by_loss, by_springs in zip(losses, self.forces(state), strict=True)]
        weights, velocities = self.network.step(State(state.weights, state.velocities), gradients, active)
        return state._replace(weights=weights, velocities=velocities)

    def answers(self, state: ElasticState, pairs: np.ndarray) -> np.ndarray:
        return self.network.answers(State(state.weights, state.velocities), pairs)

    def consolidate(self, state: ElasticState, pairs: np.ndarray) -> ElasticState:
        """Add springs that hold each weight where it is, as stiff as the facts `pairs` (n, 2) need it."""
        information = fisher(self.network, state.weights, pairs)
        stiffness = [s + f for s, f in zip(state.stiffness, information, strict=True)]
        pull = [p + f * w for p, f, w in zip(state.pull, information, state.weights, strict=True)]
        return state._replace(stiffness=stiffness, pull=pull)

    def forces(self, state: ElasticState) -> list[np.ndarray]:
        """The gradient of the penalty: strength times the sum over the tasks of F (w - w*)."""
        springs = zip(state.weights, state.stiffness, state.pull, strict=True)
        return [self.strength * (stiffness * w - pull) for w, stiffness, pull in springs]


def fisher(network: Perceptron, weights: list[np.ndarray], pairs: np.ndarray) -> list[np.ndarray]:
    """The diagonal of the Fisher information of each network's weights, averaged over facts.

    Parameters
    ----------
    network : Perceptron
    weights : list of ndarrays
        With the seeds on the leading axis, as in a `State`.
    pairs : ndarray of int, shape (n, 2)

    Returns
    -------
    list of ndarrays
        Of the shapes of the weights.

    Examples
    --------
    >>> from minidyn.forgetting import facts
    >>> network = Perceptron()
    >>> [f.shape for f in fisher(network, network.init([0, 1]).weights, facts.ones())]
    [(2, 28, 50), (2, 1, 50), (2, 50, 24), (2, 1, 24)]
    """
    slope = grad(lambda weights, x, unit: anp.sum(network.outputs(weights, x)[..., unit]))
    total = [np.zeros_like(w) for w in weights]
    for pair in pairs:
        x = network.inputs(pair[None])
        for unit in range(network.targets(pair[None]).shape[-1]):
            for sum_of_squares, by_weight in zip(total, slope(weights, x, unit), strict=True):
                sum_of_squares += by_weight**2 / len(pairs)
    return total
