"""One master an assignment: from it come the students' notebook, the teacher's and the solution.

A master is a Python file in jupytext's percent form. Three marks on its cells are all that grading needs:

    # %% task="ntk"                        what the student writes; BEGIN SOLUTION ... END SOLUTION is cut out
    # %% test="ntk" points=4               its test; BEGIN HIDDEN TESTS ... END HIDDEN TESTS is cut out
    # %% [markdown] answer="open" points=4 a written answer, graded by hand; the master holds model answer and rubric

A link such as [the spiral](book:foundations/spiral) leads to a page of the book, whose address the builder is given.
Here they become nbgrader's own metadata, and nbgrader's own preprocessors make the students' version.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbgrader.preprocessors import ClearHiddenTests, ClearOutput, ClearSolutions, ComputeChecksums, LockCells
from nbgrader.utils import is_grade, is_solution

MASTERS = Path(__file__).parents[3] / "book" / "coursework" / "masters"
PAGE = re.compile(r"\[([^\]]+)\]\(book:([\w/-]+)\)")
RELEASE = (LockCells, ClearSolutions, ClearOutput, ComputeChecksums, ClearHiddenTests, ComputeChecksums)
STUDENTS = """\
# Assignments

1. Install minidyn, once. In a copy of the project: `pip install ".[pictures]" jupyterlab`. Your teacher may give you an
   address instead: `pip install "minidyn[pictures] @ ADDRESS" jupyterlab`.
2. Open a notebook: `jupyter lab ps1.ipynb`.
3. Write where it says so. Run a test as often as you like: it says what was probably misunderstood.
4. Before you hand in: Kernel, Restart and Run All Cells. Then save, and hand in the .ipynb under its own name.
"""
TEACHERS = """\
# The course

This folder is a course of nbgrader. The teacher's guide in the book has the details.

    pip install ".[coursework]"                   # in a copy of the project
    python -m minidyn.coursework grade ps1        # here; submissions in submitted/STUDENT/ps1/ps1.ipynb
    python -m minidyn.coursework export ps1       # points for Moodle; --canvas TABLE for Canvas

source/ has the notebooks with solutions and hidden tests, solution/ what to hand out afterwards, rubrics.md what to
look for in written answers. Keep this folder to yourself.
"""
CONFIG = """\
# nbgrader's configuration: this folder is the course. `nbgrader --help-all` lists what else can be set.
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "minidyn"
# nbgrader's own autograde would run student code with your rights: here it refuses. Use `grade` instead.
c.Autograde.sanitize_preprocessors = ["minidyn.coursework.teacher.refuse.Refuse"]
"""


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where students find the book and the package.

    Attributes
    ----------
    book : str
        Address of the built book. Empty: its pages are named, and not linked.
    package : str
        What pip installs on a hosted notebook.
    """

    book: str = ""
    package: str = "minidyn[pictures]"

    def linked(self, text: str) -> str:
        """A markdown text with its links to the book.

        Examples
        --------
        >>> Addresses(book="https://school.example/").linked("See [descent](book:foundations/descent).")
        'See [descent](https://school.example/book/foundations/descent.html).'
        >>> Addresses().linked("See [descent](book:foundations/descent).")
        'See descent.'
        """
        if not self.book:
            return PAGE.sub(r"\1", text)
        return PAGE.sub(lambda link: f"[{link[1]}]({self.book.rstrip('/')}/book/{link[2]}.html)", text)

    def install_cell(self) -> Any:
        """A code cell for hosted notebooks, which does nothing as it is."""
        line = "# On a hosted notebook, such as Colab: take the # off the next line, and run it once."
        text = f"{line}\n# %pip install {self.package!r}"
        return nbformat.v4.new_code_cell(text, metadata={"tags": ["install"]})


def assignments(masters: Path = MASTERS) -> dict[str, Path]:
    """The masters by name, in order.

    Raises
    ------
    FileNotFoundError
        If there are none: they come with the repository, not with the installed package.

    Examples
    --------
    >>> list(assignments())
    ['ps1', 'ps2', 'ps3', 'ps4', 'ps5']
    """
    masters_by_name = {path.stem: path for path in sorted(Path(masters).glob("ps*.py"))}
    if not masters_by_name:
        raise FileNotFoundError(f"masters must be a folder with ps*.py, got {str(masters)!r} (run in a clone)")
    return masters_by_name


def source(master: Path, addresses: Addresses | None = None) -> Any:
    """The teacher's notebook: everything that is in the master, with nbgrader's metadata, and a cell that installs.

    Raises
    ------
    ValueError
        If a mark is unknown, or a name occurs twice.
    """
    notebook = jupytext.read(master, fmt="py:percent")
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    addresses = addresses or Addresses()
    notebook.cells.insert(1, addresses.install_cell())
    seen: set[str] = set()
    for number, cell in enumerate(notebook.cells):
        marks = {key: value for key, value in cell.metadata.items() if not key.startswith("lines_to")}
        cell.metadata = _graded(marks, master)
        grade_id = name_of(cell)
        if grade_id in seen:
            raise ValueError(f"names must be unique, got {grade_id!r} twice in {master.name}")
        seen |= {grade_id} - {""}
        cell.id = grade_id or f"cell-{number}"
        if cell.cell_type == "markdown":
            cell.source = addresses.linked(cell.source)
    return notebook


def release(notebook: Any) -> Any:
    """The students' notebook: without solutions, hidden tests, model answers and rubrics."""
    return _processed(notebook, *RELEASE)


def solution(notebook: Any) -> Any:
    """The notebook to hand out afterwards: with solutions and model answers, without hidden tests."""
    return _processed(notebook, ClearOutput, ClearHiddenTests)


def points(notebook: Any) -> dict[str, tuple[float, bool]]:
    """The points of each graded cell, and whether they are given by hand."""
    graded = [cell for cell in notebook.cells if is_grade(cell)]
    return {c.metadata.nbgrader.grade_id: (float(c.metadata.nbgrader.points), is_solution(c)) for c in graded}


def build(out: Path, masters: Path = MASTERS, addresses: Addresses | None = None) -> list[Path]:
    """Write the students' folder, the teacher's folder and an archive of each.

    Parameters
    ----------
    out : Path
        Emptied of an earlier build.
    masters : Path
    addresses : Addresses, optional
        Where students find the book and the package.

    Returns
    -------
    list of Path
        The two archives: the same bytes from the same masters.
    """
    student, instructor = Path(out) / "student", Path(out) / "instructor"
    for folder in (student, instructor):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    rubrics = []
    for assignment, master in assignments(masters).items():
        notebook = source(master, addresses)
        rubrics.append(_rubrics(assignment, notebook))
        write(student / f"{assignment}.ipynb", release(notebook))
        write(instructor / "source" / assignment / f"{assignment}.ipynb", notebook)
        write(instructor / "solution" / f"{assignment}.ipynb", solution(notebook))
    (student / "README.md").write_text(STUDENTS)
    (instructor / "README.md").write_text(TEACHERS)
    (instructor / "nbgrader_config.py").write_text(CONFIG)
    (instructor / "rubrics.md").write_text("# Rubrics and model answers\n\n" + "\n".join(rubrics))
    return [archive(folder) for folder in (student, instructor)]


def name_of(cell: Any) -> str:
    """nbgrader's name of a cell; empty if it has none."""
    about = cell.metadata.get("nbgrader")
    return str(about.get("grade_id") or "") if isinstance(about, dict) else ""


def rubric(cell: Any) -> str:
    """The paragraph of a model answer that says what points are for; empty if there is none."""
    return next((text for text in cell.source.split("\n\n") if text.startswith("**Rubric")), "")


def write(path: Path, notebook: Any) -> None:
    """Write a notebook, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def archive(folder: Path) -> Path:
    """Zip a folder beside itself. No clock enters: the same files give the same bytes."""
    path = folder.with_name(f"minidyn-coursework-{folder.name}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(str(Path(folder.name) / file.relative_to(folder)), (2020, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            zipped.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return path


def _graded(marks: Any, master: Path) -> Any:
    """nbgrader's metadata for a cell's marks."""
    kinds = [kind for kind in ("task", "test", "answer") if kind in marks]
    unknown = set(marks) - {"task", "test", "answer", "points", "tags"}
    if unknown or len(kinds) > 1 or ("points" in marks) != bool({"test", "answer"} & set(marks)):
        raise ValueError(f"marks must be task, or test or answer with points, got {dict(marks)} in {master.name}")
    tags = {"tags": marks["tags"]} if "tags" in marks else {}
    if not kinds:
        return nbformat.from_dict(tags)
    kind = kinds[0]
    about = {
        "grade_id": marks[kind] if kind == "task" else f"{kind}-{marks[kind]}",
        "grade": kind != "task",
        "solution": kind != "test",
        "locked": kind == "test",
        "task": False,
        "schema_version": 3,
    }
    if kind != "task":
        about["points"] = float(marks["points"])
    return nbformat.from_dict(tags | {"nbgrader": about})


def _processed(notebook: Any, *preprocessors: Any) -> Any:
    resources: dict[str, Any] = {"nbgrader": {}}
    notebook = nbformat.from_dict(notebook)
    for preprocessor in preprocessors:
        notebook, resources = preprocessor().preprocess(notebook, resources)
    return notebook


def _rubrics(assignment: str, notebook: Any) -> str:
    sections = [f"## {assignment}\n"]
    for cell in notebook.cells:
        if is_grade(cell) and is_solution(cell):
            sections.append(f"### {cell.metadata.nbgrader.grade_id}\n\n{cell.source}\n")
    return "\n".join(sections)
