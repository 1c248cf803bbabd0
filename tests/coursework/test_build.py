"""From the masters to what is handed out: nothing leaks, nothing drifts."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from minidyn.coursework import __main__ as command
from minidyn.coursework import ps1
from minidyn.coursework.teacher import build
from tests.coursework.harness import ASSIGNMENTS, name_of, released, source

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "book" / "_ext"))

import coursework  # noqa: E402

SECRETS = ("BEGIN SOLUTION", "HIDDEN TESTS", "hidden_seed", "ubric", "odel answer", "What to look for")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coursework")
    return folder, build.build(folder)


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_students_get_no_solution_no_hidden_test_and_no_rubric(assignment):
    notebook = released(assignment)
    nbformat.validate(notebook)
    text = nbformat.writes(notebook)
    assert [word for word in SECRETS if word in text] == []
    for cell in notebook.cells:
        if name_of(cell) and cell.metadata.nbgrader.solution:
            assert "YOUR CODE HERE" in cell.source or cell.source == "YOUR ANSWER HERE"


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_an_assignment_says_what_it_is_worth(assignment):
    points = build.points(source(assignment))
    by_hand = [value for value, hand in points.values() if hand]
    assert f"**Points** {sum(value for value, _ in points.values()):g}." in source(assignment).cells[0].source
    assert list(points)[-1] == "answer-open"
    assert "answer-prediction" in points
    assert len(by_hand) == 2
    assert len(points) >= 6
    for cell in source(assignment).cells:
        if name_of(cell).startswith("answer-"):
            assert f"**Rubric ({cell.metadata.nbgrader.points:g} points).**" in cell.source
        if name_of(cell).startswith("test-"):
            assert "BEGIN HIDDEN TESTS" in cell.source


def test_archives_hold_the_folders_and_do_not_change(built, tmp_path):
    folder, archives = built
    for path, again in zip(archives, build.build(tmp_path), strict=True):
        assert path.read_bytes() == again.read_bytes()
    student, instructor = (set(zipfile.ZipFile(path).namelist()) for path in archives)
    assert student == {f"student/{a}.ipynb" for a in ASSIGNMENTS} | {"student/README.md"}
    assert {f"instructor/source/{a}/{a}.ipynb" for a in ASSIGNMENTS} < instructor
    assert {f"instructor/solution/{a}.ipynb" for a in ASSIGNMENTS} < instructor
    assert (folder / "instructor" / "rubrics.md").read_text().count("**Rubric") == 2 * len(ASSIGNMENTS)


@pytest.mark.parametrize(
    "mark",
    ['task="a" points=3', 'test="a"', 'task="a" test="a" points=1', 'tset="a" points=1'],
)
def test_a_mark_that_makes_no_sense_is_refused(tmp_path, mark):
    master = tmp_path / "ps1.py"
    master.write_text(f"# %% {mark}\npass\n")
    with pytest.raises(ValueError, match=r"marks must be .* in ps1\.py"):
        build.source(master)


def test_two_cells_of_one_name_are_refused(tmp_path):
    master = tmp_path / "ps1.py"
    master.write_text('# %% task="a"\npass\n\n# %% task="a"\npass\n')
    with pytest.raises(ValueError, match=r"'a' twice in ps1\.py"):
        build.source(master)


def test_the_command_builds_and_says_where(tmp_path, capsys):
    assert command.main(["build", "--out", str(tmp_path)]) == 0
    assert all((tmp_path / line).exists() for line in capsys.readouterr().out.splitlines())


def test_the_command_says_what_it_lacks(tmp_path, capsys):
    assert command.main(["grade", "ps1", "--course", str(tmp_path)]) == 2
    assert "assignment must be a folder" in capsys.readouterr().err
    assert command.main(["export", "ps1", "--course", str(tmp_path)]) == 2
    assert "gradebook.db" in capsys.readouterr().err


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_the_books_page_says_the_same_as_the_notebook(assignment):
    page = (build.MASTERS.parent / "index.md").read_text()
    first = source(assignment).cells[0].source
    minutes, points = re.search(r"\*\*Time\*\* (\d+) minutes\. \*\*Points\*\* (\d+)\.", first).groups()
    row = next(line for line in page.splitlines() if f"/{assignment}.ipynb" in line)
    assert row.endswith(f"| {minutes} | {points} |")
    assert 60 <= int(minutes) <= 120
    assert "**Goals.**" in first


def test_the_sentence_that_the_page_quotes_is_what_the_test_says():
    quoted = re.search(r"^> Not yet\. `cross_entropy`: (.+)$", (build.MASTERS.parent / "index.md").read_text(), re.M)
    assert quoted.group(1) in ps1.cross_entropy.wrong


def test_the_built_book_gets_what_students_get_and_nothing_else(tmp_path):
    book = SimpleNamespace(
        builder=SimpleNamespace(format="html"),
        outdir=tmp_path / "html",
        srcdir=ROOT,
        config=SimpleNamespace(html_baseurl="https://school.example/"),
    )
    coursework.publish(book, None)
    page = (build.MASTERS.parent / "index.md").read_text()
    linked = re.findall(r'href="\.\./\.\./([^"]+)" download', page)
    assert len(linked) == len(ASSIGNMENTS) + 1
    assert all((tmp_path / "html" / link).is_file() for link in linked)
    published = [path for path in (tmp_path / "html").rglob("*") if path.is_file()]
    assert {path.name for path in published} == {Path(link).name for link in linked} | {"README.md"}
    assert not any(word in path.read_text() for path in published if path.suffix == ".ipynb" for word in SECRETS)


def test_students_notebooks_need_nothing_that_only_teachers_have():
    code = (
        "import sys\n"
        "for name in ('nbgrader', 'jupytext', 'nbformat', 'torch', 'numba', 'sklearn'): sys.modules[name] = None\n"
        f"from minidyn.coursework import seeds, {', '.join(ASSIGNMENTS)}\n"
        "ps1.output_slope(lambda f, y: ps1.output_slope.right(f, y))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("output_slope: right on 9 examples\n", "")
