"""The claims as Markdown, for the pages of the book: one source for every verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from minidyn.experiments.claims.claim import HOLDS, IN_PART, NOT, Claim
from minidyn.experiments.claims.collection import CLAIMS

DETAILS = ("regime", "control", "caveat")


def cards(paper: str) -> str:
    """The claims of a paper, or of this book ("B"), each with its whole finding.

    Parameters
    ----------
    paper : str
        "P1", "P2", "P3" or "B".
    """
    return "\n\n".join(_card(claim) for claim in CLAIMS if claim.paper == paper)


def _card(claim: Claim) -> str:
    finding = claim.finding()
    return "\n".join(
        [
            f"**{claim.number}. {claim.statement}**",
            "",
            f"- **{_sentence(finding.verdict)}** {_sentence(finding.effect)}",
            *(f"- {name.capitalize()}: {getattr(finding, name)}." for name in DETAILS),
            f"- Seeds: {finding.seeds}. Shown in [](../{claim.page}.md).",
            f"- Rule: {finding.rule}",
        ]
    )


def _sentence(text: str) -> str:
    """Capitalised, unless it begins with a symbol: a capital η is another letter."""
    first = text[0].upper() if text[0].isascii() else text[0]
    return f"{first}{text[1:]}."


def verdicts(page: str) -> str:
    """The claims that a chapter shows: each with its verdict, its effect and its strongest caveat.

    Parameters
    ----------
    page : str
        The chapter's path without its ending, such as "tilting/learning".
    """
    return "\n".join(_item(claim) for claim in CLAIMS if claim.page == page)


def _item(claim: Claim) -> str:
    finding = claim.finding()
    return (
        f"- **{claim.number}. {claim.statement}** *{_sentence(finding.verdict)}* {_sentence(finding.effect)} "
        f"Caveat: {finding.caveat}."
    )


def ledger() -> str:
    """Every claim with its verdict, how the measurement deviates from the paper's, its run time and its command."""
    return _rows(
        ("claim", "verdict", "run time", "deviation from the paper, and the command"),
        (
            (claim.number, claim.finding().verdict, _run_time(claim), f"{claim.deviation}<br>{_command(claim)}")
            for claim in CLAIMS
        ),
    )


def tally() -> str:
    """How many of the papers' claims hold, in words: "12 hold and 3 hold in part". A verdict of none is left out."""
    return _counted(Counter(claim.finding().verdict for claim in CLAIMS if claim.paper != "B"))


def _counted(verdicts: Mapping[str, int]) -> str:
    names = {HOLDS: ("holds", "hold"), IN_PART: ("holds in part", "hold in part"), NOT: (NOT, "do not hold here")}
    counts = [
        f"{verdicts[verdict]} {singular if verdicts[verdict] == 1 else plural}"
        for verdict, (singular, plural) in names.items()
        if verdicts.get(verdict)
    ]
    return " and ".join([", ".join(counts[:-1]), counts[-1]] if len(counts) > 1 else counts)


def _run_time(claim: Claim) -> str:
    minutes = sum(float(data.attrs["seconds"]) for data in claim.results()) / 60
    return f"{minutes:.0f} min" if minutes >= 1 else "under a minute"


def _command(claim: Claim) -> str:
    return f"`minidyn run {' '.join(claim.experiments)} --full`"


def _rows(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
