"""Checks of problem set 4: the neural tangent kernel."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

import minidyn as md
from minidyn.coursework.checks import Check, Draw, ValueCheck


def _jacobian(W: NDArray, b: NDArray, V: NDArray, c: NDArray, x: NDArray) -> NDArray:
    return md.MLP(len(W), len(V), len(c)).jacobian([(W, b), (V, c)], x)


def _blocks(W: NDArray, b: NDArray, V: NDArray, c: NDArray, x: NDArray) -> list[NDArray]:
    """The Jacobian's columns for W, b, V and c."""
    ends = np.cumsum([W.size, b.size, V.size])
    return np.split(_jacobian(W, b, V, c, x), ends, axis=2)


def _without_mask(W: NDArray, b: NDArray, V: NDArray, c: NDArray, x: NDArray) -> NDArray:
    _, _, by_v, by_c = _blocks(W, b, V, c, x)
    by_b = np.broadcast_to(V.T, (len(x), *V.T.shape))
    by_w = (x[:, None, :, None] * by_b[:, :, None, :]).reshape(len(x), len(c), -1)
    return np.concatenate([by_w, by_b, by_v, by_c], axis=2)


def _columns_first(W: NDArray, b: NDArray, V: NDArray, c: NDArray, x: NDArray) -> NDArray:
    by_w, by_b, by_v, by_c = _blocks(W, b, V, c, x)
    turned = [
        part.reshape(*part.shape[:2], *shape).swapaxes(2, 3).reshape(part.shape)
        for part, shape in ((by_w, W.shape), (by_v, V.shape))
    ]
    return np.concatenate([turned[0], by_b, turned[1], by_c], axis=2)


def _dense_last_layer(W: NDArray, b: NDArray, V: NDArray, c: NDArray, x: NDArray) -> NDArray:
    by_w, by_b, _, by_c = _blocks(W, b, V, c, x)
    h = np.repeat(np.maximum(x @ W + b, 0), len(c), axis=1)
    by_v = np.broadcast_to(h[:, None, :], (len(x), len(c), V.size))
    return np.concatenate([by_w, by_b, by_v, by_c], axis=2)


def _draw_network(random: np.random.RandomState) -> tuple[Any, ...]:
    return _draw_sizes(random, *(random.randint(low, low + 3) for low in (4, 2, 4, 3)))


def _draw_sizes(random: np.random.RandomState, samples: int, inputs: int, units: int, classes: int) -> tuple[Any, ...]:
    W, b = random.randn(inputs, units), random.randn(units)
    V, c = random.randn(units, classes), random.randn(classes)
    return W, b, V, c, random.randn(samples, inputs)


def _draw_threshold(random: np.random.RandomState) -> tuple[Any, ...]:
    """The first unit's input is exactly 0 for the first sample: x is 0 there, and so is the bias."""
    W, b, V, c, x = _draw_sizes(random, 5, 2, 4, 3)
    x[0], b[0] = 0, 0
    return W, b, V, c, x


jacobian = Check(
    "jacobian",
    _jacobian,
    _draw_network,
    {
        "A unit that is off for a sample passes nothing on: its weights and bias do not matter there.": _without_mask,
        "The weights are in another order. W is flattened row by row: first all weights of the first input.": (
            _columns_first
        ),
        "The biases have no columns. They are parameters too.": lambda *a: np.concatenate(_blocks(*a)[::2], axis=2),
        "An output depends on its own column of V only.": _dense_last_layer,
        "The order is W, b, V, c. Yours begins with the last layer.": lambda *a: np.concatenate(
            [_blocks(*a)[i] for i in (2, 3, 0, 1)], axis=2
        ),
        "The output biases have no columns. They are parameters too.": lambda *a: np.concatenate(
            _blocks(*a)[:3], axis=2
        ),
    },
    "For each parameter: which outputs does it move, and how fast? Order: W row by row, b, V row by row, c.",
    cases={
        "the input of a unit is exactly 0": _draw_threshold,
        "one sample": lambda random: _draw_sizes(random, 1, 2, 4, 3),
        "two outputs": lambda random: _draw_sizes(random, 4, 3, 5, 2),
        "as many of everything": lambda random: _draw_sizes(random, 3, 3, 3, 3),
        "columns that lie together in memory": lambda random: tuple(
            np.asfortranarray(array) for array in _draw_sizes(random, 4, 3, 5, 2)
        ),
    },
)


def _kernel(J: NDArray) -> NDArray:
    return np.einsum("pck,qdk->pcqd", J, J)


def _draw_jacobian(random: np.random.RandomState) -> tuple[Any, ...]:
    return (random.randn(random.randint(4, 7), random.randint(2, 4), random.randint(8, 12)),)


kernel = Check(
    "kernel",
    _kernel,
    _draw_jacobian,
    {
        "You kept one output. Every pair of outputs has its entry.": lambda J: J[:, 0] @ J[:, 0].T,
        "You averaged over the outputs. The full kernel keeps them apart.": lambda J: (
            np.einsum("pck,qck->pq", J, J) / J.shape[1]
        ),
        "You added the outputs up. The full kernel keeps them apart.": lambda J: np.einsum("pck,qck->pq", J, J),
        "You divided by the number of parameters. Nothing is normalised here.": lambda J: _kernel(J) / J.shape[2],
        "You summed over samples and outputs. The sum is over the parameters.": lambda J: np.einsum(
            "pck,pcl->kl", J, J
        ),
        "Entries of different outputs are missing: only equal ones were paired.": lambda J: np.einsum(
            "pck,qck->pcq", J, J
        ),
        "The axes are in another order. It is sample, output, sample, output.": lambda J: _kernel(J).transpose(
            0, 2, 1, 3
        ),
    },
    "K[p, c, q, d] is the scalar product of two rows of J: over the parameters, and over nothing else.",
    cases={
        "one sample": lambda random: (random.randn(1, 3, 10),),
        "as many outputs as samples": lambda random: (random.randn(3, 3, 10),),
        "columns that lie together in memory": lambda random: (np.asfortranarray(random.randn(4, 3, 10)),),
    },
)


def _top(K: NDArray) -> float:
    size = K.shape[0] * K.shape[1]
    return float(np.linalg.eigvalsh(K.reshape(size, size))[-1])


def _mixed(K: NDArray) -> float:
    size = K.shape[0] * K.shape[1]
    return float(np.linalg.eigvalsh(K.transpose(1, 0, 2, 3).reshape(size, size))[-1])


def _draw_kernel(random: np.random.RandomState) -> tuple[Any, ...]:
    return (_kernel(_draw_jacobian(random)[0]),)


KERNELS: dict[str, Draw] = {
    "one sample": lambda random: (_kernel(random.randn(1, 3, 10)),),
    "as many outputs as samples": lambda random: (_kernel(random.randn(3, 3, 10)),),
    "fewer parameters than outputs": lambda random: (_kernel(random.randn(5, 3, 4)),),
}

top_eigenvalue = Check(
    "top_eigenvalue",
    _top,
    _draw_kernel,
    {
        "You kept the first output. The matrix has a row for each sample and output.": lambda K: np.linalg.eigvalsh(
            K[:, 0, :, 0]
        )[-1],
        "You averaged over the outputs first. The published notebook does, the full kernel does not.": lambda K: (
            np.linalg.eigvalsh(np.trace(K, axis1=1, axis2=3) / K.shape[1])[-1]
        ),
        "You added the outputs up first.": lambda K: np.linalg.eigvalsh(np.trace(K, axis1=1, axis2=3))[-1],
        "The rows and columns are flattened in different orders.": _mixed,
        "That is the smallest. NumPy's eigenvalues come in rising order.": lambda K: np.linalg.eigvalsh(
            K.reshape(K.shape[0] * K.shape[1], -1)
        )[0],
        "That is the sum of all eigenvalues.": lambda K: np.einsum("pcpc", K),
        "You divided by the number of samples. Nothing is normalised here.": lambda K: _top(K) / K.shape[0],
    },
    "Make K a square matrix with P C rows, sample by sample, and take its largest eigenvalue.",
    cases=KERNELS,
)


def _change(K: NDArray, slope: NDArray, rate: float) -> NDArray:
    return -rate * np.einsum("pcqd,qd->pc", K, slope)


def _draw_step(random: np.random.RandomState) -> tuple[Any, ...]:
    K = _draw_kernel(random)[0]
    return K, random.randn(*K.shape[:2]), random.uniform(0.1, 0.5)


predicted_change = Check(
    "predicted_change",
    _change,
    _draw_step,
    {
        "The sign is wrong: descent goes against the slope.": lambda K, s, r: -_change(K, s, r),
        "The learning rate has no effect.": lambda K, s, r: _change(K, s, 1.0),
        "You divided by the number of samples. The slope already holds that factor.": lambda K, s, r: (
            _change(K, s, r) / len(s)
        ),
        "Each output was moved by its own slopes only. Outputs share their weights.": lambda K, s, r: (
            -r * np.einsum("pcqc,qc->pc", K, s)
        ),
        "Each sample was moved by its own slope only. Samples share their weights.": lambda K, s, r: (
            -r * np.einsum("pcpd,pd->pc", K, s)
        ),
        "The kernel is not in it. A slope of the outputs moves the weights first, and these move the outputs.": (
            lambda K, s, r: -r * s
        ),
    },
    "A step moves the weights by -η Jᵀ slope, and the outputs by J times that.",
    cases={
        "one sample": lambda random: (_kernel(random.randn(1, 3, 10)), random.randn(1, 3), 0.3),
        "as many outputs as samples": lambda random: (_kernel(random.randn(3, 3, 10)), random.randn(3, 3), 0.3),
        "a whole number for the rate": lambda random: (_kernel(random.randn(4, 2, 10)), random.randn(4, 2), 2),
    },
)


def _critical(K: NDArray) -> float:
    return K.shape[0] * K.shape[1] / _top(K)


critical_rate = Check(
    "critical_rate",
    _critical,
    _draw_kernel,
    {
        "That would be the limit for a loss whose Hessian is the kernel itself.": lambda K: 2 / _top(K),
        "At this rate the slowest error would vanish in one step. It may be twice as large.": lambda K: (
            _critical(K) / 2
        ),
        "The square has a derivative with a factor of two in it.": lambda K: 2 * _critical(K),
        "The mean is over samples and outputs. You counted the samples only.": lambda K: K.shape[0] / _top(K),
        "You took the kernel averaged over the outputs.": lambda K: (
            K.shape[0] * K.shape[1] / np.linalg.eigvalsh(np.trace(K, axis1=1, axis2=3) / K.shape[1])[-1]
        ),
        "This is upside down: a larger kernel allows smaller rates.": lambda K: 1 / _critical(K),
    },
    "Write down what one step does to the residuals f - y: a matrix times them. When does it stop shrinking them?",
    cases=KERNELS,
)


@functools.lru_cache(maxsize=4)
def growing(seed: int) -> tuple[NDArray, NDArray]:
    """Steps, and the kernel's largest eigenvalue, while a network of width 100 learns the spiral at η = 0.5."""
    net = md.MLP(2, 100, 3)
    settings = {"learning_rate": 0.5, "steps": 2000, "measure": {"ntk_max": 100}, "progress": False}
    history = md.train(net, net.init(seed), md.spiral(), md.CrossEntropy(), **settings).history  # type: ignore[arg-type]
    return history.ntk_max_step.values, history.ntk_max.values


growth = ValueCheck(
    "growth",
    lambda seed: float(growing(seed)[1][-1] / growing(seed)[1][0]),
    lambda seed: {
        "That is upside down: it grew.": float(growing(seed)[1][0] / growing(seed)[1][-1]),
        "That is a difference. By which factor did it grow?": float(growing(seed)[1][-1] - growing(seed)[1][0]),
        "That is the value at the end. By which factor did it grow?": float(growing(seed)[1][-1]),
        "That is the value at the start. By which factor did it grow?": float(growing(seed)[1][0]),
        "That is how much it gained. By which factor did it grow?": float(
            growing(seed)[1][-1] / growing(seed)[1][0] - 1
        ),
    },
    "Read the first and the last value of the curve, and divide.",
    tolerance=0.1,
)
