"""The compiled engine: full-batch descent on an `MLP`, plain or with momentum, in loops that numba compiles.

A row is a unit and a column a sample, so that the innermost loops run along contiguous samples. The inputs of a
layer end with a row of ones, so that [W; b] is one matrix. Samples come in blocks that fit the cache. What is
computed here is defined in `mlp` and `losses`, and agrees with them to rounding.

This file is imported only when it is needed, for numba takes a third of a second to import. The compiled functions
stay together, because numba keeps them on disk until the file that they stand in changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from minidyn.losses import Loss, SquaredError
from minidyn.mlp import MLP
from minidyn.optimizers import Momentum
from minidyn.task import Task
from minidyn.training.record import Record
from minidyn.training.settings import Settings
from minidyn.training.state import Evaluation, State

CACHED = 2**16  # numbers in a block: half a megabyte
WORK = 10**8  # weights times samples between two looks at the keyboard: a few hundredths of a second
LINE = 8  # numbers in a line of the cache, and in the widest registers
CROSS_ENTROPY, SQUARED_BY_SAMPLE, SQUARED_BY_OUTPUT = range(3)
RELU, TANH = range(2)
ACTIVATIONS = {"relu": RELU, "tanh": TANH}


class _Samples(NamedTuple):
    """Samples and their classes."""

    blocks: NDArray  # (blocks, d, width), the last filled up with zeros
    labels: NDArray  # (P,)


class _Problem(NamedTuple):
    """What to descend on."""

    layers: NDArray
    activation: int
    kind: int  # of loss
    momentum: float
    training: _Samples
    validation: _Samples  # none if there are no labels


class _Position(NamedTuple):
    """The weights and their velocity, which is empty without momentum."""

    vector: NDArray
    velocity: NDArray


class _Workspace(NamedTuple):
    """Memory that every update uses anew."""

    rows: NDArray  # the inputs of the layers, for one block of samples
    deltas: NDArray  # ∂F/∂(inputs of the layers)
    gradient: NDArray  # ∂F/∂weights


class _Entries(NamedTuple):
    """Rows of the record, one per update."""

    rates: NDArray  # (n,), η
    weights: NDArray  # (n, C), Γ
    class_loss: NDArray  # (n, C)
    accuracy: NDArray  # (n,)
    validation_accuracy: NDArray  # (n,), or empty


class CompiledEngine:
    """The engine for an `MLP`, one of our losses and full batches."""

    def __init__(self, settings: Settings):
        net, task, validation = settings.net, settings.task, settings.validation
        assert isinstance(net, MLP)
        width = _block_width(net.widths, len(task))
        training = _samples(task, width)
        none = _Samples(training.blocks[:0], training.labels[:0])
        self._problem = _Problem(
            layers=_layers(net.widths),
            activation=ACTIVATIONS[net.activation],
            kind=_kind(settings.loss),
            momentum=settings.optimizer.momentum if isinstance(settings.optimizer, Momentum) else 0.0,
            training=training,
            validation=none if validation is None else _samples(validation, width),
        )
        self._workspace = _Workspace(_rows(net.widths, width), _rows(net.widths, width), np.empty(net.size))
        self.chunk = max(1, min(500, WORK // (net.size * len(task))))

    def replace_samples(self, task: Task) -> None:
        """Descend on other samples from now on, at most as many as before."""
        width = self._workspace.rows.shape[1]
        self._problem = self._problem._replace(training=_samples(task, width))

    def evaluate(self, state: State, record: Record) -> Evaluation:
        after = self.update(state, state.done + 1, record)
        return Evaluation(state, after.done > state.done, self._workspace.gradient.copy())

    def advance(self, here: Evaluation, stop: int, record: Record) -> State:
        return self.update(here.state, stop, record)

    def update(self, state: State, stop: int, record: Record) -> State:
        """As `advance`, from a state that need not have been evaluated."""
        start, done, _, moments, _ = state
        rows = slice(done - record.first, stop - record.first)
        validation_accuracy = record.validation_accuracy
        entries = _Entries(
            rates=record.rates[rows],
            weights=record.weights[rows],
            class_loss=record.class_loss[rows],
            accuracy=record.accuracy[rows],
            validation_accuracy=np.empty(0) if validation_accuracy is None else validation_accuracy[rows],
        )
        here, before = (_Position(start.copy(), moments.flatten()) for _ in range(2))
        updates = _update(here, before, self._problem, self._workspace, entries)
        shape = moments.shape
        return State(
            here.vector, done + updates, before.vector, here.velocity.reshape(shape), before.velocity.reshape(shape)
        )


def _kind(loss: Loss) -> int:
    if isinstance(loss, SquaredError):
        return SQUARED_BY_OUTPUT if loss.per_output else SQUARED_BY_SAMPLE
    return CROSS_ENTROPY


def _layers(widths: tuple[int, ...]) -> NDArray:
    """For each layer: where its matrix begins in the vector, where its inputs begin in the rows, inputs, outputs."""
    layers, start, row = [], 0, 0
    for inputs, outputs in pairwise(widths):
        layers.append((start, row, inputs, outputs))
        start, row = start + (inputs + 1) * outputs, row + inputs + 1
    return np.array(layers)


def _block_width(widths: tuple[int, ...], samples: int) -> int:
    """Samples per block: all of them if they fit the cache, full lines of it in any case."""
    return LINE * min(-(-samples // LINE), max(LINE, CACHED // (LINE * sum(widths))))


def _samples(task: Task, width: int) -> _Samples:
    """The samples of a task in blocks of `width`."""
    samples, inputs = task.x.shape
    padded = np.zeros((-(-samples // width) * width, inputs))
    padded[:samples] = task.x
    blocks = np.ascontiguousarray(padded.reshape(-1, width, inputs).transpose(0, 2, 1))
    return _Samples(blocks, task.labels.copy())


def _rows(widths: tuple[int, ...], width: int) -> NDArray:
    """Rows for a block of samples, layer by layer, beginning where a line of the cache does."""
    shape = sum(widths) + len(widths) - 1, width
    space = np.zeros(math.prod(shape) + LINE)
    first = -(space.ctypes.data // space.itemsize) % LINE
    rows = space[first : first + math.prod(shape)].reshape(shape)
    rows[np.cumsum(np.array(widths[:-1]) + 1) - 1] = 1
    return rows


OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}
IN_ANY_ORDER = {"reassoc", "nsz", "contract"}  # for sums; infinities and NaN keep their meaning: divergence is seen
_as_written = numba.njit(fastmath={"contract"}, **OPTIONS)
_fast = numba.njit(fastmath=IN_ANY_ORDER, **OPTIONS)


def _cached(function: Callable[..., Any]) -> Any:
    """`_fast`, compiled once per machine; or once per session, if numba finds no folder to write to."""
    try:
        return numba.njit(function, fastmath=IN_ANY_ORDER, cache=True, **OPTIONS)
    except RuntimeError:
        return _fast(function)


@_fast
def _matrix(vector: NDArray, layers: NDArray, layer: int) -> NDArray:
    start, _, inputs, outputs = layers[layer]
    return vector[start : start + (inputs + 1) * outputs].reshape(inputs + 1, outputs)


@_fast
def _below(rows: NDArray, layers: NDArray, layer: int) -> NDArray:
    return rows[layers[layer, 1] : layers[layer, 1] + layers[layer, 2] + 1]


@_fast
def _above(rows: NDArray, layers: NDArray, layer: int) -> NDArray:
    first = layers[layer, 1] + layers[layer, 2] + 1
    return rows[first : first + layers[layer, 3]]


@_fast
def _entry(row: NDArray, k: int) -> float:
    """Entry k, or 0 beyond the end. Loops over units take three at a time: 2-H-3 networks have (2 + 1) and 3."""
    return row[k] if k < len(row) else 0.0


@_fast
def _row(rows: NDArray, k: int) -> NDArray:
    return rows[min(k, len(rows) - 1)]


@_fast
def _affine(matrix: NDArray, below: NDArray, above: NDArray, least: float) -> None:
    """above = matrixᵀ below, and at least `least`: 0 is a ReLU, -inf changes nothing."""
    for j in range(0, len(below), 3):
        a0, a1, a2 = below[j], _row(below, j + 1), _row(below, j + 2)
        first, floor = j == 0, least if j + 3 >= len(below) else -np.inf
        for k in range(len(above)):
            column, out = matrix[:, k], above[k]
            w0, w1, w2 = column[j], _entry(column, j + 1), _entry(column, j + 2)
            for s in range(len(out)):
                z = (0.0 if first else out[s]) + w0 * a0[s] + w1 * a1[s] + w2 * a2[s]
                out[s] = floor if z < floor else z


@_fast
def _outer(below: NDArray, delta: NDArray, gradient: NDArray) -> None:
    """gradient += below deltaᵀ, summed over samples."""
    for k in range(0, len(delta), 3):
        d0, d1, d2 = delta[k], _row(delta, k + 1), _row(delta, k + 2)
        for j in range(len(below)):
            a = below[j]
            t0 = t1 = t2 = 0.0
            for s in range(len(a)):
                t0 += a[s] * d0[s]
                t1 += a[s] * d1[s]
                t2 += a[s] * d2[s]
            _add(gradient[j], k, t0, t1, t2)


@_fast
def _outer_and_back(matrix: NDArray, below: NDArray, delta: NDArray, gradient: NDArray, out: NDArray) -> None:
    """The same for hidden units, and out = matrix delta where a unit is on: both in one pass over the samples."""
    for j in range(len(out)):
        a, o = below[j], out[j]
        for k in range(0, len(delta), 3):
            w0, w1, w2 = matrix[j, k], _entry(matrix[j], k + 1), _entry(matrix[j], k + 2)
            d0, d1, d2 = delta[k], _row(delta, k + 1), _row(delta, k + 2)
            t0 = t1 = t2 = 0.0
            first = k == 0
            for s in range(len(a)):
                t0 += a[s] * d0[s]
                t1 += a[s] * d1[s]
                t2 += a[s] * d2[s]
                flow = w0 * d0[s] + w1 * d1[s] + w2 * d2[s] if a[s] > 0 else 0.0
                o[s] = flow + (0.0 if first else o[s])
            _add(gradient[j], k, t0, t1, t2)


@_fast
def _back(matrix: NDArray, below: NDArray, delta: NDArray, out: NDArray) -> None:
    """out = matrix delta tanh', for hidden units whose values tanh z are below."""
    for j in range(len(out)):
        a, o = below[j], out[j]
        for k in range(0, len(delta), 3):
            w0, w1, w2 = matrix[j, k], _entry(matrix[j], k + 1), _entry(matrix[j], k + 2)
            d0, d1, d2 = delta[k], _row(delta, k + 1), _row(delta, k + 2)
            first = k == 0
            for s in range(len(a)):
                flow = (w0 * d0[s] + w1 * d1[s] + w2 * d2[s]) * (1.0 - a[s] * a[s])
                o[s] = flow + (0.0 if first else o[s])


@_fast
def _add(row: NDArray, k: int, t0: float, t1: float, t2: float) -> None:
    row[k] += t0
    if k + 1 < len(row):
        row[k + 1] += t1
    if k + 2 < len(row):
        row[k + 2] += t2


@_fast
def _forward(vector: NDArray, layers: NDArray, activation: int, x: NDArray, rows: NDArray) -> None:
    for i in range(len(x)):
        for s in range(x.shape[1]):
            rows[i, s] = x[i, s]
    for layer in range(len(layers)):
        is_hidden = layer + 1 < len(layers)
        least = 0.0 if is_hidden and activation == RELU else -np.inf
        _affine(_matrix(vector, layers, layer), _below(rows, layers, layer), _above(rows, layers, layer), least)
        if is_hidden and activation == TANH:
            _apply_tanh(_above(rows, layers, layer))


@_fast
def _backward(
    vector: NDArray, layers: NDArray, activation: int, rows: NDArray, deltas: NDArray, gradient: NDArray
) -> None:
    """gradient += Jᵀ delta, with the delta of the outputs in the last rows of `deltas`."""
    for layer in range(len(layers) - 1, -1, -1):
        below, delta = _below(rows, layers, layer), _above(deltas, layers, layer)
        into = _matrix(gradient, layers, layer)
        units = layers[layer, 2] if layer else 0  # no derivatives with respect to the samples
        matrix, out = _matrix(vector, layers, layer), _below(deltas, layers, layer)[:units]
        if activation == RELU:
            _outer_and_back(matrix, below, delta, into, out)
            _outer(below[units:], delta, into[units:])
        else:
            _back(matrix, below, delta, out)
            _outer(below, delta, into)


@_as_written
def _exp(x: float) -> float:
    """exp(x) for x <= 0, within 1e-16, in a form that runs on several numbers at once; 0 below -700."""
    n = np.floor(1.4426950408889634 * x + 0.5)
    r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10  # log 2 in two parts
    p = 1 / 6227020800
    for factorial in (479001600, 39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2, 1, 1):
        p = p * r + 1 / factorial
    power = np.int64((np.int64(n) + 1023) << 52).view(np.float64)
    return 0.0 if x < -700 else p * power


@_as_written
def _tanh(x: float) -> float:
    """tanh(x), within a few units of its last digit, from e = exp(-2|x|) - 1, in a form like that of `_exp`."""
    y = -2.0 * np.abs(x)
    n = np.floor(1.4426950408889634 * y + 0.5)
    r = (y - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10  # log 2 in two parts
    q = 1 / 6227020800
    for factorial in (479001600, 39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6, 2, 1):
        q = q * r + 1 / factorial
    power = np.int64((np.int64(n) + 1023) << 52).view(np.float64)
    e = -1.0 if y < -700 else (power - 1.0) + power * (r * q)
    return np.copysign(e / (2.0 + e), x)


@_fast
def _apply_tanh(rows: NDArray) -> None:
    for k in range(len(rows)):
        row = rows[k]
        for s in range(len(row)):
            row[s] = _tanh(row[s])


@_fast
def _greatest(z: NDArray, out: NDArray) -> None:
    for c in range(len(z)):
        row = z[c]
        for s in range(len(row)):
            out[s] = row[s] if c == 0 or row[s] > out[s] else out[s]


@_fast
def _exponentials(z: NDArray, greatest: NDArray, exponentials: NDArray) -> None:
    for c in range(len(z)):
        row, out = z[c], exponentials[c]
        for s in range(len(row)):
            out[s] = _exp(row[s] - greatest[s])


@_fast
def _loss(
    kind: int, z: NDArray, labels: NDArray, weights: NDArray, count: int, class_loss: NDArray, delta: NDArray
) -> int:
    """Add a block's share to P L_c, with F(t) = Σ Γ_c(t) L_c, and set ∂F/∂z in `delta`; how many answers are right."""
    classes, greatest, right = len(z), np.empty(z.shape[1]), 0
    _greatest(z, greatest)
    if kind == CROSS_ENTROPY:
        _exponentials(z, greatest, delta)
    delta[:, len(labels) :] = 0
    for s in range(len(labels)):
        label, answer = labels[s], 0
        while z[answer, s] < greatest[s]:
            answer += 1
        right += answer == label
        if kind == CROSS_ENTROPY:
            total = 0.0
            for c in range(classes):
                total += delta[c, s]
            class_loss[label] += np.log(total) - (z[label, s] - greatest[s])
            scale = weights[label] / total / count
            for c in range(classes):
                delta[c, s] *= scale
            delta[label, s] -= weights[label] / count
        else:
            for c in range(classes):
                weighed = label if kind == SQUARED_BY_SAMPLE else c
                residual = z[c, s] - (c == label)
                class_loss[weighed] += residual**2 / classes
                delta[c, s] = weights[weighed] * 2 * residual / classes / count
    return right


@_cached
def _update(position: _Position, before: _Position, problem: _Problem, work: _Workspace, entries: _Entries) -> int:
    """Write each entry and make the update after it; the number of updates before F was not finite."""
    vector, velocity = position
    previous, previous_velocity = before
    layers, activation, kind, momentum, training, validation = problem
    rows, deltas, gradient = work
    rates, weights, class_loss, accuracy, validation_accuracy = entries
    x, labels = training
    count, width, outputs = len(labels), rows.shape[1], len(rows) - layers[-1, 3]
    z, delta, unused = rows[outputs:], deltas[outputs:], np.empty(layers[-1, 3])
    for t in range(len(weights)):
        right, class_loss[t], gradient[:] = 0, 0.0, 0.0
        for block in range(len(x)):
            _forward(vector, layers, activation, x[block], rows)
            here = labels[block * width : (block + 1) * width]
            right += _loss(kind, z, here, weights[t], count, class_loss[t], delta)
            _backward(vector, layers, activation, rows, deltas, gradient)
        accuracy[t] = right / count
        if len(validation.labels):
            right = 0
            for block in range(len(validation.blocks)):
                _forward(vector, layers, activation, validation.blocks[block], rows)
                here = validation.labels[block * width : (block + 1) * width]
                right += _loss(kind, z, here, weights[t], count, unused, delta)
            validation_accuracy[t] = right / len(validation.labels)
        value = 0.0
        for c in range(len(unused)):
            class_loss[t, c] /= count
            value += weights[t, c] * class_loss[t, c]
        if not np.isfinite(value):
            return t
        rate = rates[t]
        if len(velocity):
            for i in range(len(vector)):
                previous[i], previous_velocity[i] = vector[i], velocity[i]
                velocity[i] = momentum * velocity[i] + gradient[i]
                vector[i] -= rate * velocity[i]
            continue
        for i in range(len(vector)):
            previous[i] = vector[i]
            vector[i] -= rate * gradient[i]
    return len(weights)
