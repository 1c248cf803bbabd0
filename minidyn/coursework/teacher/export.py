"""Points for a learning platform: a table for Moodle, or a column in the table that Canvas gave.

Points are those of `results`: with those given by hand, without late penalties. Moodle lets you say which column is
which. Canvas wants its own table back, with the assignment's column filled in.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from minidyn.coursework.teacher.course import Course
from minidyn.coursework.teacher.results import StudentResult, results

IDENTITIES = ("SIS Login ID", "SIS User ID", "ID", "Student")  # Canvas's columns that may hold a student's name here


def exported(course: Path, assignment: str) -> dict[str, StudentResult]:
    """The results that may leave the course: those without trouble.

    Raises
    ------
    FileNotFoundError
        If the folder has no gradebook: nothing was graded in it.
    """
    table = results(Course(Path(course).resolve()), assignment)
    return {student: result for student, result in table.items() if not result.trouble}


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
    return {student: result.score for student, result in exported(course, assignment).items()}


def remarks(course: Path, assignment: str) -> dict[str, str]:
    """The report's sentences by student."""
    return {student: " ".join(result.remarks) for student, result in exported(course, assignment).items()}


def moodle(points: Mapping[str, float], feedback: Mapping[str, str], path: Path) -> None:
    """Write a table to upload under Grades, Import, CSV file.

    Map "ID number" to the user's ID number (or name the folders by mail address, and map it to that), "Grade" to the
    assignment, and "Feedback" to its feedback.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["ID number", "Grade", "Feedback"])
        rows.writerows([_text(who), score, _text(feedback.get(who, ""))] for who, score in points.items())


def canvas(points: Mapping[str, float], table: Path, assignment: str, path: Path) -> list[str]:
    """Fill an assignment's column in the table that Canvas exported.

    Parameters
    ----------
    points : mapping
    table : Path
        As Canvas exported it. A student is looked up by login, SIS number, Canvas number or name, in this order.
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


def _text(value: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t")) else value
