"""The table of totals: what nbgrader's gradebook says of each student, in one place for grading, report and export.

Points given by hand are in, late penalties are off. Remarks, seconds and trouble are those that grading remembers.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook

from minidyn.coursework.teacher.course import Course

LAST = ("seconds", "trouble", "remarks")  # columns after those of the tests
ABSENT = "Nothing was handed in."


@dataclass
class StudentResult:
    """One student's row of the report.

    Attributes
    ----------
    student : str
    score : float
        Points so far: tests, and answers that were graded by hand, less the penalty for late work.
    max_score : float
    penalty : float
        Points taken off for late work.
    to_grade : list of str
        Answers that wait for a grader.
    tests : dict of str to float
        Points of each test.
    remarks : list of str
        What was wrong with the notebook, and why tests failed.
    trouble : list of str
        Why this result must not be used before somebody has looked at it; it is not exported.
    late : float
        Seconds after the due date that the gradebook knows.
    seconds : float
        That running the notebook took.
    """

    student: str
    score: float = 0.0
    max_score: float = 0.0
    penalty: float = 0.0
    to_grade: list[str] = field(default_factory=list)
    tests: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    late: float = 0.0
    seconds: float = 0.0


def results(course: Course, assignment: str) -> dict[str, StudentResult]:
    """The results of all students of the gradebook, the roster and the report, by name.

    Raises
    ------
    FileNotFoundError
        If the folder has no gradebook: nothing was graded in it.
    """
    memory = course.memory(assignment)
    with course.gradebook() as gradebook:
        table = {student.id: StudentResult(student.id, remarks=[ABSENT]) for student in gradebook.students}
        table |= {
            student: StudentResult(student, remarks=[ABSENT]) for student in course.roster() if student not in table
        }
        for submission in gradebook.assignment_submissions(assignment):
            table[submission.student.id] = _of(submission)
    for student, remembered in memory["students"].items():
        result = table.setdefault(student, StudentResult(student))
        result.remarks = remembered["remarks"]
        result.trouble = remembered["trouble"] + memory["trouble"]
        result.seconds = remembered["seconds"]
    highest = max((result.max_score for result in table.values()), default=0.0)
    for result in table.values():
        result.max_score = result.max_score or highest
    return dict(sorted(table.items()))


def write_report(course: Course, assignment: str) -> Path:
    """Write `report-<assignment>.csv` into the course folder: a row per student, with a column for each test."""
    rows = [_row(result) for result in results(course, assignment).values()]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    path = course.report(assignment)
    with open(path.with_suffix(".new"), "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*(name for name in columns if name not in LAST), *LAST])
        writer.writeheader()
        writer.writerows(rows)
    path.with_suffix(".new").replace(path)
    return path


def points_of_everybody(gradebook: Gradebook, assignment: str) -> dict[str, float]:
    """Points by student, penalties not taken off: to see whether grading one has changed another's."""
    return {submission.student.id: submission.score for submission in gradebook.assignment_submissions(assignment)}


def _of(submission: Any) -> StudentResult:
    penalty = submission.late_submission_penalty or 0.0
    result = StudentResult(
        submission.student.id,
        score=max(0.0, submission.score - penalty),
        max_score=submission.max_score,
        penalty=penalty,
        late=submission.total_seconds_late,
    )
    for notebook in submission.notebooks:
        for grade in notebook.grades:
            if grade.name.startswith("test-"):
                result.tests[grade.name] = grade.score
            elif grade.needs_manual_grade:
                result.to_grade.append(grade.name)
    order = [cell.name for notebook in submission.assignment.notebooks for cell in notebook.source_cells]
    result.tests = {name: result.tests[name] for name in order if name in result.tests}
    return result


def _row(result: StudentResult) -> dict[str, Any]:
    return {
        "student": result.student,
        "score": result.score,
        "max_score": result.max_score,
        "penalty": result.penalty,
        "late_seconds": result.late,
        "to_grade_by_hand": " ".join(result.to_grade),
        **result.tests,
        "seconds": round(result.seconds, 1),
        "trouble": " ".join(result.trouble),
        "remarks": " ".join(result.remarks),
    }
