"""The claims: all of them, judged from stored results, by rules that can say no."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import xarray as xr

from minidyn.experiments import find, load
from minidyn.experiments.claims import CLAIMS, HOLDS, IN_PART, NOT, Rule, cards, find_claim, ledger, tally, verdicts
from minidyn.experiments.claims.tables import _counted

BOOK = Path(__file__).parents[2] / "book"
OWN = [f"B{number}" for number in range(1, 9)]
NUMBERS = [*(f"C{number}" for number in range(1, 16)), *OWN]
PARTLY = ("C1", "C6", "C10", "B3", "B5", "B7")
VERDICTS = {**dict.fromkeys(NUMBERS, HOLDS), **dict.fromkeys(PARTLY, IN_PART), "B2": NOT}


shown_cards = cache(cards)


@pytest.mark.parametrize("paper", ["P1", "P2", "P3", "B"])
def test_the_cards_print_true_minus_signs_and_no_signed_zero(paper):
    text = shown_cards(paper)
    assert not re.search(r"(?<![\w.)])-\d|[-+−]0(\.0+)?(?![.\d])", text)
    assert "−" in text or paper == "P1"


@pytest.mark.parametrize("page", sorted({claim.page for claim in CLAIMS}))
def test_the_verdicts_of_a_chapter_print_true_minus_signs(page):
    assert not re.search(r"(?<![\w.)])-\d|[-+−]0(\.0+)?(?![.\d])", verdicts(page))


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


def growing(data):
    """Runs under the dynamical loss that end sharper and higher than the static ones."""
    worse = xr.where(data.run == "static", 1.0, 100.0)
    return data.assign(sharpness_end=data.sharpness_end * worse, static_loss=data.static_loss * worse)


def narrowing(data):
    """Mid-turns that become sharper and higher from turn to turn."""
    return data.assign({f"{name}_middle": data[f"{name}_middle"] * 10.0**data.cycle for name in ("sharpness", "loss")})


def harmful(values):
    """Runs that the bounce leaves sharper and higher."""
    return xr.where(values.limit == "as it comes", 1e4 * values, values)


def none_right(data):
    """Not a single sum right after the twos, or in the stream."""
    if "R" in data:
        return data.assign(R=data.R.where(data.after != "twos", 0.0))
    return data.assign(accuracy=0 * data.accuracy)


def rescued(data):
    """All runs under the dynamical loss train, and none under the static loss."""
    return data.assign(accuracy=xr.where(data.regime == "static", 0 * data.accuracy, 1 + 0 * data.accuracy))


limits_swapped = swapped("limit", "as it comes", "six directions")

# Results in which a claim is false.
FALSE = {
    "C1": {"held-out": swapped("loss", "static", "dynamical")},
    "C2": {"held-out": swapped("loss", "static", "dynamical")},
    "C3": {"many-seeds": without("first_2")},
    "C4": {
        "many-seeds": lambda data: data.assign(sharpness_middle=9 + data.sharpness_end, loss_middle=data.loss_end + 9)
    },
    "C5": {"many-seeds": without("crossing")},
    "C6": {
        "many-seeds": lambda data: growing(narrowing(data)),
        "step-limits": lambda data: data.assign({n: harmful(data[n]) for n in ("sharpness", "static_loss")}),
    },
    "C7": {"held-out": swapped("loss", "static", "dynamical")},
    "C8": {"global-minima": lambda data: data.assign(gradient=1 + data.gradient, sharpness=0 * data.sharpness)},
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
    "B5": {"step-limits": limits_swapped},
    "B6": {"tuned-controls": swapped("control", "gradient noise", "static")},
    "B7": {"swinging-rates": swapped("kind", "swinging rate", "oscillation")},
    "B8": {"rate-ladder": lambda data: rescued(swapped("regime", "static", "A=20, T=50")(data))},
    "B4": {"onset": lambda data: data.assign(felt_flow=data.onset + 2000, felt=data.onset + 0 * data.felt)},
}
# Results in which half of a claim is true.
HALF_TRUE = {
    "B6": {
        "tuned-controls": lambda data: data.where(data.control != "gradient noise", data.sel(control="oscillation"))
    },
    "B8": {"rate-ladder": rescued},
    "B5": {"step-limits": lambda data: data.where(data.width < 50, limits_swapped(data).sel(limit=data.limit))},
    "C6": {"many-seeds": lambda data: data.where(data.run == "static", growing(data))},
    "C8": {"global-minima": lambda data: data.assign(gradient=1 + data.gradient)},
    "C9": {"size-and-rate": backwards("width")},
    "C13": {"adder": lambda data: data.assign(accuracy=data.accuracy.where(data.clause != "hardened", 0.0))},
    "C14": {"one-by-one": none_right},
    "C15": {"sequential": swapped("after", "ones", "twos")},
}


def test_there_are_fifteen_of_the_papers_and_eight_of_the_book():
    assert sorted((claim.number for claim in CLAIMS), key=NUMBERS.index) == NUMBERS
    assert [claim.number for claim in CLAIMS if claim.paper == "B"] == OWN


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.number)
def test_a_claim_says_where_it_was_measured_its_control_and_its_caveat(claim):
    finding, shown = claim.finding(), shown_cards(claim.paper)
    for detail in (finding.regime, finding.control, finding.caveat):
        assert len(detail) > 10
        assert "nan" not in re.findall(r"[a-z]+", detail)
        assert f"{detail}." in shown
    assert finding.seeds in shown
    assert len(claim.deviation) > 10


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.number)
def test_the_rule_that_is_printed_is_the_rule_that_judges(claim):
    finding = claim.finding()
    text, conditions = str(finding.rule), finding.rule.conditions
    assert text in shown_cards(claim.paper)
    for condition, met in {**conditions, **finding.rule.in_part}.items():
        assert f"{condition} ({'met' if met else 'not met'})" in text
    assert (finding.verdict == HOLDS) == all(conditions.values())


@pytest.mark.parametrize(
    ("conditions", "in_part", "verdict"),
    [
        ({"a": True, "b": True}, {}, HOLDS),
        ({"a": True, "b": False}, {}, IN_PART),
        ({"a": False, "b": False}, {}, NOT),
        ({"a": False}, {"b": True}, IN_PART),
        ({"a": True, "c": False}, {"b": False}, NOT),
    ],
)
def test_a_rule_holds_if_all_conditions_are_met_and_in_part_if_some_are(conditions, in_part, verdict):
    assert Rule(conditions, in_part).verdict == verdict


def test_a_sentence_about_a_symbol_keeps_the_symbol():
    assert "η·λ_max" in shown_cards("P3")
    assert "Η·λ_max" not in shown_cards("P3")  # a capital eta, which looks like the letter H


@pytest.mark.parametrize("page", sorted({claim.page for claim in CLAIMS}))
def test_a_chapter_has_the_verdicts_of_the_claims_page(page):
    items = verdicts(page).splitlines()
    shown = [claim for claim in CLAIMS if claim.page == page]
    assert len(items) == len(shown)
    for item, claim in zip(items, shown, strict=True):
        assert item.startswith(f"- **{claim.number}. {claim.statement}** *{VERDICTS[claim.number].capitalize()}.*")
    assert f'claims.verdicts("{page}")' in (BOOK / f"{page}.md").read_text()


def test_the_ledger_has_a_row_with_a_command_for_every_claim():
    rows = ledger().splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == [f"| {claim.number}" for claim in CLAIMS]
    for row, claim in zip(rows, CLAIMS, strict=True):
        assert f"| {VERDICTS[claim.number]} |" in row
        assert f"`minidyn run {' '.join(claim.experiments)} --full` |" in row
        assert claim.deviation in row


def test_the_tally_counts_the_papers_claims():
    assert tally() == "12 hold and 3 hold in part"


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        ({HOLDS: 1, IN_PART: 1, NOT: 2}, "1 holds, 1 holds in part and 2 do not hold here"),
        ({HOLDS: 14, NOT: 1}, "14 hold and 1 does not hold here"),
        ({HOLDS: 15}, "15 hold"),
    ],
)
def test_a_verdict_of_no_claim_is_left_out_of_the_tally(verdicts, words):
    assert _counted(verdicts) == words


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
    assert any(character.isdigit() for character in finding.effect)
    assert "nan" not in re.findall(r"[a-z]+", finding.effect)
    for name in claim.experiments:
        assert claim.number in find(name).claims


def test_an_unknown_claim_is_named():
    with pytest.raises(ValueError, match=r"number must be one of C1, .*, got 'C16'"):
        find_claim("C16")
