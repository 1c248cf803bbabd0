"""The course folder: nbgrader's own layout, and beside it a folder `.grading` with what grading remembers.

::

    source/ps1/ps1.ipynb              the teacher's notebook, with hidden tests
    release/ps1/ps1.ipynb             what students got
    submitted/STUDENT/ps1/ps1.ipynb   what came in; never changed
    repaired/, autograded/            what was graded
    gradebook.db, secret.txt          nbgrader's points; the key of the hidden data
    roster.csv                        optional: student, canvas, number, name, mail
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import secrets
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.preprocessors import ClearOutput
from nbgrader.preprocessors import Execute as NbgraderExecute
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

STUDENT = re.compile(r"[\w@+., -]{1,100}")  # a folder's name; it stands on nbgrader's pages


@dataclass(frozen=True)
class Course:
    """A course folder, and where things are in it."""

    root: Path

    @classmethod
    def at(cls, folder: Path, assignment: str) -> Course:
        """The course in a folder.

        Raises
        ------
        FileNotFoundError
            If it has no source of the assignment.
        """
        root = Path(folder).resolve()
        if not (root / "source" / assignment / f"{assignment}.ipynb").is_file():
            raise FileNotFoundError(f"assignment must be a folder of {root / 'source'}, got {assignment!r}")
        return cls(root)

    def source(self, assignment: str) -> Path:
        return self.root / "source" / assignment / f"{assignment}.ipynb"

    def release(self, assignment: str) -> Path:
        return self.root / "release" / assignment / f"{assignment}.ipynb"

    def submitted(self, student: str, assignment: str) -> Path:
        return self.root / "submitted" / student / assignment

    def repaired(self, student: str, assignment: str) -> Path:
        return self.root / "repaired" / student / assignment

    def autograded(self, student: str, assignment: str) -> Path:
        return self.root / "autograded" / student / assignment

    def report(self, assignment: str) -> Path:
        return self.root / f"report-{assignment}.csv"

    def cache(self) -> Path:
        return self.root / ".grading" / "cache"

    def students(self, assignment: str) -> list[str]:
        """Who has a folder for the assignment, in order."""
        folders = (self.root / "submitted").glob(f"*/{assignment}")
        return sorted(path.parent.name for path in folders if path.is_dir() or path.is_symlink())

    def gradebook(self) -> Gradebook:
        """nbgrader's gradebook.

        Raises
        ------
        FileNotFoundError
            If there is none: nothing was graded in this folder.
        """
        path = self.root / "gradebook.db"
        if not path.exists():
            raise FileNotFoundError(f"course must be a folder with gradebook.db, got {str(self.root)!r}")
        return Gradebook(f"sqlite:///{path}")

    def secret(self) -> str:
        """The key of the hidden data, made when it is first asked for."""
        path = self.root / "secret.txt"
        if not path.exists():
            path.write_text(secrets.token_hex(16) + "\n")
            path.chmod(0o600)
        return path.read_text().strip()

    def roster(self) -> dict[str, dict[str, str]]:
        """Rows of roster.csv by student; empty if there is no such file.

        Raises
        ------
        ValueError
            If the file has no column `student`.
        """
        path = self.root / "roster.csv"
        if not path.exists():
            return {}
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        if rows and "student" not in rows[0]:
            raise ValueError(f"roster.csv must have a column 'student', got {list(rows[0])}")
        return {row["student"].strip(): row for row in rows if (row["student"] or "").strip()}

    def memory(self, assignment: str) -> dict[str, Any]:
        """What grading remembers of an assignment: of each student, and of the release."""
        path = self._memory_file(assignment)
        memory = json.loads(path.read_text()) if path.exists() else {}
        return {"students": {}, "release": "", "trouble": []} | memory

    def remember(self, assignment: str, memory: Mapping[str, Any]) -> None:
        path = self._memory_file(assignment)
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".new").write_text(json.dumps(memory, indent=1))
        path.with_suffix(".new").replace(path)

    def _memory_file(self, assignment: str) -> Path:
        return self.root / ".grading" / f"{assignment}.json"

    def config(self) -> Config:
        """The teacher's nbgrader_config.py, and on top of it what grading needs: nbgrader counts, and runs nothing."""
        own = self.root / "nbgrader_config.py"
        config = PyFileConfigLoader(own.name, path=str(self.root)).load_config() if own.exists() else Config()
        config.CourseDirectory.root = str(self.root)
        config.CourseDirectory.setdefault("course_id", "minidyn")
        config.CourseDirectory.submitted_directory = "repaired"
        config.Autograde.sanitize_preprocessors = _without(Autograde.sanitize_preprocessors, ClearOutput)
        config.Autograde.autograde_preprocessors = _without(Autograde.autograde_preprocessors, NbgraderExecute)
        return config


def _without(preprocessors: Any, unwanted: type) -> list[type]:
    return [kind for kind in preprocessors.default_args[0] if kind is not unwanted]


def fingerprint(*parts: Any) -> str:
    """A short text that changes with any of the values or, if one is a path, with what is in it."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"|")
        if isinstance(part, Path):
            for name, content in _contents(part):
                digest.update(name.encode(errors="replace") + b"\0" + content)
        else:
            digest.update(str(part).encode(errors="replace"))
    return digest.hexdigest()[:16]


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Regular files of a folder, or a file, by name; no link is followed, and no file is read beyond 64 MB."""
    if path.is_file() and not path.is_symlink():
        yield path.name, path.read_bytes()[: 2**26]
        return
    for place, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files)[:5000]:
            file = Path(place) / name
            if file.is_file() and not file.is_symlink():
                with open(file, "rb") as opened:
                    yield str(file.relative_to(path)), opened.read(2**26)


@contextmanager
def surroundings() -> Iterator[None]:
    """nbgrader calls alembic as a program, which stands beside Python; and its own code warns where all is well."""
    before = os.environ["PATH"]
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(nbgrader|nbformat)\.")
            yield
    finally:
        os.environ["PATH"] = before
