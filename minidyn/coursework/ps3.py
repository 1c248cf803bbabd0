"""Checks of problem set 3: curvature and the edge of stability."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import minidyn as md
from minidyn.coursework.callables import Force, PolynomialGradient
from minidyn.coursework.checks import Check, ValueCheck
from minidyn.valley import Expansion


def _symmetric(random: np.random.RandomState, values: Any) -> NDArray:
    """A symmetric matrix with these eigenvalues."""
    q, _ = np.linalg.qr(random.randn(len(values), len(values)))
    return (q * np.asarray(values)) @ q.T


def _product(gradient: Any, w: NDArray, v: NDArray, eps: float) -> NDArray:
    return (gradient(w + eps * v) - gradient(w - eps * v)) / (2 * eps)


def _draw_bowl(random: np.random.RandomState, size: int | None = None) -> tuple[Any, ...]:
    size = size or random.randint(3, 6)
    matrix = _symmetric(random, random.uniform(-2, 4, size))
    square, cube = random.randn(size), random.uniform(1, 2, size)
    return PolynomialGradient(matrix, square, cube), random.randn(size), random.randn(size), random.uniform(0.2, 0.5)


hessian_times = Check(
    "hessian_times",
    _product,
    _draw_bowl,
    {
        "You went one way only. Differences to both sides are far more accurate.": lambda g, w, v, e: (
            (g(w + e * v) - g(w)) / e
        ),
        "How far apart are the two points? Your quotient is off by a factor of two.": lambda g, w, v, e: (
            2 * _product(g, w, v, e)
        ),
        "You did not divide by the distance.": lambda g, w, v, e: 2 * e * _product(g, w, v, e),
        "The sign is wrong. Which of the two points lies ahead?": lambda g, w, v, e: -_product(g, w, v, e),
        "You moved along w. The direction is v.": lambda g, w, v, e: _product(g, w, w, e),
        "You moved every coordinate by the same amount. The direction is v.": lambda g, w, v, e: _product(
            g, w, np.ones_like(v), e
        ),
        "This is one number, the curvature along v. The product of the Hessian and v is a vector.": lambda g, w, v, e: (
            v @ _product(g, w, v, e)
        ),
    },
    "The product says how the gradient changes along v: take it a little ahead and a little behind.",
    cases={
        "a small step": lambda random: (*_draw_bowl(random)[:3], 0.001),
        "one dimension": lambda random: (
            PolynomialGradient(np.eye(1), np.ones(1), np.ones(1)),
            *random.randn(2, 1),
            0.3,
        ),
        "a direction of length 0": lambda random: (*_draw_bowl(random, size=4)[:2], np.zeros(4), 0.3),
    },
)


def _sharpness(hessian: NDArray) -> float:
    return float(np.linalg.eigvalsh(hessian)[-1])


def _draw_indefinite(random: np.random.RandomState) -> tuple[Any, ...]:
    """The largest eigenvalue in size is negative."""
    return (_symmetric(random, [-5 - random.rand(), -1, random.rand(), 1 + random.rand(), 2 + random.rand()]),)


sharpness = Check(
    "sharpness",
    _sharpness,
    _draw_indefinite,
    {
        "That is the largest in size. Eigenvalues are compared with their signs.": lambda hessian: np.linalg.norm(
            hessian, 2
        ),
        "That is the largest in size, with its sign. The largest is asked for.": lambda hessian: np.linalg.eigvalsh(
            hessian
        )[0],
        "That is the sum of all eigenvalues.": np.trace,
        "That is the largest entry on the diagonal. The steepest direction need not be an axis.": lambda hessian: (
            np.diag(hessian).max()
        ),
        "These are all eigenvalues. One is asked for.": np.linalg.eigvalsh,
        "That is the length of all entries together.": np.linalg.norm,
    },
    "The Hessian is symmetric: NumPy has a function for its eigenvalues, which come in rising order.",
    cases={
        "all eigenvalues negative": lambda random: (_symmetric(random, -np.arange(1, 5) - random.rand()),),
        "all eigenvalues positive": lambda random: (_symmetric(random, np.arange(1, 7) + random.rand()),),
        "a repeated eigenvalue": lambda random: (_symmetric(random, [-4, 1, 3 + random.rand(), 3.5, 3.5]),),
        "one dimension": lambda random: (np.array([[random.uniform(2, 5)]]),),
    },
)


def _power(hessian: NDArray, v: NDArray, steps: int) -> float:
    for _ in range(steps):
        v = hessian @ v
        v = v / np.linalg.norm(v)
    return float(v @ hessian @ v)


def _unnormalised(hessian: NDArray, v: NDArray, steps: int) -> float:
    for _ in range(steps):
        v = hessian @ v
    return float(v @ hessian @ v)


def _draw_power(random: np.random.RandomState) -> tuple[Any, ...]:
    hessian = _symmetric(random, [-3 - random.rand(), -0.5, 0.5, 1 + random.rand()])
    v = random.randn(4)
    return hessian, v / np.linalg.norm(v), random.randint(2, 5)


power_iteration = Check(
    "power_iteration",
    _power,
    _draw_power,
    {
        "The vector was never brought back to length 1, so the last step measures its length too.": _unnormalised,
        "The growth of the length has no sign. The eigenvalue that wins here is negative.": lambda hessian, v, n: abs(
            _power(hessian, v, n)
        ),
        "That is one product short.": lambda hessian, v, n: _power(hessian, v, n - 1),
        "That is one product too many.": lambda hessian, v, n: _power(hessian, v, n + 1),
        "That is the growth of the length in the last product. Take the curvature along v.": lambda hessian, v, n: (
            np.linalg.norm(hessian @ _power_vector(hessian, v, n - 1))
        ),
        "That is the growth of the length in one more product. Take the curvature along v.": lambda hessian, v, n: (
            np.linalg.norm(hessian @ _power_vector(hessian, v, n))
        ),
        "That is the vector. The eigenvalue is asked for.": lambda hessian, v, n: _power_vector(hessian, v, n),
    },
    "n times: multiply by the Hessian, bring to length 1. Then take the curvature along v.",
    cases={
        "no rounds": lambda random: (*_draw_power(random)[:2], 0),
        "one round": lambda random: (*_draw_power(random)[:2], 1),
        "many rounds": lambda random: (*_draw_power(random)[:2], 60),
    },
)


def _power_vector(hessian: NDArray, v: NDArray, steps: int) -> NDArray:
    for _ in range(steps):
        v = hessian @ v
        v = v / np.linalg.norm(v)
    return v


def _fates(rate: float, curvature: NDArray, first: float = 1.0, second: float = 2.0) -> list[str]:
    product = rate * curvature
    return ["slides" if p < first else "alternates" if p < second else "diverges" for p in product]


def _draw_valleys(random: np.random.RandomState) -> tuple[Any, ...]:
    rate = random.choice([0.25, 4.0]) * random.uniform(0.9, 1.1)
    return rate, np.array([0.3, 0.7, 1.2, 1.7, 2.3, 3.5, 4.6])[random.permutation(7)] / rate


fates = Check(
    "fates",
    _fates,
    _draw_valleys,
    {
        "At 1/η a step lands exactly in the middle. Where does it land as high as it started?": lambda r, c: _fates(
            r, c, 0.5, 1.0
        ),
        "Your limits are twice as high as they should be.": lambda r, c: _fates(r, c, 2.0, 4.0),
        "A step that overshoots the middle changes sides. That may still come to rest.": lambda r, c: _fates(
            r, c, 1.0, 1.0
        ),
        "Overshooting the middle is a fate of its own: it alternates.": lambda r, c: _fates(r, c, 2.0, 2.0),
        "You compared the curvature alone. The learning rate decides as much.": lambda r, c: _fates(1.0, c),
        "You divided. Rate and curvature act together: their product counts.": lambda r, c: _fates(1 / r, c),
        "Alternating and diverging are the other way round.": lambda r, c: [
            {"alternates": "diverges", "diverges": "alternates"}.get(word, word) for word in _fates(r, c)
        ],
    },
    "One step takes w to (1 - ηλ) w. When does this change sign, when does it grow?",
    cases={
        "exactly at the limits": lambda random: (0.5, np.array([2.0, 4.0])[random.permutation(2)]),
        "close to the limits": lambda random: (0.5, np.array([1.98, 2.02, 3.98, 4.02])[random.permutation(4)]),
        "one valley": lambda random: (1.0, np.array([random.uniform(1.1, 1.9)])),
        "whole numbers": lambda random: (1, random.permutation([1, 2, 3, 5])),
    },
)


def _critical(hessian: NDArray) -> float:
    return 2 / _sharpness(hessian)


critical_rate = Check(
    "critical_rate",
    _critical,
    _draw_indefinite,
    {
        "At this rate a step lands in the middle of the valley. It may be twice as long.": lambda hessian: (
            1 / _sharpness(hessian)
        ),
        "This is upside down: a sharper valley allows smaller rates.": lambda hessian: _sharpness(hessian) / 2,
        "You took the eigenvalue that is largest in size. A negative one is no valley.": lambda hessian: (
            2 / np.linalg.norm(hessian, 2)
        ),
        "The sum of all eigenvalues sets no limit. The largest one does.": lambda hessian: 2 / np.trace(hessian),
        "A learning rate is positive. Which eigenvalue did you take?": lambda hessian: (
            2 / np.linalg.eigvalsh(hessian)[0]
        ),
    },
    "At which rate does the steepest direction neither shrink nor grow?",
    cases={
        "all eigenvalues positive": lambda random: (_symmetric(random, np.arange(1, 7) + random.rand()),),
        "one dimension": lambda random: (np.array([[random.uniform(2, 5)]]),),
    },
)


def _derivatives(force: Force, floor: float) -> Expansion:
    polynomial = np.polynomial.Polynomial(force.coefficients)
    return Expansion(floor, *(float(polynomial.deriv(order)(floor)) for order in (1, 2, 3)))


def _flip(force: Force, floor: float, rate: float) -> float:
    return _derivatives(force, floor).flip_coefficient(rate)


def _mistaken(formula: Callable[[float, float, float, float], float]) -> Callable[[Force, float, float], float]:
    """A wrong formula of the rate and the first, second and third derivative of the force."""

    def flip(force: Force, floor: float, rate: float) -> float:
        at = _derivatives(force, floor)
        return formula(rate, at.slope, at.second, at.third)

    return flip


def _force(floor: float, slope: float, second: float, third: float) -> Force:
    """A force with these derivatives at the floor, where it is 0."""
    shifted = np.polynomial.Polynomial([-floor, 1.0])
    return Force((slope * shifted + second / 2 * shifted**2 + third / 6 * shifted**3).coef)


def _draw_force(random: np.random.RandomState) -> tuple[Any, ...]:
    second, third = random.uniform(0.5, 3, 2) * random.choice([-1, 1], 2)
    floor = random.uniform(-1, 1)
    return _force(floor, random.uniform(1, 2), second, third), floor, random.uniform(0.3, 1.5)


flip_coefficient = Check(
    "flip_coefficient",
    _flip,
    _draw_force,
    {
        "The rate belongs into the square: one step is η times the force.": _mistaken(
            lambda r, g1, g2, g3: r * g2**2 / 2 - r * g3 / 3
        ),
        "The learning rate has no effect.": _mistaken(lambda r, g1, g2, g3: g2**2 / 2 - g3 / 3),
        "The third derivative comes with a minus: a force that grows faster drives the run away.": _mistaken(
            lambda r, g1, g2, g3: (r * g2) ** 2 / 2 + r * g3 / 3
        ),
        "You took the coefficients of a power series. They lack the factors 2 and 6 of the derivatives.": _mistaken(
            lambda r, g1, g2, g3: (r * g2 / 2) ** 2 / 2 - r * g3 / 18
        ),
        "You took one derivative too few: the force is the slope of the loss already.": _mistaken(
            lambda r, g1, g2, g3: (r * g1) ** 2 / 2 - r * g2 / 3
        ),
        "The third derivative is missing. A valley that is the same on both sides would never decide.": _mistaken(
            lambda r, g1, g2, g3: (r * g2) ** 2 / 2
        ),
        "The second derivative is missing. A valley that is steeper on one side turns the run back.": _mistaken(
            lambda r, g1, g2, g3: -r * g3 / 3
        ),
        "The second derivative is squared, rate and all.": _mistaken(lambda r, g1, g2, g3: r * g2 / 2 - r * g3 / 3),
        "The halves and thirds are missing.": _mistaken(lambda r, g1, g2, g3: (r * g2) ** 2 - r * g3),
    },
    "Second and third derivative of the force at the floor, by differences; then the formula.",
    cases={
        "the same on both sides": lambda random: (_force(0.0, 1.0, 0.0, random.uniform(1, 3)), 0.0, 1.2),
        "no third derivative": lambda random: (_force(0.5, 1.0, random.uniform(1, 3), 0.0), 0.5, 1.2),
        "a parabola": lambda random: (_force(0.3, random.uniform(1, 2), 0.0, 0.0), 0.3, 1.2),
        "a floor at 0": lambda random: (_force(0.0, 1.0, -2.0, random.uniform(-3, -1)), 0, 2),
    },
)

FIRST, RATE = 1500, 1.0  # where the picture begins: class 1 has its peak, and the sharpness its trough


@functools.lru_cache(maxsize=4)
def tightening(seed: int) -> tuple[NDArray, NDArray]:
    """Steps after the peak of class 1, 0 to 500, and the sharpness there: A = 40, T = 1000, width 100, η = 1."""
    net, task, loss = md.MLP(2, 100, 3), md.spiral(), md.CrossEntropy(md.Oscillation(40, 1000))
    before = md.train(net, net.init(seed), task, loss, learning_rate=RATE, steps=FIRST, progress=False)
    run = md.train(
        *(net, before.params, task, loss),
        learning_rate=RATE,
        start=FIRST,
        steps=500,
        measure={"hessian_max": 5},
        progress=False,
    )
    return run.history.hessian_max_step.values - FIRST, run.history.hessian_max.values


def _first_above(seed: int, level: float) -> float:
    steps, values = tightening(seed)
    return float(steps[np.argmax(values > level)])


crossing = ValueCheck(
    "crossing",
    lambda seed: _first_above(seed, 2 / RATE),
    lambda seed: {
        "There the sharpness passes 1/η. That is not yet the limit.": _first_above(seed, 1 / RATE),
        "That is the peak. The question is when the limit is passed.": float(
            tightening(seed)[0][tightening(seed)[1].argmax()]
        ),
        "That counts from the start of the training. The axis counts from the peak of class 1.": FIRST
        + _first_above(seed, 2 / RATE),
        "That is the level. The question is when it is passed: a number of steps.": 2 / RATE,
    },
    "Draw the line of your stability limit into the picture, and read the step at which the curve first passes it.",
    tolerance=0.03,
)
