"""Compiled loops for descent with a capped step: chunks of updates, and products of the Hessian with many vectors.

The layout of samples and weights is that of `compiled_engine`. Nothing here is kept on disk: numba would not notice
a change of the functions that come from the other file.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from minidyn.mlp import MLP
from minidyn.training.compiled_engine import (
    CROSS_ENTROPY,
    IN_ANY_ORDER,
    OPTIONS,
    RELU,
    SQUARED_BY_SAMPLE,
    _above,
    _add,
    _affine,
    _backward,
    _below,
    _block_width,
    _entry,
    _forward,
    _kind,
    _layers,
    _loss,
    _matrix,
    _outer,
    _row,
    _rows,
    _samples,
)
from minidyn.training.settings import Settings

_fast = numba.njit(fastmath=IN_ANY_ORDER, **OPTIONS)


class Problem(NamedTuple):
    """The network, the loss and the samples, and memory for one block of them."""

    layers: NDArray
    kind: int  # of loss
    blocks: NDArray  # (blocks, d, width), samples
    labels: NDArray  # (P,)
    rows: NDArray  # the inputs of the layers, for one block of samples
    deltas: NDArray  # ∂F/∂(inputs of the layers)
    row_tangents: NDArray  # their derivatives along a direction in weight space
    delta_tangents: NDArray


class Limit(NamedTuple):
    """How the step is limited: the gradient loses a fraction of its component along each direction."""

    rate: float  # in all other directions
    directions: NDArray  # (k, p), orthonormal, the leading one first
    removed: NDArray  # (k,), the fractions


class Entries(NamedTuple):
    """Rows of the record."""

    weights: NDArray  # (n + 1, C), Γ
    class_loss: NDArray  # (n + 1, C)
    accuracy: NDArray  # (n + 1,)
    raised: NDArray  # (n,), whether the update raised the loss that it descends
    along: NDArray  # (n,), the step along the leading direction


def problem(settings: Settings) -> Problem:
    """What the settings say, in arrays."""
    net, task = settings.net, settings.task
    assert isinstance(net, MLP)
    width = _block_width(net.widths, len(task))
    samples, memory = _samples(task, width), [_rows(net.widths, width) for _ in range(4)]
    return Problem(_layers(net.widths), _kind(settings.loss), samples.blocks, samples.labels, *memory)


@_fast
def advance(vector: NDArray, problem: Problem, limit: Limit, entries: Entries, stops: bool) -> int:
    """Make n updates; the number made, which is smaller if F is not finite or, if it `stops`, would have risen."""
    gradient, trial = np.empty_like(vector), np.empty_like(vector)
    weights, class_loss = entries.weights, entries.class_loss
    entries.accuracy[0] = _evaluate(vector, problem, weights[0], class_loss[0], gradient)
    for t in range(len(weights) - 1):
        entries.along[t] = -limit.rate * _limit(gradient, limit)
        for i in range(len(vector)):
            trial[i] = vector[i] - limit.rate * gradient[i]
        entries.accuracy[t + 1] = _evaluate(trial, problem, weights[t + 1], class_loss[t + 1], gradient)
        before, after = 0.0, 0.0
        for c in range(weights.shape[1]):
            before += weights[t, c] * class_loss[t, c]
            after += weights[t, c] * class_loss[t + 1, c]
        entries.raised[t] = after > before
        if not np.isfinite(after) or (stops and after > before):
            return t
        vector[:] = trial
    return len(weights) - 1


@_fast
def products(vector: NDArray, problem: Problem, weights: NDArray, directions: NDArray) -> NDArray:
    """The products of the Hessian of F with each direction, (k, p), with the class weights given."""
    gradient, images = np.empty_like(vector), np.zeros_like(directions)
    unused, count, width = np.zeros(len(weights)), len(problem.labels), problem.rows.shape[1]
    for block in range(len(problem.blocks)):
        labels = problem.labels[block * width : (block + 1) * width]
        _derivatives(vector, problem, problem.blocks[block], labels, weights, unused, gradient)
        for k in range(len(directions)):
            _tangents_forward(vector, directions[k], problem)
            _output_tangents(problem, labels, weights, count)
            _tangents_backward(vector, directions[k], problem, images[k])
    return images


@_fast
def _evaluate(vector: NDArray, problem: Problem, weights: NDArray, class_loss: NDArray, gradient: NDArray) -> float:
    """Write L_c and the gradient of F; the accuracy."""
    right, width = 0, problem.rows.shape[1]
    class_loss[:], gradient[:] = 0.0, 0.0
    for block in range(len(problem.blocks)):
        labels = problem.labels[block * width : (block + 1) * width]
        right += _derivatives(vector, problem, problem.blocks[block], labels, weights, class_loss, gradient)
    class_loss /= len(problem.labels)
    return right / len(problem.labels)


@_fast
def _derivatives(
    vector: NDArray,
    problem: Problem,
    x: NDArray,
    labels: NDArray,
    weights: NDArray,
    class_loss: NDArray,
    gradient: NDArray,
) -> int:
    """Add a block's share to P L_c and to the gradient, and leave its activations and deltas in memory."""
    layers, rows, deltas = problem.layers, problem.rows, problem.deltas
    outputs = len(rows) - layers[-1, 3]
    _forward(vector, layers, RELU, x, rows)
    right = _loss(problem.kind, rows[outputs:], labels, weights, len(problem.labels), class_loss, deltas[outputs:])
    _backward(vector, layers, RELU, rows, deltas, gradient)
    return right


@_fast
def _limit(gradient: NDArray, limit: Limit) -> float:
    """Remove a fraction of the gradient along each direction; what is left of it along the leading one."""
    leading = 0.0
    for k in range(len(limit.directions)):
        direction, component = limit.directions[k], 0.0
        for i in range(len(gradient)):
            component += direction[i] * gradient[i]
        removed = limit.removed[k] * component
        for i in range(len(gradient)):
            gradient[i] -= removed * direction[i]
        if k == 0:
            leading = component - removed
    return leading


@_fast
def _tangents_forward(vector: NDArray, direction: NDArray, problem: Problem) -> None:
    """The derivatives of the inputs of each layer, and of the outputs, along a direction in weight space."""
    layers, rows, tangents = problem.layers, problem.rows, problem.row_tangents
    for layer in range(len(layers)):
        below, above = _below(rows, layers, layer), _above(tangents, layers, layer)
        _affine(_matrix(direction, layers, layer), below, above, -np.inf)
        if layer:
            _add_affine(_matrix(vector, layers, layer), _below(tangents, layers, layer), above)
        if layer + 1 < len(layers):
            _switch(_above(rows, layers, layer), above)


@_fast
def _add_affine(matrix: NDArray, below: NDArray, above: NDArray) -> None:
    """above += matrixᵀ below, without the row of the biases."""
    for j in range(0, len(below) - 1, 3):
        a0, a1, a2 = below[j], _row(below, j + 1), _row(below, j + 2)
        for k in range(len(above)):
            column, out = matrix[:, k], above[k]
            w0 = column[j]
            w1 = column[j + 1] if j + 1 < len(below) - 1 else 0.0
            w2 = column[j + 2] if j + 2 < len(below) - 1 else 0.0
            for s in range(len(out)):
                out[s] += w0 * a0[s] + w1 * a1[s] + w2 * a2[s]


@_fast
def _switch(activations: NDArray, tangents: NDArray) -> None:
    """Set the tangent to 0 where a unit is off."""
    for k in range(len(tangents)):
        activation, tangent = activations[k], tangents[k]
        for s in range(len(tangent)):
            tangent[s] = tangent[s] if activation[s] > 0 else 0.0


@_fast
def _output_tangents(problem: Problem, labels: NDArray, weights: NDArray, count: int) -> None:
    """The derivatives of ∂F/∂f: the Hessian with respect to the outputs, times their tangents."""
    outputs = len(problem.rows) - problem.layers[-1, 3]
    tangents, deltas, out = problem.row_tangents[outputs:], problem.deltas[outputs:], problem.delta_tangents[outputs:]
    classes = len(tangents)
    out[:, len(labels) :] = 0.0
    for s in range(len(labels)):
        label = labels[s]
        if problem.kind == CROSS_ENTROPY:
            scale, mean = weights[label] / count, 0.0
            for c in range(classes):  # Γ/P times the probabilities
                out[c, s] = deltas[c, s] + (scale if c == label else 0.0)
                mean += out[c, s] * tangents[c, s]
            mean = mean / scale if scale > 0 else 0.0
            for c in range(classes):
                out[c, s] *= tangents[c, s] - mean
        else:
            for c in range(classes):
                weighed = label if problem.kind == SQUARED_BY_SAMPLE else c
                out[c, s] = weights[weighed] * 2 * tangents[c, s] / classes / count


@_fast
def _tangents_backward(vector: NDArray, direction: NDArray, problem: Problem, image: NDArray) -> None:
    """image += the derivative of the gradient along the direction."""
    layers = problem.layers
    for layer in range(len(layers) - 1, -1, -1):
        below, tangents = _below(problem.rows, layers, layer), _below(problem.row_tangents, layers, layer)
        delta, delta_tangent = _above(problem.deltas, layers, layer), _above(problem.delta_tangents, layers, layer)
        into = _matrix(image, layers, layer)
        units = layers[layer, 2] if layer else 0
        _outer(below[units:], delta_tangent, into[units:])
        if layer:
            matrix, tilt = _matrix(vector, layers, layer), _matrix(direction, layers, layer)
            out = _below(problem.delta_tangents, layers, layer)
            for j in range(units):
                _unit_backward(matrix[j], tilt[j], below[j], tangents[j], delta, delta_tangent, into[j], out[j])


@_fast
def _unit_backward(
    weight: NDArray,
    tilt: NDArray,
    activation: NDArray,
    tangent: NDArray,
    delta: NDArray,
    delta_tangent: NDArray,
    into: NDArray,
    out: NDArray,
) -> None:
    """A hidden unit's share: the derivatives of its outgoing weights' gradient, and of its own delta."""
    for k in range(0, len(delta), 3):
        w0, w1, w2 = weight[k], _entry(weight, k + 1), _entry(weight, k + 2)
        v0, v1, v2 = tilt[k], _entry(tilt, k + 1), _entry(tilt, k + 2)
        d0, d1, d2 = delta[k], _row(delta, k + 1), _row(delta, k + 2)
        r0, r1, r2 = delta_tangent[k], _row(delta_tangent, k + 1), _row(delta_tangent, k + 2)
        t0 = t1 = t2 = 0.0
        first = k == 0
        for s in range(len(out)):
            a, b = activation[s], tangent[s]
            t0 += a * r0[s] + b * d0[s]
            t1 += a * r1[s] + b * d1[s]
            t2 += a * r2[s] + b * d2[s]
        for s in range(len(out)):
            flow = w0 * r0[s] + w1 * r1[s] + w2 * r2[s] + v0 * d0[s] + v1 * d1[s] + v2 * d2[s]
            out[s] = (flow if activation[s] > 0 else 0.0) + (0.0 if first else out[s])
        _add(into, k, t0, t1, t2)
