"""What a learning platform hands out, put where grading looks: an archive of all submissions of one assignment.

A new archive replaces what a student had handed in before.

Moodle ("Download all submissions") names a student's folder, or each file, by name and participant number::

    Ada Lovelace_4711_assignsubmission_file_/ps1.ipynb        Ada Lovelace_4711_assignsubmission_file_ps1.ipynb

Canvas ("Download Submissions") has one folder of files, named by student, Canvas's number of the student, whether the
file was late, its own number, and its name::

    lovelaceada_4711_98765_ps1.ipynb                          lovelaceada_LATE_4711_98765_ps1-1.ipynb

A student is looked up in roster.csv by name or number. Who is not there is filed under the name (Moodle) or the number
(Canvas, whose table of grades has it) that the platform gives.
"""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from minidyn.coursework.teacher.course import STUDENT, Course
from minidyn.coursework.teacher.submission import MAX_BYTES, changed

MOODLE = re.compile(r"(?P<name>[^/]+?)_(?P<number>\d+)_assignsubmission_file_?/?(?P<file>.*)")
CANVAS = re.compile(r"(?:[^/]*/)?(?P<name>[^/_]+)(?P<late>_LATE)?_(?P<number>\d+)_\d+_(?P<file>[^/]+)")
WANTED = (".ipynb", ".zip")


@dataclass
class Collected:
    """Who was collected, in order; who was late by the platform's word; and what was left in the archive."""

    students: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def moodle(course: Path, assignment: str, archive: Path) -> Collected:
    """Put the submissions of an archive from Moodle into `submitted/`, in place of earlier ones.

    Raises
    ------
    FileNotFoundError
        If the course has no source of the assignment, or there is no such archive.
    ValueError
        If the archive has no submission in Moodle's layout.
    """
    return _collect(Course.at(course, assignment), assignment, Path(archive), MOODLE)


def canvas(course: Path, assignment: str, archive: Path) -> Collected:
    """Put the submissions of an archive from Canvas into `submitted/`, in place of earlier ones.

    Raises
    ------
    FileNotFoundError
        If the course has no source of the assignment, or there is no such archive.
    ValueError
        If the archive has no submission in Canvas's layout.
    """
    return _collect(Course.at(course, assignment), assignment, Path(archive), CANVAS)


def _collect(course: Course, assignment: str, archive: Path, layout: re.Pattern[str]) -> Collected:
    collected, names = Collected(), _names(course.roster())
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            match = layout.fullmatch(member.filename)
            if member.is_dir():
                continue
            if match is None or not match["file"].lower().endswith(WANTED):
                collected.left.append(member.filename)
                continue
            student = _student(match, names, layout is MOODLE)
            folder = course.submitted(student, assignment)
            if student not in collected.students:
                collected.students.append(student)
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
            if match.groupdict().get("late") and student not in collected.late:
                collected.late.append(student)
            _unpack(opened, member, folder / _file_name(match["file"]))
    if not collected.students:
        raise ValueError(f"archive must have submissions in the platform's layout, got {collected.left[:3]}")
    collected.students.sort()
    return collected


def _names(roster: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Students by all that a platform may call them: the words of their names in any order, and their numbers."""
    names = {}
    for student, row in roster.items():
        for called in (student, row.get("name") or "", row.get("number") or "", row.get("canvas") or ""):
            if called.strip():
                names[_key(called)] = student
                names[_key(" ".join(called.replace(",", " ").split()[::-1]))] = student
    return names


def _key(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _student(match: re.Match[str], names: Mapping[str, str], by_name: bool) -> str:
    known = names.get(_key(match["number"])) or names.get(_key(match["name"]))
    other = match["name"].strip() if by_name else match["number"]
    return known or (other if STUDENT.fullmatch(other) and other not in (".", "..") else match["number"])


def _file_name(name: str) -> str:
    """A plain file name, without folders, that cannot hide."""
    return re.sub(r"[^\w .()+-]", "_", PurePosixPath(name).name).lstrip(".") or "work.ipynb"


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    with archive.open(member) as file:
        path.write_bytes(file.read(MAX_BYTES + 1))
    os.utime(path, (changed(member), changed(member)))
