"""The losses against their formulas, spelled out sample by sample."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import minidyn as md
from tests.core.problems import LOSSES, Sines

EXTREME = np.array([[1e4, 0.0, -1e4], [-1e4, 1e4, 1e4], [0.0, 0.0, 0.0], [1e4, 1e4, 1e4]])


def by_hand(name, logits, labels, weights):
    """The formulas of the papers, or this book's reading of them, with loops."""
    samples, classes = logits.shape
    total = 0.0
    for f, y in zip(logits.tolist(), labels.tolist(), strict=True):
        if name == "cross_entropy":
            total += weights[y] * (math.log(sum(math.exp(v) for v in f)) - f[y])
            continue
        for i, v in enumerate(f):
            weight = weights[y] if name == "mse_sample" else weights[i]
            total += weight * (v - (i == y)) ** 2 / classes
    return total / samples


@pytest.mark.parametrize("name", LOSSES)
@given(seed=st.integers(0, 1000), step=st.integers(0, 10**5), amplitude=st.floats(1, 100))
def test_value_is_the_formula(name, seed, step, amplitude):
    random = np.random.RandomState(seed)
    samples, classes = random.randint(1, 20), random.randint(2, 6)
    logits, labels = 3 * random.randn(samples, classes), random.randint(classes, size=samples)
    gamma = md.Oscillation(amplitude, 50, classes)
    loss, static = LOSSES[name](gamma), LOSSES[name]()
    assert loss.value(logits, labels, step) == pytest.approx(by_hand(name, logits, labels, gamma.weights(step)))
    assert static.value(logits, labels, step) == pytest.approx(by_hand(name, logits, labels, np.ones(classes)))


@pytest.mark.parametrize("name", LOSSES)
@given(seed=st.integers(0, 1000), step=st.integers(0, 10**5), amplitude=st.floats(1, 100))
def test_the_moving_loss_lies_between_multiples_of_the_static_one(name, seed, step, amplitude):
    random = np.random.RandomState(seed)
    logits, labels = 3 * random.randn(9, 4), random.randint(4, size=9)
    gamma = md.Oscillation(amplitude, 50, 4)
    moving, static = (LOSSES[name](g).value(logits, labels, step) for g in (gamma, None))
    assert gamma.bounds[0] * static * (1 - 1e-12) <= moving <= gamma.bounds[1] * static * (1 + 1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_a_waveform_of_your_own(name):
    random = np.random.RandomState(0)
    logits, labels, waves = random.randn(9, 4), random.randint(4, size=9), Sines(20, 4)
    loss = LOSSES[name](waves)
    for step in (0, 7, 33):
        assert loss.value(logits, labels, step) == pytest.approx(by_hand(name, logits, labels, waves.weights(step)))


@pytest.mark.parametrize("name", LOSSES)
def test_amplitude_one_is_static_to_the_last_bit(name):
    random = np.random.RandomState(0)
    logits, labels = random.randn(9, 3), random.randint(3, size=9)
    for method in ("value", "gradient", "curvature"):
        moving, static = (getattr(LOSSES[name](g), method)(logits, labels, 25) for g in (md.Oscillation(1, 50), None))
        assert np.array_equal(moving, static)


def test_cross_entropy_of_huge_logits_is_exact():
    loss = md.CrossEntropy()
    values = [loss.value(EXTREME[[row]], [label]) for row, label in ((0, 0), (0, 1), (0, 2), (1, 1), (2, 0), (3, 2))]
    np.testing.assert_allclose(values, [0, 1e4, 2e4, math.log(2), math.log(3), math.log(3)], rtol=1e-15)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.filterwarnings("error")
def test_nothing_overflows_at_logits_of_1e4(name):
    loss, labels = LOSSES[name](md.Oscillation(70, 100)), np.array([2, 0, 1, 0])
    for values in (
        loss.value(EXTREME, labels, 50),
        loss.gradient(EXTREME, labels, 50),
        loss.curvature(EXTREME, labels, 50),
    ):
        assert np.isfinite(values).all()


def test_cross_entropy_does_not_see_a_shift_of_all_logits():
    random = np.random.RandomState(0)
    logits, labels = random.randn(9, 3), random.randint(3, size=9)
    loss = md.CrossEntropy(md.Oscillation(5, 10))
    assert loss.value(logits + 7, labels, 3) == pytest.approx(loss.value(logits, labels, 3))
    np.testing.assert_allclose(loss.gradient(logits, labels, 3).sum(axis=1), 0, atol=1e-16)
