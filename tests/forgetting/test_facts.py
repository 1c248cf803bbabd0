"""The facts and their codes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidyn.forgetting import facts


def test_ones_and_twos_are_the_published_sets():
    ones = {(a, 1) for a in range(1, 10)} | {(1, b) for b in range(1, 10)}
    twos = {(a, 2) for a in range(1, 10)} | {(2, b) for b in range(1, 10)}
    assert [len(facts.ones()), len(facts.twos())] == [17, 17]
    assert set(map(tuple, facts.ones())) == ones
    assert set(map(tuple, facts.twos())) == twos
    assert len(facts.without(facts.ones(), facts.twos())) == 15


def test_training_and_validation_facts_are_all_single_digit_additions():
    together = np.concatenate([facts.ones(), facts.without(facts.twos(), facts.ones()), facts.validation()])
    assert sorted(map(tuple, together)) == [(a, b) for a in range(1, 10) for b in range(1, 10)]


def test_the_full_carry_is_that_of_adding_on_paper():
    def on_paper(a, b):
        carry = False
        while a or b:
            if a & b & 1 and carry:
                return True
            carry = (a & 1) + (b & 1) + carry >= 2
            a, b = a >> 1, b >> 1
        return False

    pairs = facts.all_pairs(5)
    assert facts.full_carry(pairs).tolist() == [on_paper(int(a), int(b)) for a, b in pairs]
    assert not facts.full_carry(facts.ones()).any()
    assert not facts.full_carry(facts.twos()).any()
    assert facts.full_carry(facts.validation()).sum() == 9


@given(st.lists(st.integers(0, 2**200), min_size=1, max_size=5), st.integers(0, 70))
def test_binary_digits_spell_the_number(numbers, spare):
    needed = max(max(numbers).bit_length(), 1)
    digits = facts.binary(numbers, needed + spare)
    assert digits.shape == (len(numbers), needed + spare)
    assert facts.from_binary(digits).tolist() == numbers
    assert [sum(int(d) << k for k, d in enumerate(row)) for row in digits] == numbers


def test_binary_digits_are_added_as_a_last_axis():
    assert facts.binary([[1, 2], [3, 4]]).shape == (2, 2, 3)
    assert facts.binary(np.array([5], dtype=np.uint8), 4).tolist() == [[1, 0, 1, 0]]
    assert facts.binary(0).tolist() == [0]


def test_the_coarse_code_is_the_published_one():
    for digit in range(10):
        on = np.flatnonzero(facts.coarse(digit)) + 1  # units are counted from 1
        assert on.tolist() == [digit + 1, digit + 2, digit + 3]
    one_plus_two = facts.coarse_inputs([(1, 2)])[0]
    assert (np.flatnonzero(one_plus_two) + 1).tolist() == [2, 3, 4, 15, 16, 17, 25, 27]
    eleven = facts.coarse_targets(11)
    assert set(np.round(eleven, 12)) == {0.1, 0.9}
    assert (np.flatnonzero(eleven > 0.5) + 1).tolist() == [2, 3, 4, 14, 15, 16]


def test_a_split_contains_every_pair_once():
    training, validation = facts.split(4, validation_fraction=0.3, seed=5)
    assert len(validation) == int(0.3 * 256)
    together = sorted(map(tuple, np.concatenate([training, validation]).tolist()))
    assert together == sorted(map(tuple, facts.all_pairs(4).tolist()))
    assert not np.array_equal(validation, facts.split(4, validation_fraction=0.3, seed=6)[1])


@pytest.mark.parametrize("bits", [1, 16, 62, 63, 500])
def test_random_pairs_fill_their_digits(bits):
    pairs = facts.random_pairs(50, bits, seed=1)
    assert pairs.shape == (50, 2)
    assert 2 ** (bits - 1) <= pairs.max() < 2**bits
    assert pairs.tolist() == facts.random_pairs(50, bits, seed=1).tolist()
