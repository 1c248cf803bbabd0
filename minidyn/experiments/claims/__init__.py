"""The papers' claims, C1 to C15, and this book's own, B1 to B8: what was measured here, and whether they hold here.

One file per paper; each claim is a function that measures its effect in the stored results and applies a rule. The
verdict follows from the conditions of that rule, and so does the text of the rule: both change when the results do.

from minidyn.experiments.claims import find_claim

find_claim("C6").finding().verdict
"""

from minidyn import _renamed
from minidyn.experiments.claims.claim import HOLDS, IN_PART, NOT, Claim, Finding, Rule
from minidyn.experiments.claims.collection import CLAIMS
from minidyn.experiments.claims.tables import cards, ledger, tally, verdicts

__all__ = ["CLAIMS", "HOLDS", "IN_PART", "NOT", "Claim", "Finding", "Rule"]
__all__ += ["cards", "find_claim", "ledger", "tally", "verdicts"]

_renamed.names(__name__, find="minidyn.experiments.claims.find_claim")


def find_claim(number: str) -> Claim:
    """The claim of a number, such as "C3".

    Raises
    ------
    ValueError
        If no claim has this number.
    """
    for claim in CLAIMS:
        if claim.number == number:
            return claim
    raise ValueError(f"number must be one of {', '.join(claim.number for claim in CLAIMS)}, got {number!r}")
