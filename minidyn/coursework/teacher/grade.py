"""A class at a time: repair what came in, let nbgrader grade it, and say in one line a student what happened."""

from __future__ import annotations

import csv
import os
import secrets
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI
from nbgrader.converters import Autograde
from nbgrader.preprocessors import Execute as PlainExecute
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from minidyn.coursework.teacher import build
from minidyn.coursework.teacher.repair import read, repair
from minidyn.coursework.teacher.sandbox import Execute


@dataclass
class Line:
    """One student's line of the report.

    Attributes
    ----------
    student : str
    score : float
        Points so far: tests, and answers that were graded by hand.
    max_score : float
    to_grade : list of str
        Answers that wait for a grader.
    tests : dict of str to float
        Points of each test.
    remarks : list of str
        What was wrong with the notebook, and why tests failed.
    late : float
        Seconds after the due date that the gradebook knows.
    seconds : float
        That grading took.
    """

    student: str
    score: float = 0.0
    max_score: float = 0.0
    to_grade: list[str] = field(default_factory=list)
    tests: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    late: float = 0.0
    seconds: float = 0.0


def grade(
    course: Path,
    assignment: str,
    *,
    students: Sequence[str] | None = None,
    timeout: int = 60,
    secret: str | None = None,
    per_student: bool = True,
) -> list[Line]:
    """Grade an assignment's submissions, and write `report-<assignment>.csv` into the course folder.

    Parameters
    ----------
    course : Path
        nbgrader's folder, with source/ and submitted/<student>/<assignment>/. Submissions are left as they are: the
        repaired notebooks are in repaired/.
    assignment : str
        For example "ps1".
    students : sequence of str, optional
        Default: all who submitted. Name some to regrade them.
    timeout : int
        Seconds that a cell may run, before it is struck out.
    secret : str, optional
        The key of the hidden data. Default: that in secret.txt, which is made where there is none.
    per_student : bool
        Whether each student meets hidden data of their own.

    Returns
    -------
    list of Line
        In the order of the students' names.

    Raises
    ------
    FileNotFoundError
        If the assignment has no source, or nobody submitted.

    Notes
    -----
    Grading runs the students' code: do it in a container.
    """
    course = Path(course).resolve()
    if not (course / "source" / assignment).is_dir():
        raise FileNotFoundError(f"assignment must be a folder of {course / 'source'}, got {assignment!r}")
    found = sorted(path.parent.name for path in (course / "submitted").glob(f"*/{assignment}") if path.is_dir())
    chosen = found if students is None else [s for s in found if s in set(students)]
    if not chosen or (students is not None and set(students) - set(found)):
        raise FileNotFoundError(f"students must have submitted/<student>/{assignment}, got {students or 'nobody'}")
    config = _config(course, timeout, secret or _secret(course), per_student)
    lines = []
    with _surroundings():
        api = NbGraderAPI(config=config)
        released = _released(api, course, assignment)
        for student in chosen:
            began = time.perf_counter()
            line = _grade_one(api, course, assignment, student, released)
            line.seconds = time.perf_counter() - began
            lines.append(line)
    write_report(course / f"report-{assignment}.csv", lines)
    return lines


def write_report(path: Path, lines: Sequence[Line]) -> None:
    """Write the lines as CSV, one a student, with a column for each test. Other students' lines stay."""
    rows = {}
    if path.exists():
        with open(path, newline="", encoding="utf-8") as file:
            rows = {row["student"]: row for row in csv.DictReader(file)}
    for line in lines:
        rows[line.student] = {
            "student": line.student,
            "score": line.score,
            "max_score": line.max_score,
            "late_seconds": line.late,
            "to_grade_by_hand": " ".join(line.to_grade),
            **line.tests,
            "remarks": " ".join(line.remarks),
        }
    columns = list(dict.fromkeys(name for row in rows.values() for name in row if name != "remarks"))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*columns, "remarks"])
        writer.writeheader()
        writer.writerows(row for _, row in sorted(rows.items()))


def _grade_one(api: Any, course: Path, assignment: str, student: str, released: Any) -> Line:
    incoming = course / "submitted" / student / assignment
    repaired = course / "repaired" / student / assignment
    for folder in (repaired, course / "autograded" / student / assignment):
        shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns("*.ipynb", ".ipynb_checkpoints")
    shutil.copytree(incoming, repaired, ignore=ignored, ignore_dangling_symlinks=True)
    submitted, remarks = read(incoming, assignment)
    if submitted is not None:
        try:
            notebook, found = repair(submitted, released)
            remarks += found
            build.write(repaired / f"{assignment}.ipynb", notebook)
            result = api.autograde(assignment, student)
            if not result["success"]:
                last = str(result.get("error") or result.get("log")).strip().splitlines()[-1]
                remarks.append(f"Nothing graded: nbgrader stopped with {last}")
        except Exception as error:  # a notebook in name only: the others' turn
            remarks.append(f"Nothing graded: the notebook is broken ({type(error).__name__}: {error}).")
    with api.gradebook as gradebook:
        if any(remark.startswith("Nothing graded") for remark in remarks):
            _give_nothing(gradebook, assignment, student)
        line = _line(gradebook, assignment, student)
    line.remarks = remarks + _failures(course / "autograded" / student / assignment / f"{assignment}.ipynb")
    return line


def _line(gradebook: Gradebook, assignment: str, student: str) -> Line:
    submission = gradebook.find_submission(assignment, student)
    line = Line(student, submission.score, submission.max_score, late=submission.total_seconds_late)
    for notebook in submission.notebooks:
        for grade in notebook.grades:
            if grade.name.startswith("test-"):
                line.tests[grade.name] = grade.score
            elif grade.needs_manual_grade:
                line.to_grade.append(grade.name)
    line.tests = {cell: line.tests[cell] for cell in _in_order(submission.assignment) if cell in line.tests}
    return line


def _in_order(assignment: Any) -> list[str]:
    return [cell.name for notebook in assignment.notebooks for cell in notebook.source_cells]


def _give_nothing(gradebook: Gradebook, assignment: str, student: str) -> None:
    gradebook.update_or_create_student(student)
    submission = gradebook.update_or_create_submission(assignment, student)
    for notebook in submission.notebooks:
        for grade in notebook.grades:
            grade.auto_score, grade.needs_manual_grade = 0, False
    gradebook.db.commit()


def _failures(path: Path) -> list[str]:
    """Why tests failed, one sentence each."""
    if not path.exists():
        return []
    cells = nbformat.read(path, as_version=4).cells
    errors, said = {}, []
    for cell in cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        error = next((out for out in cell.get("outputs", []) if out.output_type == "error"), None)
        if error and name:
            errors[name] = error
        elif error and error.ename == "Struck out":
            said.append(f"Another cell was struck out: {error.evalue}.")
    for name, error in errors.items():
        if not name.startswith("test-"):
            continue
        task = name.removeprefix("test-")
        if error.ename == "Failed":
            said.append(error.evalue)
        elif error.ename == "NameError" and task in errors:
            said.append(f"`{task}`: its cell stopped with {errors[task].ename}: {errors[task].evalue}.")
        else:
            said.append(f"`{task}`: {error.ename}: {error.evalue}.")
    return [sentence.replace("\n", " ") for sentence in said]


def _released(api: Any, course: Path, assignment: str) -> Any:
    """The students' notebook, generated where nbgrader does not know it yet."""
    path = course / "release" / assignment / f"{assignment}.ipynb"
    with api.gradebook as gradebook:
        try:
            gradebook.find_notebook(assignment, assignment)
            known = path.exists()
        except MissingEntry:
            known = False
    if not known:
        result = api.generate_assignment(assignment)
        if not result["success"]:
            raise RuntimeError(f"nbgrader could not generate {assignment!r}: {result.get('error')}")
    return nbformat.read(path, as_version=4)


def _config(course: Path, timeout: int, secret: str, per_student: bool) -> Config:
    """The teacher's own nbgrader_config.py, and on top of it what grading needs."""
    own = course / "nbgrader_config.py"
    config = PyFileConfigLoader(own.name, path=str(course)).load_config() if own.exists() else Config()
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.setdefault("course_id", "minidyn")
    config.CourseDirectory.submitted_directory = "repaired"
    plain = Autograde.autograde_preprocessors.default_args[0]
    config.Autograde.autograde_preprocessors = [Execute if one is PlainExecute else one for one in plain]
    config.Execute.timeout = timeout
    config.Execute.extra_arguments = ["--IPKernelApp.log_level=ERROR"]
    config.Execute.secret = secret
    config.Execute.per_student = int(per_student)
    return config


def _secret(course: Path) -> str:
    path = course / "secret.txt"
    if not path.exists():
        path.write_text(secrets.token_hex(16) + "\n")
        path.chmod(0o600)
    return path.read_text().strip()


@contextmanager
def _surroundings() -> Iterator[None]:
    """nbgrader calls alembic as a program, which stands beside Python; and its own code warns where all is well."""
    before = os.environ["PATH"]
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(nbgrader|nbformat)\.")
            yield
    finally:
        os.environ["PATH"] = before
