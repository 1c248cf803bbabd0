"""A student's folder as it came in: which notebook counts, when it came, and what else was in it.

The folder is ``submitted/STUDENT/ps1/``. The notebook may lie in a folder or a zip archive there, and may have another
name: ``ps1.ipynb`` counts, else the newest whose name begins with ``ps1``, else the only one. A file ``timestamp.txt``
beside it, with a line such as ``2027-03-01 12:00:00 UTC``, says when it was handed in. If it cannot be read, the work
counts as in time, and the report says so.

A folder may hold anything: links, pipes, archives, copies. Only regular files are opened, up to a limit. Other files
are named in the report.
"""

from __future__ import annotations

import io
import os
import re
import stat
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.utils import parse_utc

MAX_BYTES = 30 * 2**20  # of a notebook
MAX_ENTRIES = 2000  # of a folder or an archive that are looked at
MAX_CELLS = 2000
TIMESTAMP = "timestamp.txt"


@dataclass
class Submission:
    """What a student handed in: a notebook, or None, with remarks on the files, and the time as nbgrader writes it."""

    notebook: Any = None
    remarks: list[str] = field(default_factory=list)
    timestamp: str | None = None


@dataclass(frozen=True)
class _File:
    """A notebook's file: its path below the student's folder, and when it was changed."""

    path: str
    changed: float
    content: bytes

    @property
    def name(self) -> str:
        return Path(self.path).name


def read(folder: Path, assignment: str) -> Submission:
    """Read what a student handed in.

    Parameters
    ----------
    folder : Path
        The student's, for this assignment. Folders and zip archives in it are looked into.
    assignment : str
        The notebook of this name counts, else the newest whose name begins with it, else the only one.
    """
    submission = Submission()
    folder = Path(folder)
    if any(path.is_symlink() for path in (folder, folder.parent)):
        submission.remarks.append("Nothing graded: the folder is a link to another place.")
        return submission
    submission.timestamp = _timestamp(folder, submission.remarks)
    files = _notebooks(folder, submission.remarks)
    chosen = _chosen(files, assignment, submission.remarks)
    if chosen is not None:
        submission.notebook = _parsed(chosen, submission.remarks)
    return submission


def _notebooks(folder: Path, remarks: list[str]) -> list[_File]:
    """All notebooks in a folder, in folders below it and in archives. Other files are named in a remark."""
    notebooks, others = [], []
    for path in _entries(folder, remarks):
        name = str(path.relative_to(folder))
        kind = path.lstat().st_mode
        if not stat.S_ISREG(kind):
            remarks.append(f"'{name}' is {'a link' if stat.S_ISLNK(kind) else 'no file'}: it was not opened.")
        elif path.suffix.lower() == ".ipynb":
            notebooks.append(_File(name, path.stat().st_mtime, _content(path)))
        elif path.suffix.lower() == ".zip":
            notebooks += _zipped(path, name, remarks)
        elif name != TIMESTAMP:
            others.append(name)
    if others:
        remarks.append(f"Other files were handed in, and not used: {', '.join(sorted(others)[:5])}.")
    return notebooks


def _entries(folder: Path, remarks: list[str]) -> Iterator[Path]:
    """Files, links and the like below a folder, without hidden ones. Links are not followed."""
    count = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted(files) + links:
            count += 1
            if count > MAX_ENTRIES:
                remarks.append(f"The folder holds more than {MAX_ENTRIES} files: the others were not looked at.")
                return
            if not name.startswith("."):
                yield Path(place) / name


def _content(path: Path) -> bytes:
    """A file's first bytes: one more than may be, so that a file that is too large shows."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        return file.read(MAX_BYTES + 1)


def _zipped(path: Path, name: str, remarks: list[str]) -> list[_File]:
    """The notebooks in an archive."""
    try:
        with zipfile.ZipFile(io.BytesIO(_content(path))) as archive:
            members = [m for m in archive.infolist()[:MAX_ENTRIES] if _is_notebook(m.filename)]
            return [_File(f"{name}/{m.filename}", changed(m), _unzipped(archive, m)) for m in members[:20]]
    except Exception as error:  # whatever a broken archive raises
        remarks.append(f"'{name}' could not be unpacked ({type(error).__name__}: {error}).")
        return []


def _is_notebook(name: str) -> bool:
    hidden = any(part.startswith((".", "__MACOSX")) for part in Path(name).parts)
    return name.lower().endswith(".ipynb") and not hidden


def _unzipped(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as file:
        return file.read(MAX_BYTES + 1)


def changed(member: zipfile.ZipInfo) -> float:
    """When a file in an archive was changed, in seconds."""
    return time.mktime((*member.date_time, 0, 0, -1))


def _chosen(files: list[_File], assignment: str, remarks: list[str]) -> _File | None:
    """The notebook that counts."""
    exact = [file for file in files if file.name == f"{assignment}.ipynb"]
    named = exact or [file for file in files if re.match(rf"{re.escape(assignment)}(?![0-9])", file.name)] or files
    if not named:
        remarks.append("Nothing graded: the folder holds no notebook.")
        return None
    if named is files and len(files) > 1:
        remarks.append(
            f"Nothing graded: the folder holds {len(files)} notebooks and none of them is {assignment}.ipynb."
        )
        return None
    at_top = [file for file in named if file.path == f"{assignment}.ipynb"]
    chosen = at_top[0] if at_top else max(named, key=lambda file: (file.changed, file.path))
    if len(named) > 1:
        why = "counts" if at_top else "is the newest and counts"
        remarks.append(f"There are {len(named)} copies of the notebook: {chosen.path} {why}.")
    elif chosen.path != f"{assignment}.ipynb":
        remarks.append(f"The file is called {chosen.path}, not {assignment}.ipynb.")
    return chosen


def _parsed(file: _File, remarks: list[str]) -> Any:
    """The notebook in a file, in the present format and with sound cells; None if it is none."""
    try:
        if len(file.content) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES // 2**20} MB")
        encoding = "utf-16" if file.content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        notebook = nbformat.reads(file.content.decode(encoding), as_version=4)
        if len(notebook.cells) > MAX_CELLS:
            raise ValueError(f"it has more than {MAX_CELLS} cells")
        notebook.cells = [_sound(cell) for cell in notebook.cells]
        return notebook
    except Exception as error:  # whatever a broken file raises
        text = " ".join(f"{type(error).__name__}: {error}".split())
        remarks.append(f"Nothing graded: {file.path} is not a notebook ({text:.200}).")
        return None


def _sound(cell: Any) -> Any:
    """A cell made anew, of what is graded: its kind, source, name and pictures."""
    if not isinstance(cell.source, str) or not isinstance(cell.metadata, dict):
        raise ValueError("a cell has no text")
    kinds = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
    made = kinds.get(cell.cell_type, nbformat.v4.new_raw_cell)(cell.source, id=str(cell.get("id") or "none"))
    about = cell.metadata.get("nbgrader")
    if isinstance(about, dict):
        made.metadata["nbgrader"] = nbformat.from_dict(about)
    if isinstance(cell.get("attachments"), dict) and cell.cell_type == "markdown":
        made.attachments = cell.attachments
    return made


def _timestamp(folder: Path, remarks: list[str]) -> str | None:
    """The time of a submission, if the file that says it can be understood."""
    path = folder / TIMESTAMP
    if path.is_symlink() or not path.is_file():
        return None
    text = _content(path)[:200].decode(errors="replace").strip()
    try:
        parse_utc(text)
        return text
    except Exception:  # whatever a parser of dates raises
        remarks.append(f"{TIMESTAMP} does not say a time ({text!r:.60}): the work counts as in time.")
        return None
