"""The chapters' own exercises: each has a difficulty and a folded solution, whose code the book's build runs."""

import re
from pathlib import Path

import pytest

BOOK = Path(__file__).parents[2] / "book"
CHAPTERS = sorted(path for path in BOOK.rglob("*.md") if "{exercise-start}" in path.read_text())


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_exercises_have_marks_and_folded_solutions_that_run(path):
    text = path.read_text()
    exercises = re.findall(r"^```\{exercise-start\} (★{1,3}) \S.*\n:label: (\S+)$", text, re.M)
    assert len(exercises) == text.count("{exercise-start}") >= 2
    solutions = re.findall(
        r"^```\{solution-start\} (\S+)\n:class: dropdown\n```(.*?)\{solution-end\}", text, re.M | re.S
    )
    assert [name for name, _ in solutions] == [label for _, label in exercises]
    assert all("```{code-cell}" in body for _, body in solutions)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapters_end_with_questions_that_answer_on_the_page(path):
    _, questions = path.read_text().split("## Check yourself")
    assert 2 <= len(re.findall(r"^:::\{dropdown\} .+\?$", questions, re.M)) <= 4
