"""Points for a learning platform: a table for Moodle, or a column in the table that Canvas gave.

Points come from nbgrader's gradebook, so those given by hand are in. Moodle lets you say which column is which. Canvas
wants its own table back, with the assignment's column filled in.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from nbgrader.api import Gradebook

IDENTITIES = ("SIS Login ID", "SIS User ID", "ID", "Student")  # Canvas's columns that may hold a student's name here


def scores(course: Path, assignment: str) -> dict[str, float]:
    """Points by student, late penalties taken off; 0 for a student of the gradebook who handed in nothing.

    Parameters
    ----------
    course : Path
        nbgrader's folder, with gradebook.db.
    assignment : str

    Raises
    ------
    FileNotFoundError
        If the folder has no gradebook: nothing was graded in it.
    """
    path = Path(course).resolve() / "gradebook.db"
    if not path.exists():
        raise FileNotFoundError(f"course must be a folder with gradebook.db, got {str(course)!r}")
    with Gradebook(f"sqlite:///{path}") as gradebook:
        found = {student.id: 0.0 for student in gradebook.students}
        for submission in gradebook.assignment_submissions(assignment):
            penalty = submission.late_submission_penalty or 0.0
            found[submission.student.id] = max(0.0, submission.score - penalty)
    return dict(sorted(found.items()))


def remarks(course: Path, assignment: str) -> dict[str, str]:
    """The report's sentences by student; empty where there is no report."""
    path = Path(course) / f"report-{assignment}.csv"
    if not path.exists():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        return {row["student"]: row["remarks"] for row in csv.DictReader(file)}


def moodle(points: Mapping[str, float], feedback: Mapping[str, str], path: Path) -> None:
    """Write a table to upload under Grades, Import, CSV file.

    Map "ID number" to the user's ID number (or name the folders by mail address, and map it to that), "Grade" to the
    assignment, and "Feedback" to its feedback.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["ID number", "Grade", "Feedback"])
        rows.writerows([who, score, feedback.get(who, "")] for who, score in points.items())


def canvas(points: Mapping[str, float], table: Path, assignment: str, path: Path) -> list[str]:
    """Fill an assignment's column in the table that Canvas exported.

    Parameters
    ----------
    points : mapping
    table : Path
        As Canvas exported it. A student is found by login, SIS number, Canvas number or name, in this order.
    assignment : str
        The column's header begins with it, as in "ps1 (4711)".
    path : Path
        Where to write.

    Returns
    -------
    list of str
        Students with points whom the table does not have.

    Raises
    ------
    ValueError
        If the table has no such column, or several.
    """
    with open(table, newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        headers, lines = list(rows.fieldnames or ()), list(rows)
    columns = [header for header in headers if header == assignment or header.startswith(f"{assignment} (")]
    if len(columns) != 1:
        raise ValueError(f"table must have one column that begins with {assignment!r}, got {headers}")
    left = dict(points)
    for line in lines:
        who = next((line[key] for key in IDENTITIES if line.get(key) in left), None)
        if who is not None:
            line[columns[0]] = str(left.pop(who))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, headers)
        writer.writeheader()
        writer.writerows(lines)
    return sorted(left)
