"""Checks of problem set 1: gradient descent and the spiral, from scratch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import minidyn as md
from minidyn.coursework.callables import PolynomialGradient
from minidyn.coursework.checks import Check, ValueCheck

Layers = tuple[NDArray, NDArray, NDArray, NDArray]


def _arm(j: int, classes: int, noise: NDArray, *, start: float = 2 * np.pi, sweep: float = 4 * np.pi) -> NDArray:
    first = start * j / classes
    angle = np.linspace(first, first + sweep, len(noise)) + noise
    return np.linspace(0, 1, len(noise))[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _draw_arm(random: np.random.RandomState) -> tuple[Any, ...]:
    classes = random.randint(3, 7)
    return random.randint(1, classes), classes, 0.2 * random.randn(random.randint(20, 60))


arm = Check(
    "arm",
    _arm,
    _draw_arm,
    {
        "The noise has no effect. It belongs to the angle of each point.": lambda j, c, n: _arm(j, c, 0 * n),
        "All arms start at the same angle. A full turn is shared out among the classes.": lambda j, c, n: _arm(
            j, c, n, start=2 * np.pi * c
        ),
        "The arm turns once. Count the turns of an arm in the picture.": lambda j, c, n: _arm(j, c, n, sweep=2 * np.pi),
        "The first coordinate is r cos, the second is r sin.": lambda j, c, n: _arm(j, c, n)[:, ::-1],
        "There is one row per point and one column per coordinate. Yours is the other way round.": lambda j, c, n: (
            _arm(j, c, n).T
        ),
        "The noise is on the coordinates. It belongs to the angle.": lambda j, c, n: _arm(j, c, 0 * n) + n[:, None],
    },
    "The radius goes evenly from 0 to 1, the angle evenly over two turns, and the noise is added to the angle.",
    cases={
        "the first arm": lambda random: (0, random.randint(2, 7), 0.2 * random.randn(random.randint(20, 60))),
        "a single arm": lambda random: (0, 1, 0.2 * random.randn(15)),
        "no noise": lambda random: (1, 3, np.zeros(random.randint(5, 20), int)),
        "two points": lambda random: (2, 3, 0.2 * random.randn(2)),
        "every second number of an array": lambda random: (1, 2, 0.2 * random.randn(30)[::2]),
    },
)


def _value(logits: NDArray, labels: NDArray) -> float:
    return md.CrossEntropy().value(logits, labels)


def _draw_outputs(random: np.random.RandomState) -> tuple[Any, ...]:
    samples, classes = random.randint(5, 12), random.randint(3, 6)
    logits = 2 * random.randn(samples, classes)
    logits[0] += 2000  # exp overflows: the loss does not
    return logits, random.randint(classes, size=samples)


cross_entropy = Check(
    "cross_entropy",
    _value,
    _draw_outputs,
    {
        "You added the samples up. The loss is their mean.": lambda f, y: _value(f, y) * len(y),
        "You divided by the number of all outputs. The mean is over the samples.": lambda f, y: (
            _value(f, y) / f.shape[1]
        ),
        "The output of the true class is there, but what it competes with is missing.": lambda f, y: (
            -f[np.arange(len(y)), y].mean()
        ),
        "You took the logarithm to another base.": lambda f, y: _value(f, y) / np.log(2),
        "You scored the class with the largest output. The label says which class is the true one.": lambda f, y: (
            _value(f, f.argmax(axis=1))
        ),
        "The sign is wrong: a loss falls as the network gets better.": lambda f, y: -_value(f, y),
        "It overflows for large outputs. The same constant may be taken off all outputs of a sample.": lambda f, y: (
            np.log(np.exp(f).sum(axis=1)) - f[np.arange(len(y)), y]
        ).mean(),
    },
    "Per sample: the logarithm of the sum of exp over all outputs, less the output of the true class.",
    cases={
        "one sample": lambda random: (2 * random.randn(1, 3), np.array([random.randint(3)])),
        "two classes": lambda random: (2 * random.randn(6, 2), random.randint(2, size=6)),
        "very negative outputs": lambda random: (random.randn(4, 3) - 2000, random.randint(3, size=4)),
        "the true class far behind": lambda random: (
            np.array([[0.0, 2000.0, 1.0]]) + random.randn(1, 3),
            np.array([0]),
        ),
        "equal outputs": lambda random: (np.full((3, 4), random.randn()), random.randint(4, size=3)),
        "columns that lie together in memory": lambda random: (
            np.asfortranarray(2 * random.randn(5, 3)),
            random.randint(3, size=5),
        ),
    },
)


def _slope(logits: NDArray, labels: NDArray) -> NDArray:
    return md.CrossEntropy().gradient(logits, labels)


def _across_samples(logits: NDArray, labels: NDArray) -> NDArray:
    e = np.exp(logits - logits.max(axis=0))
    return (e / e.sum(axis=0) - np.eye(logits.shape[1])[labels]) / len(labels)


def _draw_moderate(random: np.random.RandomState) -> tuple[Any, ...]:
    samples, classes = random.randint(5, 12), random.randint(3, 6)
    return 2 * random.randn(samples, classes), random.randint(classes, size=samples)


output_slope = Check(
    "output_slope",
    _slope,
    _draw_moderate,
    {
        "You left out a factor: the loss is a mean over samples.": lambda f, y: _slope(f, y) * len(y),
        "The sign is wrong: raising the output of the true class lowers the loss.": lambda f, y: -_slope(f, y),
        "These are the probabilities. Where does the label come in?": lambda f, y: (
            _slope(f, y) + np.eye(f.shape[1])[y] / len(y)
        ),
        "Your probabilities compete along the wrong axis. Those of one sample sum to 1.": _across_samples,
    },
    "Differentiate the loss of one sample by each of its outputs, true class and others.",
    cases={
        "one sample": lambda random: (2 * random.randn(1, 3), np.array([random.randint(3)])),
        "two classes": lambda random: (2 * random.randn(6, 2), random.randint(2, size=6)),
        "as many samples as classes": lambda random: (2 * random.randn(4, 4), random.randint(4, size=4)),
        "equal outputs": lambda random: (np.full((3, 4), random.randn()), random.randint(4, size=3)),
        "one class only": lambda random: (2 * random.randn(5, 3), np.full(5, random.randint(3))),
        "columns that lie together in memory": lambda random: (
            np.asfortranarray(2 * random.randn(5, 3)),
            random.randint(3, size=5),
        ),
    },
)


def _backward(
    W: NDArray, b: NDArray, V: NDArray, c: NDArray, x: NDArray, slope: NDArray, *, mask: bool = True
) -> Layers:
    z = x @ W + b
    back = slope @ V.T * ((z > 0) if mask else 1.0)
    return x.T @ back, back.sum(0), np.maximum(z, 0).T @ slope, slope.sum(0)


def _mask_by_slope(W: NDArray, b: NDArray, V: NDArray, c: NDArray, x: NDArray, slope: NDArray) -> Layers:
    back = np.maximum(slope @ V.T, 0)
    return x.T @ back, back.sum(0), np.maximum(x @ W + b, 0).T @ slope, slope.sum(0)


def _biases_mean(*args: Any) -> Layers:
    dW, db, dV, dc = _backward(*args)
    return dW, db / len(args[4]), dV, dc / len(args[4])


def _linear_units(W: NDArray, b: NDArray, V: NDArray, c: NDArray, x: NDArray, slope: NDArray) -> Layers:
    dW, db, _, dc = _backward(W, b, V, c, x, slope)
    return dW, db, (x @ W + b).T @ slope, dc


def _draw_network(random: np.random.RandomState) -> tuple[Any, ...]:
    return _draw_sizes(random, *(random.randint(low, low + 4) for low in (8, 2, 4, 3)))


def _draw_sizes(random: np.random.RandomState, samples: int, inputs: int, units: int, classes: int) -> tuple[Any, ...]:
    W, b = random.randn(inputs, units), random.randn(units)
    V, c = random.randn(units, classes), random.randn(classes)
    return W, b, V, c, random.randn(samples, inputs), random.randn(samples, classes)


def _draw_threshold(random: np.random.RandomState) -> tuple[Any, ...]:
    """The first unit's input is exactly 0 for the first sample: x is 0 there, and so is the bias."""
    W, b, V, c, x, slope = _draw_sizes(random, 5, 2, 4, 3)
    x[0], b[0] = 0, 0
    return W, b, V, c, x, slope


def _draw_off(random: np.random.RandomState) -> tuple[Any, ...]:
    W, b, V, c, x, slope = _draw_sizes(random, 5, 2, 4, 3)
    return W, b - 100, V, c, x, slope


backward = Check(
    "backward",
    _backward,
    _draw_network,
    {
        "A unit that is off passes a slope on. What is the derivative of ReLU there?": lambda *a: _backward(
            *a, mask=False
        ),
        "You cut off negative slopes. It is the unit's input that decides whether a slope passes.": _mask_by_slope,
        "The biases got means over samples. `slope` already holds the factor of the mean.": _biases_mean,
        "V meets what the units send on. You used what goes into them.": _linear_units,
        "All slopes are divided by the number of samples once more. `slope` already holds that factor.": lambda *a: (
            tuple(part / len(a[4]) for part in _backward(*a))
        ),
    },
    "Follow one sample back: slope of the outputs, through V, through the units that are on, through W.",
    cases={
        "the input of a unit is exactly 0": _draw_threshold,
        "all units are off": _draw_off,
        "one sample": lambda random: _draw_sizes(random, 1, 2, 4, 3),
        "one unit and one output": lambda random: _draw_sizes(random, 6, 2, 1, 1),
        "columns that lie together in memory": lambda random: tuple(
            np.asfortranarray(array) for array in _draw_sizes(random, 6, 3, 4, 3)
        ),
    },
)


def _descend(gradient: Any, w: NDArray, rate: float, steps: int) -> NDArray:
    path = [w]
    for _ in range(steps):
        path.append(path[-1] - rate * gradient(path[-1]))
    return np.array(path)


def _draw_valley(random: np.random.RandomState) -> tuple[Any, ...]:
    size = random.randint(2, 5)
    a = random.randn(size, size)
    matrix = a @ a.T / size + np.eye(size)
    return (
        PolynomialGradient(matrix, 0.1 * random.randn(size), np.zeros(size)),
        random.randn(size),
        random.uniform(0.05, 0.2),
        random.randint(4, 9),
    )


def _draw_line(random: np.random.RandomState) -> tuple[Any, ...]:
    return PolynomialGradient(np.diag([1.0, 2.0]), np.zeros(2), np.zeros(2)), random.randint(1, 9, size=2)


def _last_only(gradient: Any, w: NDArray, rate: float, steps: int) -> NDArray:
    return _descend(gradient, w, rate, steps)[-1]


descend = Check(
    "descend",
    _descend,
    _draw_valley,
    {
        "You walk uphill.": lambda g, w, r, n: _descend(g, w, -r, n),
        "Every step uses the gradient of the start. It must be taken anew where you stand.": lambda g, w, r, n: (
            w - r * np.arange(n + 1)[:, None] * g(w)
        ),
        "The start is missing: n steps visit n + 1 points.": lambda g, w, r, n: _descend(g, w, r, n)[1:],
        "The last step is missing: n steps visit n + 1 points.": lambda g, w, r, n: _descend(g, w, r, n)[:-1],
        "All rows are the same: one array was changed in place and kept many times.": lambda g, w, r, n: np.tile(
            _last_only(g, w, r, n), (n + 1, 1)
        ),
        "Only the last point came back. The whole path is asked for.": _last_only,
        "The learning rate has no effect.": lambda g, w, r, n: _descend(g, w, 1.0, n),
    },
    "Each point is the one before, less the learning rate times the gradient there.",
    cases={
        "no steps": lambda random: (*_draw_valley(random)[:3], 0),
        "one step": lambda random: (*_draw_valley(random)[:3], 1),
        "a start of whole numbers": lambda random: (*_draw_line(random), 0.1, 4),
    },
)

RATES = {"A": 1.0, "B": 0.1, "C": 10.0, "D": 4.0}  # the curves of the last picture

unlearned = ValueCheck(
    "unlearned",
    lambda seed: "C",
    lambda seed: {
        "This loss falls slowly, but it falls to the end.": "B",
        "This loss bounces, and still it falls. Which one never gets below guessing?": "D",
        "This loss falls quietly.": "A",
    },
    "Answer with the letter of a curve. A network that guesses has the loss log 3.",
)
