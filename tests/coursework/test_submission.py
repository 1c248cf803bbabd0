"""What a student's folder may hold: which notebook counts, and what is never opened."""

import os
import zipfile

import nbformat
import pytest

from minidyn.coursework.teacher import build
from minidyn.coursework.teacher.submission import read
from tests.coursework.harness import released

PS1 = nbformat.writes(released("ps1"))


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "ada" / "ps1"
    path.mkdir(parents=True)
    return path


def remarks_of(folder):
    return read(folder, "ps1").remarks


def is_read(folder):
    return read(folder, "ps1").notebook is not None


def test_a_folder_with_the_notebook_needs_no_remark(folder):
    (folder / "ps1.ipynb").write_text(PS1)
    assert is_read(folder)
    assert remarks_of(folder) == []


def test_an_empty_folder_is_said_to_be_empty(folder):
    assert remarks_of(folder) == ["Nothing graded: the folder holds no notebook."]


def test_a_file_under_another_name_is_read_if_it_is_the_only_one(folder):
    (folder / "homework.ipynb").write_text(PS1)
    assert is_read(folder)
    assert remarks_of(folder) == ["The file is called homework.ipynb, not ps1.ipynb."]
    (folder / "notes.ipynb").write_text(PS1)
    assert not is_read(folder)
    assert "2 notebooks and none of them is ps1.ipynb" in remarks_of(folder)[0]
    (folder / "ps1.ipynb").write_text(PS1)
    assert remarks_of(folder) == []


def test_the_newest_of_several_copies_counts(folder):
    for number, name in enumerate(["ps1 (2).ipynb", "ps1-final.ipynb", "ps1 (1).ipynb"]):
        notebook = nbformat.reads(PS1, as_version=4)
        notebook.cells[0].source = name
        build.write(folder / name, notebook)
        os.utime(folder / name, (1000 * (5 - number), 1000 * (5 - number)))
    (folder / "ps10.ipynb").write_text(PS1)
    assert read(folder, "ps1").notebook.cells[0].source == "ps1 (2).ipynb"
    assert remarks_of(folder) == ["There are 3 copies of the notebook: ps1 (2).ipynb is the newest and counts."]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_does_no_harm(folder, encoding):
    (folder / "ps1.ipynb").write_text(PS1, encoding=encoding)
    assert is_read(folder)
    assert remarks_of(folder) == []


def test_folders_in_folders_and_archives_are_looked_into(folder):
    (folder / "ada" / "work").mkdir(parents=True)
    (folder / "ada" / "work" / "ps1.ipynb").write_text(PS1)
    assert is_read(folder)
    assert remarks_of(folder) == ["The file is called ada/work/ps1.ipynb, not ps1.ipynb."]
    (folder / "ada" / "work" / "ps1.ipynb").unlink()
    with zipfile.ZipFile(folder / "hand-in.zip", "w") as archive:
        archive.writestr("x/ps1.ipynb", PS1)
        archive.writestr("__MACOSX/x/._ps1.ipynb", "rubbish")
    assert is_read(folder)
    assert remarks_of(folder) == ["The file is called hand-in.zip/x/ps1.ipynb, not ps1.ipynb."]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"{", "NotJSONError"),
        (b"", "NotJSONError"),
        (bytes(range(256)), "UnicodeDecodeError"),
        (b'{"cells": [', "NotJSONError"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"source": 3}]}', "ValidationError"),
        (b"[" * 100_000, "RecursionError"),
    ],
)
def test_a_broken_file_is_refused_with_the_real_error(folder, content, error):
    (folder / "ps1.ipynb").write_bytes(content)
    assert not is_read(folder)
    assert remarks_of(folder)[0].startswith(f"Nothing graded: ps1.ipynb is not a notebook ({error}: ")


def test_a_broken_archive_and_a_huge_notebook_are_refused(folder, monkeypatch):
    (folder / "work.zip").write_bytes(b"PK rubbish")
    assert "'work.zip' could not be unpacked (BadZipFile: " in remarks_of(folder)[0]
    monkeypatch.setattr("minidyn.coursework.teacher.submission.MAX_BYTES", 1000)
    (folder / "ps1.ipynb").write_text(PS1)
    assert "it has more than 0 MB" in remarks_of(folder)[-1]


def test_an_archive_that_would_fill_the_memory_is_not_unpacked(folder, monkeypatch):
    monkeypatch.setattr("minidyn.coursework.teacher.submission.MAX_BYTES", 10_000)
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ps1.ipynb", b"0" * 10_000_000)
    assert "it has more than" in remarks_of(folder)[-1]


def test_links_pipes_and_loops_are_named_and_not_opened(folder, tmp_path):
    (tmp_path / "secret.ipynb").write_text(PS1)
    (folder / "ps1.ipynb").symlink_to(tmp_path / "secret.ipynb")
    (folder / "away").symlink_to(tmp_path)
    (folder / "loop").symlink_to(".")
    (folder / "nowhere").symlink_to("nothing")
    os.mkfifo(folder / "pipe.ipynb")
    assert not is_read(folder)
    remarks = remarks_of(folder)
    for name in ("ps1.ipynb", "away", "loop", "nowhere"):
        assert f"'{name}' is a link: it was not opened." in remarks
    assert "'pipe.ipynb' is no file: it was not opened." in remarks


def test_a_folder_that_is_a_link_is_refused(folder, tmp_path):
    (tmp_path / "bob").symlink_to(folder.parent)
    (folder / "ps1.ipynb").write_text(PS1)
    assert remarks_of(tmp_path / "bob" / "ps1") == ["Nothing graded: the folder is a link to another place."]


def test_other_files_are_named_and_not_used(folder):
    (folder / "ps1.ipynb").write_text(PS1)
    (folder / "minidyn").mkdir()
    (folder / "minidyn" / "__init__.py").write_text("")
    assert remarks_of(folder) == ["Other files were handed in, and not used: minidyn/__init__.py."]


def test_too_many_files_are_not_looked_at(folder, monkeypatch):
    monkeypatch.setattr("minidyn.coursework.teacher.submission.MAX_ENTRIES", 5)
    for number in range(10):
        (folder / f"a{number}.txt").write_text("")
    assert any("more than 5 files" in remark for remark in remarks_of(folder))


def test_a_time_that_cannot_be_read_is_a_remark(folder):
    (folder / "ps1.ipynb").write_text(PS1)
    (folder / "timestamp.txt").write_text("2027-03-01 13:00:00 UTC")
    submission = read(folder, "ps1")
    assert (submission.timestamp, submission.remarks) == ("2027-03-01 13:00:00 UTC", [])
    (folder / "timestamp.txt").write_text("yesterday, I think")
    submission = read(folder, "ps1")
    assert submission.timestamp is None
    assert submission.remarks == [
        "timestamp.txt does not say a time ('yesterday, I think'): the work counts as in time."
    ]
