"""The fused CUDA kernel: one thread block trains one network, for many updates in a single launch.

Weights and samples stay in the fast memory that the threads of a block share, so that an update reads and writes
nothing else. In the forward pass a thread owns samples and goes over the hidden units; in the backward pass it owns
hidden units and goes over the samples. Either way nobody else adds to what it adds up, so no atomic operation is
needed, and results do not depend on the order in which threads run. A thread takes several samples, or units, at a
time, so that what it reads serves more than one sum.

A hidden unit is a row: its incoming weights, its bias, its outgoing weights. The constant 1 is one more hidden unit,
with incoming weights (0, ..., 0, 1) that stay, so that the output biases are its outgoing weights. A sample is a row
too: its inputs, then ∂F/∂(its outputs). Rows are filled up to multiples of 16 bytes, which one instruction reads, and
their number to a multiple of `STEP`; what fills up is 0 and adds nothing.

A kernel is compiled for one `Shape`: the functions below make its parts, with the numbers of the shape as constants.
What is computed is defined in `oscillation`, `losses` and `mlp`, and agrees with them to rounding. numba's simulator
tells shared arrays apart by their line, so each stands on a line of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import cuda

CROSS_ENTROPY, SQUARED_BY_SAMPLE, SQUARED_BY_OUTPUT = range(3)
POINTS = 5  # samples that a thread takes at a time in the forward pass, at most
UNITS = 2  # hidden units that a thread takes at a time in the backward pass
STEP = 2  # units (forward) or samples (backward) between two looks at the loop's counter
MULTIPROCESSOR_BYTES, BLOCK_BYTES = 228 * 1024, 1024  # shared memory of a multiprocessor of an H100; taken per block
REGISTER_WARPS = 16  # warps whose registers fit a multiprocessor, at the 128 per thread that the compiler takes
ENOUGH_WARPS = 12  # three for each of its four schedulers: while one waits for memory, others compute
LOSS, STATIC_LOSS, ACCURACY, VALIDATION_ACCURACY = range(4)  # what is recorded, in the order of `record.SERIES`
natural = np.uint64  # of loop counters: numba checks signed ones for negative indices, at the cost of an instruction


class Networks(NamedTuple):
    """The networks of a launch, as arrays on the device; networks are the first axis of each."""

    vectors: Any  # (n, p): weights, in the order of `MLP`
    before: Any  # (n, p): weights one update ago
    alive: Any  # (n,): whether F has been finite so far
    updates: Any  # (n,): updates made
    rates: Any  # (n,): learning rates
    amplitudes: Any  # (n,)
    clocks: Any  # (n, 3): period, dwell, rest_from


class Data(NamedTuple):
    """Sets of samples, and the number of the set that each network sees."""

    x: Any  # (sets, P, d)
    labels: Any  # (sets, P)
    which: Any  # (n,)


class History(NamedTuple):
    """What is recorded: each of the four quantities at its own cadence, 0 for never, from a column of its own on."""

    every: Any  # (4,)
    column: Any  # (4,)
    entries: Any  # (n, columns)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a kernel is compiled for."""

    inputs: int
    hidden: int
    outputs: int
    points: int
    loss: int
    dtype: str
    threads: int

    @property
    def real(self) -> Any:
        return np.dtype(self.dtype).type

    @property
    def row(self) -> int:
        """Weights into and out of a hidden unit, and its bias."""
        return self.inputs + 1 + self.outputs

    @property
    def units(self) -> tuple[int, int]:
        """Shape of the rows of hidden units, with the constant, filled up."""
        return _multiple(self.hidden + 1, STEP), _multiple(self.row, self._at_once)

    @property
    def samples(self) -> tuple[int, int]:
        """Shape of the rows of samples, filled up."""
        return _multiple(self.points, STEP), _multiple(self.inputs + self.outputs, self._at_once)

    @property
    def together(self) -> int:
        """Samples that a thread takes at a time in the forward pass."""
        return min(POINTS, -(-self.points // self.threads))

    @property
    def groups(self) -> int:
        """Groups of threads that the samples are dealt to in the backward pass; each group covers all hidden units."""
        return max(1, self.threads // -(-(self.hidden + 1) // UNITS))

    @property
    def members(self) -> int:
        """Threads in a group."""
        return self.threads // self.groups

    @property
    def blocks(self) -> int:
        """Rounds in which a group covers all hidden units."""
        return -(-(self.hidden + 1) // (self.members * UNITS))

    @property
    def partial(self) -> tuple[int, int, int]:
        """Shape of the sums that groups but the first hand over."""
        return (self.groups - 1, self.members * UNITS, self.row) if self.groups > 1 else (1, 1, 1)

    @property
    def shared_bytes(self) -> int:
        """Bytes that the block keeps in shared memory."""
        arrays = (self.units, self.samples, (self.outputs,), (4, self.threads), self.partial)
        return sum(map(math.prod, arrays)) * np.dtype(self.dtype).itemsize + 4 * self.points

    @property
    def instructions(self) -> int:
        """About how many instructions the threads issue per update, as counted in code compiled for an H100.

        The count is for two inputs and three outputs; it serves to compare numbers of threads.
        """
        rounds = -(-self.points // (self.threads * self.together))
        forward = rounds * self.units[0] * (7 * self.together + 6)
        backward = self.blocks * -(-self.points // self.groups) * 17 * UNITS
        return self.threads * (forward + backward)

    @property
    def resident_warps(self) -> int:
        """How many warps (of 32 threads) share a multiprocessor, as its shared memory and its registers allow."""
        blocks = MULTIPROCESSOR_BYTES // (self.shared_bytes + BLOCK_BYTES)
        return min(REGISTER_WARPS, blocks * -(-self.threads // 32))

    @property
    def effort(self) -> float:
        """What an update costs, for comparison: instructions, and waiting if too few warps take turns."""
        return self.instructions * max(1.0, ENOUGH_WARPS / self.resident_warps)

    @property
    def _at_once(self) -> int:
        """Numbers that one instruction reads."""
        return 16 // np.dtype(self.dtype).itemsize


def _multiple(number: int, factor: int) -> int:
    """The least multiple of `factor` that is not below `number`."""
    return -(-number // factor) * factor


@cache
def kernel(shape: Shape) -> Any:
    """The kernel for a shape: `kernel(shape)[networks, threads](first, stop, networks, data, validation, history)`.

    It makes the updates from number `first` up to `stop`, and writes the entries of the histories from `first` up to
    and including `stop`. A network whose F is not finite goes back to the weights one update ago, and stays there.
    """
    real, inputs, outputs, points, threads = shape.real, shape.inputs, shape.outputs, shape.points, shape.threads
    units_shape, samples_shape, partial_shape, row, together = (
        shape.units,
        shape.samples,
        shape.partial,
        shape.row,
        shape.together,
    )
    padded_units, padded_points = units_shape[0], samples_shape[0]
    read_unit, write_unit, _ = _layout(shape)
    evaluate, right_answers, update = _evaluation(shape), _validation(shape), _update(shape)
    zero, share = real(0), real(1 / points)
    limit = real(np.finfo(real).max / threads)  # sums below it cannot overflow when they are added up

    @cuda.jit
    def descend(
        first: int, stop: int, networks: Networks, data: Data, validation: Data, history: History
    ) -> None:  # pragma: no cover
        units = cuda.shared.array(units_shape, real)
        samples = cuda.shared.array(samples_shape, real)
        labels = cuda.shared.array(points, np.int32)
        weights = cuda.shared.array(outputs, real)
        sums = cuda.shared.array((4, threads), real)
        partial = cuda.shared.array(partial_shape, real)
        x = cuda.local.array((together, inputs), real)
        logits = cuda.local.array((together, outputs), real)
        own = cuda.local.array((UNITS, row), real)
        gradient = cuda.local.array((UNITS, row), real)
        n, t = cuda.blockIdx.x, cuda.threadIdx.x
        if not networks.alive[n]:
            return
        clock, amplitude, rate = networks.clocks[n], networks.amplitudes[n], networks.rates[n]
        for k in range(t, padded_units, threads):
            read_unit(networks.vectors[n], units, k)
        for s in range(t, points, threads):
            labels[s] = data.labels[data.which[n], s]
            for j in range(inputs):
                samples[s, j] = data.x[data.which[n], s, j]
        for s in range(points + t, padded_points, threads):
            for j in range(inputs + outputs):
                samples[s, j] = zero
        for c in range(t, outputs, threads):
            weights[c] = class_weight(amplitude, clock, first, c, outputs)
        cuda.syncthreads()
        done, finite = first, True
        while True:
            sums[LOSS, t], sums[STATIC_LOSS, t], sums[ACCURACY, t] = evaluate(
                units, samples, labels, weights, x, logits
            )
            due = False
            for quantity in range(4):
                due = due or is_due(history.every[quantity], done)
            if cuda.syncthreads_or(1 if due or not abs(sums[LOSS, t]) < limit else 0):
                total = add_up(sums[t]) * share if t < VALIDATION_ACCURACY else zero
                finite = cuda.syncthreads_and(1 if t > 0 or math.isfinite(total) else 0) != 0
                if not finite:
                    break
                if t < VALIDATION_ACCURACY:
                    record(history, n, t, done, total)
                if is_due(history.every[VALIDATION_ACCURACY], done):
                    there = validation.which[n]
                    x_there, labels_there = validation.x[there], validation.labels[there]
                    sums[VALIDATION_ACCURACY, t] = right_answers(units, x_there, labels_there, x, logits)
                    cuda.syncthreads()
                    if t == 0:
                        right = add_up(sums[VALIDATION_ACCURACY])
                        record(history, n, VALIDATION_ACCURACY, done, right / len(labels_there))
            if done == stop:
                break
            update(rate, units, samples, partial, own, gradient, networks.before[n])
            done += 1
            for c in range(t, outputs, threads):
                weights[c] = class_weight(amplitude, clock, done, c, outputs)
            cuda.syncthreads()
        for k in range(t, padded_units, threads):
            if not finite:
                read_unit(networks.before[n], units, k)
            write_unit(units, networks.vectors[n], k)
        if t == 0:
            networks.alive[n] = finite
            networks.updates[n] = done if finite else max(done - 1, 0)

    return descend


@cuda.jit(device=True)
def class_weight(amplitude: float, clock: Any, step: int, c: int, classes: int) -> float:
    """Γ_c at a step, as `Oscillation.weights` defines it."""
    period, dwell, rest_from = clock[0], clock[1], clock[2]
    turn, phase = step // dwell, step % dwell
    ramp = max(1.0 - abs(2 * phase / period - 1.0), 0.0)
    raised = (amplitude - 1.0) * ramp if step < rest_from else 0.0
    raw = 1.0 + raised if c == turn % classes else 1.0
    return classes * raw / (classes + raised)


@cuda.jit(device=True)
def is_due(every: int, done: int) -> bool:
    return every > 0 and done % every == 0


@cuda.jit(device=True)
def record(history: History, n: int, quantity: int, done: int, value: float) -> None:
    if is_due(history.every[quantity], done):
        history.entries[n, history.column[quantity] + done // history.every[quantity]] = value


@cuda.jit(device=True)
def add_up(values: Any) -> float:
    """The sum of some numbers, in their order."""
    total = values[0]
    for i in range(1, len(values)):
        total += values[i]
    return total


def _layout(shape: Shape) -> tuple[Callable[..., Any], ...]:
    """Between the vector of weights and the rows of hidden units: read, write, and make a descent step."""
    hidden, outputs, row, bias = shape.hidden, shape.outputs, shape.row, shape.inputs
    zero, one = shape.real(0), shape.real(1)

    @cuda.jit(device=True)
    def position(k: int, m: int) -> int:
        """Where entry m of unit k stands in the vector."""
        return m * hidden + k if m <= bias else (bias + 1) * hidden + k * outputs + m - bias - 1

    @cuda.jit(device=True)
    def is_weight(k: int, m: int) -> bool:
        """Whether entry m of row k is a weight; the others lead into the constant, or fill up."""
        return k < hidden or (k == hidden and m > bias)

    @cuda.jit(device=True)
    def read_unit(vector: Any, units: Any, k: int) -> None:
        for m in range(row):
            if is_weight(k, m):
                units[k, m] = vector[position(k, m)]
            else:
                units[k, m] = one if k == hidden and m == bias else zero

    @cuda.jit(device=True)
    def write_unit(units: Any, vector: Any, k: int) -> None:
        for m in range(row):
            if is_weight(k, m):
                vector[position(k, m)] = units[k, m]

    @cuda.jit(device=True)
    def step_unit(units: Any, before: Any, k: int, rate: float, gradient: Any) -> None:
        """Move unit k against its gradient; its weights so far go into the vector `before`."""
        for m in range(row):
            if is_weight(k, m):
                before[position(k, m)] = units[k, m]
                units[k, m] -= rate * gradient[m]

    return read_unit, write_unit, step_unit


@cache
def _forward(shape: Shape) -> Callable[..., Any]:
    real, inputs, outputs, bias = shape.real, shape.inputs, shape.outputs, shape.inputs
    together, threads, padded_units = shape.together, shape.threads, shape.units[0]
    zero = real(0)

    @cuda.jit(device=True)
    def forward(units: Any, rows: Any, count: int, first: int, x: Any, logits: Any) -> None:
        """Outputs of the samples first, first + threads, ..., as many as a thread takes at a time."""
        for i in range(together):
            s = first + i * threads
            for j in range(inputs):
                x[i, j] = rows[s, j] if s < count else zero
            for c in range(outputs):
                logits[i, c] = zero
        for base in range(natural(0), natural(padded_units), natural(STEP)):
            for k in range(base, base + natural(STEP)):
                for i in range(together):
                    z = units[k, bias]
                    for j in range(inputs):
                        z += units[k, j] * x[i, j]
                    a = zero if z < zero else z  # NaN stays NaN
                    for c in range(outputs):
                        logits[i, c] += units[k, bias + 1 + c] * a

    return forward


@cache
def _answer(shape: Shape) -> Callable[..., Any]:
    outputs = shape.outputs

    @cuda.jit(device=True)
    def answer(logits: Any, i: int) -> int:
        """The first of the greatest outputs of sample i."""
        best = 0
        for c in range(1, outputs):
            if logits[i, c] > logits[i, best]:
                best = c
        return best

    return answer


def _loss_terms(shape: Shape) -> Callable[..., Any]:
    inputs, outputs, real, by_output = shape.inputs, shape.outputs, shape.real, shape.loss == SQUARED_BY_OUTPUT
    zero, one, share, slope = real(0), real(1), real(1 / shape.points), real(2 / (outputs * shape.points))
    share_of_output = real(1 / outputs)

    @cuda.jit(device=True)
    def cross_entropy(logits: Any, i: int, label: int, weights: Any, sample: Any) -> tuple[float, float]:
        """What a sample adds to P F, with Γ in force and with Γ = 1; ∂F/∂(its outputs) goes into its row."""
        greatest = logits[i, 0]
        for c in range(1, outputs):
            greatest = logits[i, c] if logits[i, c] > greatest else greatest
        total, value = zero, zero
        for c in range(outputs):
            shifted = logits[i, c] - greatest
            value -= shifted if c == label else zero
            logits[i, c] = math.exp(shifted)
            total += logits[i, c]
        value += math.log(total)
        weight = weights[label]
        for c in range(outputs):
            sample[inputs + c] = weight * share * (logits[i, c] / total - (one if c == label else zero))
        return weight * value, value

    @cuda.jit(device=True)
    def squared_error(logits: Any, i: int, label: int, weights: Any, sample: Any) -> tuple[float, float]:
        """The same for the squared error."""
        weighted, static = zero, zero
        for c in range(outputs):
            weight = weights[c] if by_output else weights[label]
            residual = logits[i, c] - (one if c == label else zero)
            term = residual * residual * share_of_output
            static += term
            weighted += weight * term
            sample[inputs + c] = weight * residual * slope
        return weighted, static

    return cross_entropy if shape.loss == CROSS_ENTROPY else squared_error


def _evaluation(shape: Shape) -> Callable[..., Any]:
    points, threads, together, zero, one = shape.points, shape.threads, shape.together, shape.real(0), shape.real(1)
    forward, answer, loss_terms = _forward(shape), _answer(shape), _loss_terms(shape)

    @cuda.jit(device=True)
    def evaluate(
        units: Any, samples: Any, labels: Any, weights: Any, x: Any, logits: Any
    ) -> tuple[float, float, float]:
        """P F with Γ in force, P F with Γ = 1, and right answers: the sums over the samples of a thread."""
        loss, static, right = zero, zero, zero
        for first in range(cuda.threadIdx.x, points, threads * together):
            forward(units, samples, points, first, x, logits)
            for i in range(together):
                s = first + i * threads
                if s < points:
                    right += one if answer(logits, i) == labels[s] else zero
                    terms = loss_terms(logits, i, labels[s], weights, samples[s])
                    loss += terms[0]
                    static += terms[1]
        return loss, static, right

    return evaluate


def _validation(shape: Shape) -> Callable[..., Any]:
    threads, together, zero, one = shape.threads, shape.together, shape.real(0), shape.real(1)
    forward, answer = _forward(shape), _answer(shape)

    @cuda.jit(device=True)
    def right_answers(units: Any, rows: Any, labels: Any, x: Any, logits: Any) -> float:
        """Right answers on other samples: those of a thread."""
        right = zero
        for first in range(cuda.threadIdx.x, len(labels), threads * together):
            forward(units, rows, len(labels), first, x, logits)
            for i in range(together):
                s = first + i * threads
                if s < len(labels) and answer(logits, i) == labels[s]:
                    right += one
        return right

    return right_answers


def _gradient(shape: Shape) -> Callable[..., Any]:
    inputs, outputs, row, bias, zero = shape.inputs, shape.outputs, shape.row, shape.inputs, shape.real(0)
    groups, padded_points = shape.groups, shape.samples[0]

    @cuda.jit(device=True)
    def accumulate(own: Any, samples: Any, group: int, gradient: Any) -> None:
        """∂F/∂(the weights of a thread's units), summed over the samples of its group."""
        for u in range(UNITS):
            for m in range(row):
                gradient[u, m] = zero
        for base in range(natural(STEP * group), natural(padded_points), natural(STEP * groups)):
            for s in range(base, base + natural(STEP)):
                for u in range(UNITS):
                    z = own[u, bias]
                    for j in range(inputs):
                        z += own[u, j] * samples[s, j]
                    back = zero
                    for c in range(outputs):
                        back += own[u, bias + 1 + c] * samples[s, inputs + c]
                    a = z if z > zero else zero
                    back = back if z > zero else zero  # the derivative of ReLU at 0 is 0
                    for j in range(inputs):
                        gradient[u, j] += back * samples[s, j]
                    gradient[u, bias] += back
                    for c in range(outputs):
                        gradient[u, bias + 1 + c] += a * samples[s, inputs + c]

    return accumulate


def _update(shape: Shape) -> Callable[..., Any]:
    row, groups, members, blocks, padded_units = shape.row, shape.groups, shape.members, shape.blocks, shape.units[0]
    accumulate, step_unit = _gradient(shape), _layout(shape)[2]

    @cuda.jit(device=True)
    def join_groups(partial: Any, group: int, member: int, gradient: Any) -> None:
        """Add what the other groups have summed to the sums of the first."""
        if 0 < group < groups:
            for u in range(UNITS):
                for m in range(row):
                    partial[group - 1, member * UNITS + u, m] = gradient[u, m]
        cuda.syncthreads()
        if group == 0:
            for other in range(groups - 1):
                for u in range(UNITS):
                    for m in range(row):
                        gradient[u, m] += partial[other, member * UNITS + u, m]

    @cuda.jit(device=True)
    def update(rate: float, units: Any, samples: Any, partial: Any, own: Any, gradient: Any, before: Any) -> None:
        """A descent step of all hidden units; a thread of the first group moves its own."""
        group, member = cuda.threadIdx.x // members, cuda.threadIdx.x % members
        for block in range(blocks):
            first = block * members * UNITS + member
            for u in range(UNITS):
                for m in range(row):
                    own[u, m] = units[min(first + u * members, padded_units - 1), m]
            if group < groups:
                accumulate(own, samples, group, gradient)
            if groups > 1:
                join_groups(partial, group, member, gradient)
            if group == 0:
                for u in range(UNITS):
                    if first + u * members < padded_units:
                        step_unit(units, before, first + u * members, rate, gradient[u])

    return update
