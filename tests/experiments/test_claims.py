"""The claims: all of them, judged from stored results, by rules that can say no."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import xarray as xr

from minidyn.experiments import find, load
from minidyn.experiments.claims import CLAIMS, HOLDS, IN_PART, NOT, cards, find_claim

BOOK = Path(__file__).parents[2] / "book"
OWN = [f"B{number}" for number in range(1, 5)]
NUMBERS = [*(f"C{number}" for number in range(1, 16)), *OWN]
VERDICTS = {**dict.fromkeys(NUMBERS, HOLDS), "B2": NOT, "B3": IN_PART, "C10": IN_PART}  # as the book's pages state them


def judge(number, changes=None):
    """The verdict on the stored results, some of them changed first."""
    claim, changes = find_claim(number), changes or {}
    unused = changes.keys() - set(claim.experiments)
    assert not unused, f"{number} is not judged by {unused}"
    return claim.judge(*(changes.get(name, xr.Dataset.copy)(load(name)) for name in claim.experiments)).verdict


def swapped(dimension, first, second):
    """Each of two kinds of run with the other's results."""
    other = {first: second, second: first}
    return lambda data: data.assign_coords({dimension: [other.get(str(k), k) for k in data[dimension].values]})


def backwards(*dimensions):
    """The results in the opposite order of their labels."""
    return lambda data: data.isel({d: slice(None, None, -1) for d in dimensions}).assign_coords(
        {d: data[d] for d in dimensions}
    )


def without(*names):
    """Nothing of these ever seen."""
    return lambda data: data.assign({name: data[name] * float("nan") for name in names})


def none_right(data):
    """Not a single sum right after the twos, or in the stream."""
    if "R" in data:
        return data.assign(R=data.R.where(data.after != "twos", 0.0))
    return data.assign(accuracy=0 * data.accuracy)


# Results in which a claim is false.
FALSE = {
    "C1": {"held-out": swapped("loss", "static", "dynamical")},
    "C2": {"held-out": swapped("loss", "static", "dynamical")},
    "C3": {"many-seeds": without("first_2")},
    "C4": {
        "many-seeds": lambda data: data.assign(sharpness_middle=9 + data.sharpness_end, loss_middle=data.loss_end + 9)
    },
    "C5": {"many-seeds": without("crossing")},
    "C6": {"many-seeds": backwards("cycle"), "held-out": swapped("loss", "static", "dynamical")},
    "C7": {"held-out": swapped("loss", "static", "dynamical")},
    "C8": {"global-minima": lambda data: data.assign(gradient=1 + data.gradient)},
    "C9": {"size-and-rate": backwards("width", "learning_rate")},
    "C10": {"held-out-losses": swapped("kind", "static", "dynamical")},
    "C11": {"edge": lambda data: data.assign(bounces=0.5 - data.bounces)},
    "C12": {"interference": lambda data: data.assign(ones=1 + 0 * data.ones)},
    "C13": {"adder": none_right},
    "C14": {"sequential": none_right, "one-by-one": none_right},
    "C15": {"sequential": none_right},
    "B1": {"one-direction": lambda data: data.assign(map=2 * data.run)},
    "B2": {"flip-coefficients": lambda data: data.assign(beyond=(data.beyond == 0).where(data.beyond.notnull()))},
    "B3": {"flip-coefficients": lambda data: data.assign(drift=3 * data.run)},
    "B4": {"onset": lambda data: data.assign(felt_flow=data.onset + 2000, felt=data.onset + 0 * data.felt)},
}
# Results in which half of a claim is true.
HALF_TRUE = {
    "C6": {"held-out": swapped("loss", "static", "dynamical")},
    "C9": {"size-and-rate": backwards("width")},
    "C13": {"adder": lambda data: data.assign(accuracy=data.accuracy.where(data.clause != "hardened", 0.0))},
    "C14": {"one-by-one": none_right},
    "C15": {"sequential": swapped("after", "ones", "twos")},
}


def test_there_are_fifteen_of_the_papers_and_four_of_the_book():
    assert sorted((claim.number for claim in CLAIMS), key=NUMBERS.index) == NUMBERS
    assert [claim.number for claim in CLAIMS if claim.paper == "B"] == OWN


@pytest.mark.parametrize("number", OWN)
def test_a_claim_of_the_book_says_where_it_stops_and_what_its_control_is(number):
    finding = find_claim(number).finding()
    for detail in (finding.regime, finding.control, finding.caveat):
        assert len(detail) > 10
        assert detail in cards("B")


@pytest.mark.parametrize("number", NUMBERS)
def test_the_stored_results_give_the_verdict_that_the_book_states(number):
    assert judge(number) == VERDICTS[number]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_claim_does_not_hold_on_results_in_which_it_is_false(number):
    assert judge(number, FALSE[number]) == NOT


@pytest.mark.parametrize("number", HALF_TRUE)
def test_a_claim_holds_in_part_on_results_in_which_half_of_it_is_true(number):
    assert judge(number, HALF_TRUE[number]) == IN_PART


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.number)
def test_a_claim_is_measured_and_shown(claim):
    finding = claim.finding()
    assert any(character.isdigit() for character in finding.measured)
    assert "nan" not in finding.measured
    assert re.search(rf"\b{claim.number}\b", (BOOK / f"{claim.page}.md").read_text())
    for name in claim.experiments:
        assert claim.number in find(name).claims


def test_an_unknown_claim_is_named():
    with pytest.raises(ValueError, match=r"number must be one of C1, .*, got 'C16'"):
        find_claim("C16")
