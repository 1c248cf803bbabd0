"""A week of the course in a few minutes: from the masters to a marked class, its feedback and the tables of points.

The class is made up. Everything else is what a teacher does, by the same functions.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.apps import NbGraderAPI

from minidyn.coursework.teacher import build, collect, export, samples
from minidyn.coursework.teacher.course import Course, surroundings
from minidyn.coursework.teacher.grade import Progress, grade
from minidyn.coursework.teacher.results import results, write_report
from minidyn.coursework.teacher.samples import ASSIGNMENT, SAMPLES

DUE = "2027-03-05 12:00:00 UTC"
BY_HAND = {"Ada Lovelace": (4, 4), "Boris Petrov": (1, 0), "Chidi Okafor": (2, 1), "Eve Moriarty": (0, 0)}


def play(folder: Path, say: Callable[[str], Any] = print) -> Path:
    """Play the week in a folder, and return the course folder in it.

    Parameters
    ----------
    folder : Path
        Empty, or not there yet.
    say : callable
        Gets a line of text for each step.

    Raises
    ------
    FileExistsError
        If the folder is not empty.
    """
    folder = Path(folder).resolve()
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"folder must be empty, got {str(folder)!r}")
    say("Monday: the students' and the teacher's folder, from the masters.")
    build.build(folder)
    course = folder / "instructor"
    _roster(course)
    say(f"  {course}, with a roster of {len(SAMPLES) + 1}")
    say("Friday: the archive from Moodle, collected.")
    collected = collect.moodle(course, ASSIGNMENT, _archive(folder, course))
    say(f"  {len(collected.students)} submissions: {', '.join(collected.students)}")
    say("Friday night: graded, each in a sandbox.")
    grade(course, ASSIGNMENT, progress=lambda progress: say(f"  {_line(progress)}"))
    say("Saturday: the written answers, by hand. (Here points are given without reading.)")
    _grade_by_hand(course)
    say("Sunday: feedback, and the tables for Moodle and Canvas.")
    _feedback(course, say)
    _tables(course, say)
    return course


def _roster(course: Path) -> None:
    rows = [(sample.number, sample.number, sample.name) for sample in SAMPLES] + [("4716", "4716", "Farid Haddad")]
    with open(course / "roster.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("student", "number", "name"), *rows])


def _archive(folder: Path, course: Path) -> Path:
    """What Moodle would hand out."""
    source = nbformat.read(Course(course).source(ASSIGNMENT), as_version=4)
    path = folder / "moodle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, sample in enumerate(SAMPLES, start=100001):
            text = nbformat.writes(samples.notebook(sample, source))
            archive.writestr(f"{sample.name}_{number}_assignsubmission_file_/{sample.file}", text)
    return path


def _line(progress: Progress) -> str:
    result = progress.result
    return f"{result.student}: {result.score:g} of {result.max_score:g}. {' '.join(result.remarks)}".rstrip()


def _grade_by_hand(course: Path) -> None:
    names = {sample.name: sample.number for sample in SAMPLES}
    with Course(course).gradebook() as gradebook:
        for name, points in BY_HAND.items():
            for answer, given in zip(("answer-prediction", "answer-open"), points, strict=True):
                row = gradebook.find_grade(answer, ASSIGNMENT, ASSIGNMENT, names[name])
                row.manual_score, row.needs_manual_grade = given, False
        gradebook.db.commit()
    write_report(Course(course), ASSIGNMENT)


def _feedback(course: Path, say: Callable[[str], Any]) -> None:
    with surroundings():
        api = NbGraderAPI(config=Course(course).config())
        for student in Course(course).students(ASSIGNMENT):
            done = api.generate_feedback(ASSIGNMENT, student)
            if not done["success"]:
                raise RuntimeError(f"nbgrader could not write the feedback of {student!r}: {done.get('error')}")
    say(f"  {course / 'feedback'}: {len(list((course / 'feedback').rglob('*.html')))} pages")


def _tables(course: Path, say: Callable[[str], Any]) -> None:
    points = export.scores(course, ASSIGNMENT)
    export.moodle(points, export.remarks(course, ASSIGNMENT), course / "moodle.csv")
    table = course / "canvas-before.csv"
    with open(table, "w", newline="", encoding="utf-8") as file:
        rows = [(sample.name, "", sample.number, "") for sample in SAMPLES]
        csv.writer(file).writerows([("Student", "ID", "SIS Login ID", f"{ASSIGNMENT} (77)"), *rows])
    missing = export.canvas(points, table, ASSIGNMENT, course / "canvas.csv")
    for path in ("moodle.csv", "canvas.csv", f"report-{ASSIGNMENT}.csv"):
        say(f"  {course / path}")
    say(f"  not in the table from Canvas: {', '.join(missing) or 'nobody'}")
    for result in results(Course(course), ASSIGNMENT).values():
        say(f"  {result.student}: {result.score:g} of {result.max_score:g}")
