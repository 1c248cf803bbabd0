"""The Hessian, the Jacobian of the outputs and the update that a run without closed forms would take, by autograd."""

from __future__ import annotations

import autograd
import autograd.numpy as anp
import numpy as np
from autograd.misc import flatten

from benchmarks.problem import LOSS, NET, PARAMS, RATE, STEP, TASK, Way

VECTOR, UNFLATTEN = flatten(PARAMS)


def _logits(vector):
    return NET.logits(UNFLATTEN(vector), TASK.x)


def _loss(vector):
    return LOSS.value(_logits(vector), TASK.labels, STEP)


def hessian() -> Way:
    function = autograd.hessian(_loss)
    return Way(lambda repetitions: [function(VECTOR) for _ in range(repetitions)], long=3)


def jacobian() -> Way:
    """The Jacobian alone; the NTK is its product with itself."""
    function = autograd.jacobian(_logits)
    return Way(lambda repetitions: [function(VECTOR) for _ in range(repetitions)], long=3)


def step() -> Way:
    gradient = autograd.grad(_loss)

    def descend(updates):
        vector = VECTOR
        for _ in range(updates):
            vector = vector - RATE * gradient(vector)

    return Way(descend, 20, 220)


def barest_step() -> Way:
    """The cheapest update known for autograd: on a list of arrays, with nothing checked."""
    weight = LOSS.gamma.weights(STEP)[TASK.labels]
    truth = np.arange(len(TASK)), TASK.labels

    def loss(params):
        outputs = NET.logits(params, TASK.x)
        return anp.mean(weight * (anp.log(anp.sum(anp.exp(outputs), axis=1)) - outputs[truth]))

    gradient = autograd.grad(loss)

    def descend(updates):
        params = PARAMS
        for _ in range(updates):
            slopes = gradient(params)
            params = [(w - RATE * dw, b - RATE * db) for (w, b), (dw, db) in zip(params, slopes, strict=True)]

    return Way(descend, 20, 220)
