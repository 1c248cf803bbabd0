"""The learned program: printed, proven, or refuted."""

import numpy as np
import pytest

from minidyn.forgetting import adder, facts

# w, theta, p (no: digit, carry; yes: digit, carry), q: addition as one would write it
ADDITION = np.array([1, 1, 1, 1.5, 1, 0, 1, 0, 0, 0, -2, 1], dtype=float)


def cell(clause="hard", **changes):
    values = ADDITION.copy()
    for name, value in changes.items():
        values[int(name[1:])] = value
    return adder.Params(values, clause)


def test_addition_is_proven():
    program = adder.algorithm(cell())
    assert program.exact is True
    assert all(row["right"] for row in program.table)
    (low0, high0), (low1, high1) = program.carries
    assert low0 <= 0 <= high0 < low1 <= 1 <= high1
    assert adder.add(cell(), 2**5000 - 1, 1) == 2**5000


def test_the_printed_program_shows_lines_table_and_verdict():
    text = repr(adder.algorithm(cell()))
    assert "z = 1.00 a + 1.00 b + 1.00 carry" in text
    assert "if z > 1.50:" in text
    assert "digit = 1.00 z -2.00" in text
    assert text.count("\n 1  ") == 4
    assert text.count("\n 0  ") == 4
    assert "wrong" not in text
    assert "Exactly binary addition, for numbers of any length" in text


@pytest.mark.parametrize("changes", [{"_3": 2.5}, {"_10": -1.0}, {"_11": 0.0}, {"_2": 0.3}])
def test_other_programs_are_refuted(changes):
    program = adder.algorithm(cell(**changes))
    assert program.exact is False
    a, b = program.counterexample
    assert adder.add(program.params, a, b) != a + b
    assert f"{a} + {b} comes out wrong" in repr(program)


def test_a_carry_that_drifts_is_refuted_though_the_table_is_right():
    """In a run of full carries the carry grows: 1, 1.36, 1.49, 1.54. The table, at 1, cannot see it."""
    drifting = cell(_7=0.36, _11=0.28)
    program = adder.algorithm(drifting)
    assert all(row["right"] for row in program.table)
    assert program.exact is False
    assert adder.accuracy(drifting, facts.all_pairs(3)) == 1
    a, b = program.counterexample
    assert adder.add(drifting, a, b) != a + b


def test_a_small_error_of_the_carry_is_harmless_where_it_shrinks():
    assert adder.algorithm(cell(_7=0.05, _11=0.9)).exact is True


def test_a_digit_that_overflows_has_no_rounded_value():
    program = adder.algorithm(adder.Params(np.full(12, 1e300)))
    assert program.exact is False
    assert program.table[-1]["read"] is None
    assert "->  ?" in repr(program)


@pytest.mark.parametrize("clause", adder.CLAUSES)
def test_the_verdict_agrees_with_trying(clause):
    cells = adder.Params(adder.train(range(50), steps=2500).values, clause)
    programs = adder.algorithm(cells)
    tried = adder.accuracy(cells, facts.random_pairs(500, 40, seed=3)) == 1
    proven = np.array([program.exact is True for program in programs])
    refuted = [program for program in programs if program.exact is False]
    assert 0 < proven.sum() < 50
    assert tried[proven].all()
    assert refuted
    for program in refuted:
        a, b = program.counterexample
        assert adder.add(program.params, a, b) != a + b
    assert len(refuted) + proven.sum() >= 45  # few are left open
