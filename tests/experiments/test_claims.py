"""The claims: all of them, judged from stored results, by rules that can say no."""

from __future__ import annotations

from pathlib import Path

import pytest

from minidyn.experiments import find, load
from minidyn.experiments.claims import CLAIMS, HOLDS, IN_PART, NOT, find_claim

BOOK = Path(__file__).parents[2] / "book"


def judge(number, **changed):
    """The verdict on the stored results, some of them changed first."""
    claim = find_claim(number)
    data = [changed.get(name.replace("-", "_"), lambda same: same)(load(name)) for name in claim.experiments]
    return claim.judge(*data).verdict


def swapped(dimension, one, other):
    """Each of two kinds of run with the other's results."""

    def swap(data):
        labels = [{one: other, other: one}.get(str(label), label) for label in data[dimension].values]
        return data.assign_coords({dimension: labels})

    return swap


def test_there_are_fifteen_in_order_of_the_papers():
    assert sorted(int(one.number[1:]) for one in CLAIMS) == list(range(1, 16))


@pytest.mark.parametrize("one", CLAIMS, ids=lambda one: one.number)
def test_a_claim_is_measured_and_shown(one):
    found = one.finding()
    assert found.verdict in (HOLDS, IN_PART, NOT)
    assert any(character.isdigit() for character in found.measured)
    assert "nan" not in found.measured
    assert (BOOK / f"{one.page}.md").exists()
    for name in one.experiments:
        assert one.number in find(name).claims or one.number == "C15"


# What each rule says of results in which the claim is false.
FALSE = {
    "C1": {"held_out": swapped("loss", "static", "dynamical")},
    "C2": {"held_out": swapped("loss", "static", "dynamical")},
    "C3": {"many_seeds": lambda data: data.assign(first_2=data.first_2 * float("nan"))},
    "C4": {
        "many_seeds": lambda data: data.assign(sharpness_middle=9 + data.sharpness_end, loss_middle=data.loss_end + 9)
    },
    "C5": {"many_seeds": lambda data: data.assign(crossing=data.crossing * float("nan"))},
    "C7": {"held_out": swapped("loss", "static", "dynamical")},
    "C8": {"global_minima": lambda data: data.assign(gradient=1 + data.gradient)},
    "C10": {"held_out_losses": swapped("kind", "static", "dynamical")},
    "C11": {"edge": lambda data: data.assign(bounces=0.5 - data.bounces)},
    "C12": {"interference": lambda data: data.assign(ones=1 + 0 * data.ones)},
    "C13": {"adder": lambda data: data.assign(accuracy=0 * data.accuracy)},
    "C15": {"sequential": swapped("after", "ones", "twos")},
}


@pytest.mark.parametrize("number", FALSE)
def test_a_false_claim_is_not_said_to_hold(number):
    assert judge(number, **FALSE[number]) in (NOT, IN_PART)
    if number not in ("C8", "C15"):
        assert judge(number, **FALSE[number]) == NOT


def test_an_unknown_claim_is_named():
    with pytest.raises(ValueError, match=r"number must be one of C1, .*, got 'C16'"):
        find_claim("C16")
