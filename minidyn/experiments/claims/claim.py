"""A claim, the rule that judges it, and what was measured for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import xarray as xr

from minidyn._typeset import typeset
from minidyn.experiments.results import load

HOLDS, IN_PART, NOT = "holds", "holds in part", "does not hold here"


@dataclass(frozen=True)
class Rule:
    """The conditions under which a claim holds, each in words and as it came out.

    Attributes
    ----------
    conditions : dict of str to bool
        The claim holds if all of them are met.
    in_part : dict of str to bool
        Otherwise it holds in part if any of these is met; by default, any of `conditions`.

    Examples
    --------
    >>> from minidyn.experiments.claims import Rule
    >>> rule = Rule({"runs train": True, "trained runs gain": False})
    >>> rule.verdict
    'holds in part'
    >>> print(rule)
    Holds if runs train (met) and trained runs gain (not met); in part if one of these is met.
    """

    conditions: Mapping[str, bool]
    in_part: Mapping[str, bool] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """ "holds", "holds in part" or "does not hold here"."""
        if all(self.conditions.values()):
            return HOLDS
        return IN_PART if any((self.in_part or self.conditions).values()) else NOT

    def __str__(self) -> str:
        holds = f"Holds if {_join(self.conditions, ' and ')}"
        if self.in_part:
            return f"{holds}; in part if {_join(self.in_part, ' or ')}."
        return f"{holds}; in part if one of these is met." if len(self.conditions) > 1 else f"{holds}."


def _join(conditions: Mapping[str, bool], word: str) -> str:
    return word.join(f"{text} ({'met' if met else 'not met'})" for text, met in conditions.items())


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was measured for a claim. The signs of all numbers in its texts are set as in a book.

    Attributes
    ----------
    effect : str
        A sentence or two with numbers and their spread.
    regime : str
        The settings at which it was measured.
    seeds : str
        The number of seeds, or of pairs of runs.
    control : str
        What the effect was compared with, and what the comparison showed.
    caveat : str
        The strongest reason not to generalise.
    rule : Rule
        The conditions behind the verdict.
    """

    effect: str
    regime: str
    seeds: str
    control: str
    caveat: str
    rule: Rule

    def __post_init__(self) -> None:
        for name in ("effect", "regime", "seeds", "control", "caveat"):
            object.__setattr__(self, name, typeset(getattr(self, name)))

    @property
    def verdict(self) -> str:
        """ "holds", "holds in part" or "does not hold here"."""
        return self.rule.verdict


@dataclass(frozen=True)
class Claim:
    """A claim of a paper ("P1", "P2", "P3") or of this book ("B").

    Attributes
    ----------
    number, paper, statement : str
        Its number, the paper, and the claim in this book's words.
    page : str
        The chapter that shows it.
    experiments : tuple of str
        The stored results that judge it.
    deviation : str
        How this book's measurement differs from the paper's.
    judge : callable
        Measures and judges, from the stored results in this order.
    """

    number: str
    paper: str
    statement: str
    page: str
    experiments: tuple[str, ...]
    deviation: str
    judge: Callable[..., Finding]

    def results(self) -> list[xr.Dataset]:
        """The stored results that judge the claim."""
        return [load(name) for name in self.experiments]

    def finding(self) -> Finding:
        """Measured and judged from the stored results."""
        return _finding(self)


@cache  # a page shows a claim several times, and the stored results do not change while it runs
def _finding(claim: Claim) -> Finding:
    return claim.judge(*claim.results())


def claim(
    number: str, statement: str, *, paper: str, page: str, experiments: tuple[str, ...], deviation: str
) -> Callable[[Callable[..., Finding]], Claim]:
    """Make the function below, which measures and judges, the claim itself."""
    return lambda judge: Claim(number, paper, statement, page, experiments, deviation, judge)
