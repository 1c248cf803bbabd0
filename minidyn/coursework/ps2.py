"""Checks of problem set 2: the oscillating loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import minidyn as md
from minidyn.coursework.checks import Check, Draw, ValueCheck


class Fixed:
    """Class weights that stand still, for the library's losses."""

    def __init__(self, weights: NDArray):
        self.classes, self._weights = len(weights), weights

    def weights(self, step: Any) -> NDArray:
        return self._weights


def _raw(step: int, amplitude: float, period: int, classes: int) -> NDArray:
    gamma = md.Oscillation(amplitude, period, classes).weights(step)
    return gamma / gamma.min()  # the classes that wait have the raw weight 1


def _wave(step: int, amplitude: float, period: int, classes: int, ramp: Any, turn: int) -> NDArray:
    phase = step % period
    return 1 + (amplitude - 1) * ramp(phase / period) * (np.arange(classes) == turn % classes)


def _triangle(share: float) -> float:
    return 1 - abs(2 * share - 1)


def _draw_step(random: np.random.RandomState) -> tuple[Any, ...]:
    classes, period = random.randint(3, 6), 100 * random.randint(1, 6)
    # in the falling half of a turn that is neither the first class's nor in the first cycle
    turn = classes + random.randint(1, classes)
    return turn * period + random.randint(6 * period // 10, 9 * period // 10), random.uniform(2, 50), period, classes


def _draw_share(low: float, high: float, periods: tuple[int, ...]) -> Draw:
    """Draws steps between two shares of a turn: not the first class's turn, nor in the first cycle."""

    def draw(random: np.random.RandomState) -> tuple[Any, ...]:
        classes, period = random.randint(3, 6), int(random.choice(periods))
        turn = classes + random.randint(1, classes)
        return turn * period + int(random.uniform(low, high) * period), random.uniform(2, 50), period, classes

    return draw


EVEN, ODD = (100, 200, 300), (75, 101, 333)

raw_weights = Check(
    "raw_weights",
    _raw,
    _draw_step,
    {
        "The weight rises for the whole period. It must fall back in the second half.": lambda t, A, T, C: _wave(
            t, A, T, C, lambda s: s, t // T
        ),
        "It is always the same class that is raised. Each period is another class's turn.": lambda t, A, T, C: _wave(
            t, A, T, C, _triangle, 0
        ),
        "After the last class it is the first one's turn again.": lambda t, A, T, C: np.ones(C),
        "The peak is half as high as it should be: the way up takes half a period.": lambda t, A, T, C: _wave(
            t, A, T, C, lambda s: _triangle(s) / 2, t // T
        ),
        "The raised weight starts from 0. It starts from 1, like the others.": lambda t, A, T, C: np.where(
            np.arange(C) == t // T % C, A * _triangle(t % T / T), 1.0
        ),
        "The peak is A + 1. It should be A.": lambda t, A, T, C: _wave(t, A + 1, T, C, _triangle, t // T),
        "All classes rise together. One class is raised at a time.": lambda t, A, T, C: (
            1 + (A - 1) * _triangle(t % T / T) * np.ones(C)
        ),
    },
    "Whose turn is it at this step, and how far into its turn are we? The class climbs from 1 to A and back.",
    cases={
        "the first half of a turn": _draw_share(0.1, 0.45, EVEN),
        "the second half of a turn": _draw_share(0.55, 0.9, EVEN),
        "an odd period, first half": _draw_share(0.1, 0.45, ODD),
        "an odd period, second half": _draw_share(0.55, 0.9, ODD),
        "the middle of a turn": _draw_share(0.5, 0.5, EVEN),
        "the first step of a turn": _draw_share(0, 0, EVEN),
        "a very short period": lambda random: (int(random.randint(7, 40)), random.uniform(2, 50), 3, 3),
        "the first cycle": lambda random: (int(random.randint(10, 90)), random.uniform(2, 50), 100, 3),
        "step 0": lambda random: (0, random.uniform(2, 50), 100, 3),
        "two classes, and a whole number for A": lambda random: (int(random.randint(220, 240)), 7, 100, 2),
        "an amplitude of 1": lambda random: (int(random.randint(120, 140)), 1.0, 100, 3),
    },
)


def _gamma(raw: NDArray) -> NDArray:
    return len(raw) * raw / raw.sum()


def _draw_raw(random: np.random.RandomState) -> tuple[Any, ...]:
    raw = np.ones(random.randint(3, 7))
    raw[random.randint(len(raw))] = random.uniform(2, 30)
    return (raw,)


class_weights = Check(
    "class_weights",
    _gamma,
    _draw_raw,
    {
        "They sum to 1. With C classes they must sum to C, so that equal weights are all 1.": lambda r: r / r.sum(),
        "You divided by the largest. It is the sum that must be fixed.": lambda r: r / r.max(),
        "Nothing is divided: the sum still changes with the raised weight.": lambda r: r,
        "You used exp. Nothing here is a probability of a network.": lambda r: len(r) * np.exp(r) / np.exp(r).sum(),
        "You divided by the length: the sum still changes with the raised weight.": lambda r: r / len(r),
    },
    "Multiply all of them by one number, so that they sum to the number of classes.",
    cases={
        "two classes": lambda random: (np.array([1, random.uniform(2, 30)]),),
        "several classes raised": lambda random: (random.uniform(1, 30, random.randint(3, 7)),),
        "whole numbers": lambda random: (np.array([1, 1, random.randint(2, 30), 1]),),
        "equal weights": lambda random: (np.ones(random.randint(3, 7)),),
    },
)


def _value(logits: NDArray, labels: NDArray, weights: NDArray) -> float:
    return md.CrossEntropy(Fixed(weights)).value(logits, labels)


def _static(logits: NDArray, labels: NDArray) -> float:
    return md.CrossEntropy().value(logits, labels)


def _draw_weighted(random: np.random.RandomState) -> tuple[Any, ...]:
    classes = random.randint(3, 6)
    samples = classes + random.randint(5, 12)
    labels = np.append(np.arange(classes), random.randint(classes, size=samples - classes))
    weights = random.uniform(0.2, 3, classes)
    return 2 * random.randn(samples, classes), labels, classes * weights / weights.sum()


def _draw_few(samples: int, classes: int) -> Draw:
    """Draws a few samples, whose labels need not include every class."""

    def draw(random: np.random.RandomState) -> tuple[Any, ...]:
        weights = random.uniform(0.2, 3, classes)
        logits = np.asfortranarray(2 * random.randn(samples, classes))
        return logits, random.randint(classes, size=samples), classes * weights / weights.sum()

    return draw


def _draw_forgotten(random: np.random.RandomState) -> tuple[Any, ...]:
    return 2 * random.randn(8, 3), np.arange(8) % 3, np.array([0.0, 1.0, 2.0])


WEIGHTED = {
    "one sample": _draw_few(1, 3),
    "as many samples as classes": _draw_few(4, 4),
    "more classes than samples": _draw_few(2, 5),
    "two classes": _draw_few(6, 2),
    "a class that does not count": _draw_forgotten,
}

dynamical_loss = Check(
    "dynamical_loss",
    _value,
    _draw_weighted,
    {
        "The weights have no effect. This is the static loss.": lambda f, y, w: _static(f, y),
        "You multiplied the outputs. The weights multiply what a sample adds to the loss.": lambda f, y, w: _static(
            w * f, y
        ),
        "You divided by the sum of the samples' weights. The mean is over the number of samples.": lambda f, y, w: (
            _value(f, y, w) * len(y) / w[y].sum()
        ),
        "The weight is that of the class which the network says. It belongs to the label.": lambda f, y, w: (
            _own(f, y) * w[f.argmax(axis=1)]
        ).mean(),
        "You added the samples up. The loss is their mean.": lambda f, y, w: _value(f, y, w) * len(y),
        "The weights are squared.": lambda f, y, w: _value(f, y, w**2),
        "You weighted the output of the true class, but not the rest of the sample's loss.": lambda f, y, w: (
            _own(f, y) - (w[y] - 1) * f[np.arange(len(y)), y]
        ).mean(),
    },
    "Each sample's own cross-entropy, times the weight of its class, then the mean over samples.",
    cases=WEIGHTED,
)


def _own(logits: NDArray, labels: NDArray) -> NDArray:
    """What each sample adds, shape (P,)."""
    return md.CrossEntropy().terms_and_gradient(logits, labels)[0][:, 0]


def _slope(logits: NDArray, labels: NDArray, weights: NDArray) -> NDArray:
    return md.CrossEntropy(Fixed(weights)).gradient(logits, labels)


def _static_slope(logits: NDArray, labels: NDArray) -> NDArray:
    return md.CrossEntropy().gradient(logits, labels)


dynamical_slope = Check(
    "dynamical_slope",
    _slope,
    _draw_weighted,
    {
        "This is the slope of the static loss.": lambda f, y, w: _static_slope(f, y),
        "Each column has its weight. It is each row, by its label, that has one.": lambda f, y, w: (
            w * _static_slope(f, y)
        ),
        "You left out a factor: the loss is a mean over samples.": lambda f, y, w: _slope(f, y, w) * len(y),
        "The weights are in it twice.": lambda f, y, w: _slope(f, y, w**2),
        "The sign is wrong: raising the output of the true class lowers the loss.": lambda f, y, w: -_slope(f, y, w),
        "The weight is that of the class which the network says. It belongs to the label.": lambda f, y, w: (
            _static_slope(f, y) * w[f.argmax(axis=1)][:, None]
        ),
    },
    "A constant in front of a sample's loss stays in front of its slope.",
    cases=WEIGHTED,
)


def _bounds(amplitude: float, classes: int) -> tuple[float, float]:
    return md.Oscillation(amplitude, 2, classes).bounds


def _draw_amplitude(random: np.random.RandomState) -> tuple[Any, ...]:
    return random.uniform(3, 80), random.randint(3, 9)


bounds = Check(
    "bounds",
    _bounds,
    _draw_amplitude,
    {
        "These are the raw weights, before they are made to sum to C.": lambda A, C: (1.0, A),
        "These would sum to 1. The weights sum to C.": lambda A, C: (1 / (A + C - 1), A / (A + C - 1)),
        "You counted one class too many in the sum: one is raised, the others are not.": lambda A, C: (
            C / (A + C),
            C * A / (A + C),
        ),
        "The least comes first.": lambda A, C: _bounds(A, C)[::-1],
        "You took all classes as raised.": lambda A, C: (1 / A, 1.0),
    },
    "At the peak one raw weight is A and the others are 1. Make them sum to C.",
    cases={
        "two classes": lambda random: (random.uniform(3, 80), 2),
        "an amplitude of 1": lambda random: (1.0, random.randint(3, 9)),
        "a whole number for A": lambda random: (int(random.randint(3, 80)), 3),
    },
)


def hidden_wave(seed: int) -> md.Oscillation:
    """A student's own Γ(t), to be read off its picture: three classes."""
    random = np.random.RandomState(seed)
    return md.Oscillation(amplitude=int(random.randint(4, 20)), period=20 * int(random.randint(10, 30)))


period = ValueCheck(
    "period",
    lambda seed: hidden_wave(seed).period,
    lambda seed: {
        "That is a whole cycle, from one class's turn to its next. A period is one turn.": 3 * hidden_wave(seed).period,
        "That is the way up only. A period is up and down.": hidden_wave(seed).period / 2,
        "That is from one class's peak to the next but one.": 2 * hidden_wave(seed).period,
    },
    "How many steps lie between the peak of one class and the peak of the next?",
)

amplitude = ValueCheck(
    "amplitude",
    lambda seed: hidden_wave(seed).amplitude,
    lambda seed: {
        "That is the height of the peak in the picture. Which raw weight gives this peak?": hidden_wave(seed).bounds[1],
        "You took the weights for a sum of 1.": hidden_wave(seed).bounds[1] / (3 - hidden_wave(seed).bounds[1]),
        "That is off by one: two of the raw weights are 1, not three.": (
            3 * hidden_wave(seed).bounds[1] / (3 - hidden_wave(seed).bounds[1])
        ),
        "That is the depth of the trough, turned over. Which raw weight gives this peak?": (
            1 / hidden_wave(seed).bounds[0]
        ),
    },
    "Solve your formula of the bounds for A, with the height of the peak. A reading within 10% will do.",
    tolerance=0.12,
)
