"""Labels of citations: works of one author and year stay apart, and the pages print what the style says."""

from __future__ import annotations

from pathlib import Path

import pytest
from citations import LetteredStyle, setup
from pybtex.database import parse_string
from pybtex.plugin import find_plugin

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def registered():
    setup(None)


def labels(*years, author="Ganguli, Surya"):
    """The labels of works of one author, by year as it stands in references.bib."""
    works = "".join(
        f"@misc{{work{k}, author = {{{author}}}, title = {{Work {k}}}, year = {{{year}}}}}\n"
        for k, year in enumerate(years)
    )
    formatted = LetteredStyle().format_bibliography(parse_string(works, "bibtex"))
    return {entry.key: entry.label for entry in formatted}


def test_two_works_of_one_author_and_year_get_their_letters():
    assert labels("2026a", "2026b") == {"work0": "Gan26a", "work1": "Gan26b"}


def test_a_work_alone_in_its_year_gets_no_letter():
    assert labels("2024", "2025") == {"work0": "Gan24", "work1": "Gan25"}


def test_a_work_without_a_year_is_labelled_by_its_author():
    work = parse_string("@misc{undated, author = {Ganguli, Surya}, title = {Undated}}", "bibtex")
    [entry] = LetteredStyle().format_bibliography(work)
    assert entry.label == "Gan"


def test_several_authors_are_named_by_their_initials():
    assert labels("2026b", author="Gan, Ada and Moss, Bo and Ode, Cy") == {"work0": "GMO26b"}


def test_the_style_is_found_under_the_name_in_the_configuration():
    assert "bibtex_default_style: lettered" in (ROOT / "_config.yml").read_text()
    assert find_plugin("pybtex.style.formatting", "lettered") is LetteredStyle


def test_no_two_works_of_the_book_share_a_label():
    works = parse_string((ROOT / "book" / "references.bib").read_text(), "bibtex")
    entries = list(LetteredStyle().format_bibliography(works))
    assert len(entries) == len(works.entries) == len({entry.label for entry in entries})


@pytest.mark.browser
def test_the_bibliography_prints_the_labels_of_the_style():
    works = parse_string((ROOT / "book" / "references.bib").read_text(), "bibtex")
    page = (ROOT / "_build" / "html" / "book" / "reference" / "bibliography.html").read_text()
    for entry in LetteredStyle().format_bibliography(works):
        assert f"{entry.label}<" in page
