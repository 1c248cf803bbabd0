"""The Hessian, the kernel, the update and the update of many networks, compiled by JAX in float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from benchmarks.problem import LOSS, NET, NETWORKS, PARAMS, RATE, STEP, TASK, Way

jax.config.update("jax_enable_x64", True)
X, LABELS = jnp.array(TASK.x), jnp.array(TASK.labels)
VECTOR, UNFLATTEN = ravel_pytree(jax.tree.map(jnp.array, PARAMS))


def _logits(params):
    (w1, b1), (w2, b2) = params
    return jax.nn.relu(X @ w1 + b1) @ w2 + b2


def _loss(params, weights):
    """F; beside it the static loss and the accuracy, which `train` records too."""
    logits = _logits(params)
    elements = -jnp.take_along_axis(jax.nn.log_softmax(logits), LABELS[:, None], 1)[:, 0]
    return jnp.mean(weights[LABELS] * elements), (jnp.mean(elements), jnp.mean(logits.argmax(axis=1) == LABELS))


def _update(params, weights):
    record, slopes = jax.value_and_grad(_loss, has_aux=True)(params, weights)
    return jax.tree.map(lambda p, s: p - RATE * s, params, slopes), record


def _many_times(function) -> Way:
    compiled = jax.jit(function)
    return Way(lambda repetitions: [compiled(VECTOR).block_until_ready() for _ in range(repetitions)])


def hessian() -> Way:
    weights = jnp.array(LOSS.gamma.weights(STEP))
    return _many_times(jax.hessian(lambda vector: _loss(UNFLATTEN(vector), weights)[0]))


def ntk() -> Way:
    def kernel(vector):
        jacobian = jax.jacrev(lambda v: _logits(UNFLATTEN(v)))(vector).reshape(-1, len(vector))
        return jacobian @ jacobian.T

    return _many_times(kernel)


def _scan(update, params):
    """Updates in a compiled scan."""
    scan = jax.jit(lambda params, weights: jax.lax.scan(update, params, weights))
    return lambda updates: jax.block_until_ready(scan(params, LOSS.gamma.weights(STEP + np.arange(updates))))


def step() -> Way:
    return Way(_scan(_update, jax.tree.map(jnp.array, PARAMS)), 200, 2200)


def network_steps(networks: int = NETWORKS) -> Way:
    """One update of so many networks at once, by vmap."""
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[NET.init(seed) for seed in range(networks)])
    return Way(_scan(jax.vmap(_update, in_axes=(0, None)), params), 20, 220, at_once=networks)
