"""Pages, docstrings and messages are in plain English: what a stranger would have to translate is refused."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "book").rglob("*.md"))]
MASTERS = sorted((ROOT / "book/coursework/masters").glob("*.py"))
MODULES = [*sorted((ROOT / "minidyn").rglob("*.py")), *sorted((ROOT / "book/_ext").glob("*.py"))]

UNITS = "step|sample|seed|class|thread|second|minute|arm|width|loss|cell|row|turn|update|point|cycle|entry"
NUMBERS = "a row|an entry|one row|one|pairs|rows|seeds|steps|samples|points"
DIALECT = {
    rf"\b({NUMBERS}) an? ({UNITS})\b(?! \w*ahead)": "say 'per' or 'each'",
    r"\bsome \d": "say 'about'",
    r"\bwhose turn it is is\b": "say 'the next class'",
    r"\bsurely (better|worse)\b": "say by how much, and with what interval",
    r"\bruns part\b|\bexponential parting\b": "trajectories separate",
    r"\b(cells|networks|cell|network) mends?\b": "a cell recovers",
    r"\bcame apart\b": "say what was destroyed",
    r"\b(?:accuracy|right) is left\b": "say 'drops to'",
    r"\bthe ones do not fall\b": "accuracy on the ones does not drop",
    r"\bis no verdict\b": "say what can be concluded",
    r"\bregs\b": "say 'registers'",
    r"\bNothing much happens\b": "say what happens",
    r"\bare made alike\b": "say 'share one structure'",
    r"\bwhere the reader wishes\b": "say what is requested",
    r"\b(after|at|every|first|for|if|in|of|on|over|until|with) so many\b(?! (that|as)\b)": "name the number",
    r"\brooms? of (its|their) own\b|\b(this|other) rooms?\b": "say 'subpackage'",
    r"\bforet(ells?|old|elling)\b": "say 'predict'",
    r"\bgive or take\b": "say 'roughly'",
    r"\ball through\b": "say 'throughout'",
    r"\bit is all right\b|: all right\.": "say what is right",
}


def prose(page: Path) -> str:
    """A page without its code."""
    text = re.sub(r"^---\n.*?\n---\n", "", page.read_text(), flags=re.S)
    return re.sub(
        r"^(`{3,}|~{3,})\{?(code-cell|python|bash|sh|console|mermaid)\b.*?^\1\s*$", "", text, flags=re.S | re.M
    )


def strings(module: Path) -> Iterator[str]:
    """The docstrings and the messages of a module."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def offences(text: str) -> list[str]:
    text = re.sub(r"\s+", " ", text)
    return [
        f"{match[0]!r}: {advice}" for pattern, advice in DIALECT.items() for match in re.finditer(pattern, text, re.I)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_are_in_plain_english(page):
    assert offences(prose(page)) == []


@pytest.mark.parametrize("master", MASTERS, ids=lambda master: master.stem)
def test_assignments_are_in_plain_english(master):
    assert offences(re.sub(r"^# ?", "", master.read_text(), flags=re.M)) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_docstrings_and_messages_are_in_plain_english(module):
    assert [offence for text in strings(module) for offence in offences(text)] == []


@pytest.mark.parametrize(
    "sentence",
    [
        "Write the weights as a table, a row a sample.",
        "Some 600 runs ended.",
        "Nearby runs part by a factor.",
        "Go on for so many updates, and say how that ended.",
    ],
)
def test_the_dialect_is_recognised(sentence):
    assert offences(sentence)
