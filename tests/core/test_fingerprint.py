"""The fingerprint of a function: the same for the same program, another for whatever can change its values."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass

import numpy as np
import pytest

import minidyn as md
from minidyn._fingerprint import fingerprint
from tests.core.problems import Plain, Smooth

FACTOR = 2


def helper():
    return FACTOR


def uses_a_helper(x):
    return x * helper()


def recursive(n):
    return n and recursive(n - 1)


def closure(value):
    return lambda x: (x, value)


@dataclass
class Setting:
    rate: float

    def apply(self, x):
        return x * self.rate


VALUES = [
    1, 1.0, True, "1", b"1", None, (1, (2, 3)), (1, (2,), 3), [1, 2], {"a": 1}, {"a": 2}, {1, 2},
    np.ones(3), np.ones((3, 1)), np.zeros(3), np.ones(3, dtype=np.float32), md.spiral(5), md.spiral(5, seed=1),
    md.Task(np.zeros((2, 2)), [0, 1], 2), md.Task(np.zeros((2, 2)), [0, 1], 3), md.MLP(2, 3, 3), md.MLP(2, 4, 3),
    md.Oscillation(5, 10), md.Oscillation(5, 11), Setting(0.1), Setting(0.2), Setting(0.1).apply, np, np.exp, np.sin,
    np.linalg.norm, abs, md.hessian, helper, functools.partial(helper, 1), functools.partial(helper, 2), lambda: 1,
    lambda: 2, lambda: [x + 1 for x in (1,)], lambda: [x + 2 for x in (1,)],
]  # fmt: skip


def test_every_value_in_a_closure_counts():
    prints = [fingerprint(closure(value)) for value in VALUES]
    assert len(set(prints)) == len(VALUES)
    assert prints == [fingerprint(closure(value)) for value in VALUES]


def test_defaults_count():
    def with_default(value):
        def function(x, y=value, *, z=value):
            return x

        return function

    assert fingerprint(with_default(1)) == fingerprint(with_default(1)) != fingerprint(with_default(2))


def test_the_values_that_a_called_function_refers_to_count(monkeypatch):
    before = fingerprint(uses_a_helper)
    monkeypatch.setitem(globals(), "FACTOR", 3)
    assert fingerprint(uses_a_helper) != before
    monkeypatch.setitem(globals(), "FACTOR", 2)
    assert fingerprint(uses_a_helper) == before


def test_the_methods_of_an_own_class_count():
    def of_class(factor):
        class Scale:
            def apply(self, x):
                return x * 3 if factor else x * 4

        return closure(Scale)

    assert fingerprint(of_class(True)) != fingerprint(of_class(False))


def test_the_constants_and_the_bases_of_an_own_class_count():
    def of_class(level, base):
        return closure(type("Own", (base,), {"LEVEL": level}))

    prints = [fingerprint(of_class(level, base)) for level in (1, 2) for base in (object, Setting)]
    assert len(set(prints)) == 4


def test_an_object_of_an_own_class_counts_by_its_attributes():
    prints = [fingerprint(Smooth(2, units, 3)) for units in (4, 5, 4)]
    assert prints[0] == prints[2] != prints[1]
    assert fingerprint(Plain(2, 3)) != fingerprint(Plain(2, 4))


def test_comments_and_names_of_variables_do_not_count():
    def one(x):
        y = x + 1  # a comment
        return y

    def two(z):
        total = z + 1
        return total

    assert fingerprint(one) == fingerprint(two)


def test_a_function_may_refer_to_itself():
    assert fingerprint(recursive) == fingerprint(recursive)


@pytest.mark.parametrize("value", [iter([1]), np.array([object()]), io.StringIO(), md.CrossEntropy()], ids=str)
def test_what_cannot_be_described_is_named(value):
    with pytest.raises(TypeError, match=f"of type {type(value).__name__}"):
        fingerprint(closure(value))
