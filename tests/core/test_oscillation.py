"""Γ(t) against the published clock, and what must hold for every clock."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import minidyn as md


def published_weights(amplitude, period, classes, steps, rest_from):
    """Γ from the notebook's counters: the clock runs until t > T, so that each class is held T + 1 steps."""
    t, emphasised = 0, 0
    for step in range(steps):
        raw = [1.0] * classes
        if step < rest_from:
            climbed = min(t, period - t) / (period / 2)
            raw[emphasised] += (amplitude - 1) * climbed
        yield [classes * weight / sum(raw) for weight in raw]
        t += 1
        if t > period:
            t, emphasised = 0, (emphasised + 1) % classes


def test_the_published_clock_for_a_whole_run():
    steps, rest_from = 70_014, 65_013
    gamma = md.Oscillation(70, 5000, dwell=5001, rest_from=rest_from)
    wanted = np.array(list(published_weights(70, 5000, 3, steps, rest_from)))
    weights_of_all_steps = gamma.weights(np.arange(steps))
    np.testing.assert_allclose(weights_of_all_steps, wanted, rtol=1e-13)
    assert (weights_of_all_steps[rest_from:] == 1).all()
    assert (weights_of_all_steps[rest_from - 2500] > 1).any()


def test_the_paper_holds_each_class_for_a_period():
    gamma = md.Oscillation(amplitude=4, period=100)
    np.testing.assert_allclose(gamma.weights([0, 50, 100, 150, 250, 350]).argmax(axis=1)[[1, 3, 4, 5]], [0, 1, 2, 0])
    np.testing.assert_allclose(gamma.weights(25), [2.5 / 1.5, 1 / 1.5, 1 / 1.5])


def test_rest_may_begin_in_the_middle_of_a_turn():
    gamma = md.Oscillation(5, 100, rest_from=150)
    assert gamma.weights(149).max() > 1
    assert (gamma.weights([150, 151, 10**9]) == 1).all()


def oscillations(rests=True):
    def build(amplitude, period, classes, held, rest_from):
        dwell = None if held is None else period + held
        return md.Oscillation(amplitude, period, classes, dwell=dwell, rest_from=rest_from)

    held, rest = st.none() | st.integers(0, 50), st.none() | st.integers(0, 2000) if rests else st.none()
    return st.builds(build, st.floats(1, 1e6), st.integers(2, 500), st.integers(2, 6), held, rest)


steps = st.integers(0, 10**6)


@given(oscillations(), steps)
def test_weights_sum_to_the_number_of_classes(gamma, step):
    assert gamma.weights(step).sum() == pytest.approx(gamma.classes, rel=1e-14)


@given(oscillations(), steps)
def test_weights_keep_their_bounds(gamma, step):
    low, high = gamma.bounds
    assert low * (1 - 1e-14) <= gamma.weights(step).min() <= gamma.weights(step).max() <= high * (1 + 1e-14)


@given(oscillations().filter(lambda gamma: gamma.period % 2 == 0))
def test_bounds_are_reached_in_the_middle_of_a_turn(gamma):
    middle = gamma.period // 2
    if gamma.rest_from is None or middle < gamma.rest_from:
        assert (gamma.weights(middle).min(), gamma.weights(middle).max()) == pytest.approx(gamma.bounds, rel=1e-14)


@given(oscillations(rests=False), steps)
def test_turns_repeat_class_by_class(gamma, step):
    now = gamma.weights(step)
    assert (gamma.weights(step + gamma.dwell) == np.roll(now, 1)).all()
    assert (gamma.weights(step + gamma.classes * gamma.dwell) == now).all()


@given(oscillations(rests=False), st.data())
def test_a_weight_falls_as_it_rose(gamma, data):
    phase = data.draw(st.integers(0, gamma.period))
    if gamma.period - phase < gamma.dwell:
        np.testing.assert_allclose(gamma.weights(phase), gamma.weights(gamma.period - phase), rtol=1e-9)


@given(oscillations(), st.lists(steps, min_size=1, max_size=20))
def test_an_array_of_steps_is_its_steps_one_by_one(gamma, many):
    assert (gamma.weights(np.array(many)) == [gamma.weights(step) for step in many]).all()


@given(st.integers(1, 500), steps)
def test_amplitude_one_is_the_standard_loss(period, step):
    assert (md.Oscillation(1, period).weights(step) == 1).all()
