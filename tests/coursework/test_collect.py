"""Archives as Moodle and Canvas hand them out: who is who, and what is left."""

import zipfile

import pytest

from minidyn.coursework import __main__ as command
from minidyn.coursework.teacher import build, collect
from tests.coursework.harness import source


@pytest.fixture
def course(tmp_path):
    folder = tmp_path / "course"
    build.write(folder / "source" / "ps1" / "ps1.ipynb", source("ps1"))
    (folder / "roster.csv").write_text(
        'student,number,name,canvas\nada,4711,Ada Lovelace,501\nbob,4712,"O\'Brien, Bob",502\n', encoding="utf-8-sig"
    )
    return folder


def archive(path, *names, content=b"{}"):
    with zipfile.ZipFile(path, "w") as made:
        for number, name in enumerate(names):
            made.writestr(zipfile.ZipInfo(name, (2027, 3, 1, 12, number, 0)), content)
    return path


def submitted(course):
    return sorted(str(path.relative_to(course / "submitted")) for path in (course / "submitted").rglob("*.*"))


def test_moodles_folders_are_collected(course, tmp_path):
    names = [
        "Ada Lovelace_100001_assignsubmission_file_/ps1.ipynb",
        "Ada Lovelace_100001_assignsubmission_onlinetext_/onlinetext.html",
        "Bob O'Brien_100002_assignsubmission_file/work.zip",
        "Zoë Żak_100003_assignsubmission_file_/ps1 (1).ipynb",
        "Zoë Żak_100003_assignsubmission_file_/notes.pdf",
    ]
    collected = collect.moodle(course, "ps1", archive(tmp_path / "m.zip", *names))
    assert collected.students == ["Zoë Żak", "ada", "bob"]
    assert submitted(course) == ["Zoë Żak/ps1/ps1 (1).ipynb", "ada/ps1/ps1.ipynb", "bob/ps1/work.zip"]
    assert collected.left == [names[1], names[4]]


def test_moodles_files_without_folders_are_collected(course, tmp_path):
    names = [
        "Ada Lovelace_100001_assignsubmission_file_ps1.ipynb",
        "Bob O'Brien_100002_assignsubmission_file_my_ps1.ipynb",
    ]
    assert collect.moodle(course, "ps1", archive(tmp_path / "m.zip", *names)).students == ["ada", "bob"]
    assert submitted(course) == ["ada/ps1/ps1.ipynb", "bob/ps1/my_ps1.ipynb"]


def test_canvas_files_are_collected_and_late_ones_named(course, tmp_path):
    names = ["lovelaceada_501_98765_ps1.ipynb", "obrienbob_LATE_502_98766_ps1-2.ipynb", "zakzoe_777_98767_ps1.ipynb"]
    collected = collect.canvas(course, "ps1", archive(tmp_path / "c.zip", *names))
    assert (collected.students, collected.late) == (["777", "ada", "bob"], ["bob"])
    assert submitted(course) == ["777/ps1/ps1.ipynb", "ada/ps1/ps1.ipynb", "bob/ps1/ps1-2.ipynb"]


def test_a_new_archive_replaces_the_old_submission(course, tmp_path):
    collect.canvas(course, "ps1", archive(tmp_path / "c.zip", "lovelaceada_501_1_ps1.ipynb"))
    collect.canvas(course, "ps1", archive(tmp_path / "d.zip", "lovelaceada_501_2_ps1-1.ipynb"))
    assert submitted(course) == ["ada/ps1/ps1-1.ipynb"]


@pytest.mark.parametrize(
    "name",
    [
        "../../evil_1_assignsubmission_file_/ps1.ipynb",
        ".._1_assignsubmission_file_/ps1.ipynb",
        "<b>_1_assignsubmission_file_/ps1.ipynb",
        "Eve_1_assignsubmission_file_/../../../x.ipynb",
        "Eve_1_assignsubmission_file_/.hidden.ipynb",
    ],
)
def test_no_name_leads_out_of_the_course(course, tmp_path, name):
    before = {path for path in tmp_path.rglob("*") if "submitted" not in path.parts}
    path = archive(tmp_path / "m.zip", name, "Ada Lovelace_2_assignsubmission_file_/ps1.ipynb")
    collect.moodle(course, "ps1", path)
    assert {path for path in tmp_path.rglob("*") if "submitted" not in path.parts} - before == {path}
    for file in (course / "submitted").rglob("*.ipynb"):
        student, assignment, name = file.relative_to(course / "submitted").parts
        assert assignment == "ps1"
        assert not name.startswith(".")
        assert "<" not in student


def test_what_is_no_such_archive_is_refused(course, tmp_path, capsys):
    with pytest.raises(ValueError, match="archive must have submissions in the platform's layout, got"):
        collect.moodle(course, "ps1", archive(tmp_path / "m.zip", "ps1.ipynb"))
    (tmp_path / "x.zip").write_text("no archive")
    assert command.main(["collect", "ps1", "--course", str(course), "--moodle", str(tmp_path / "x.zip")]) == 2
    assert command.main(["collect", "ps2", "--course", str(course), "--canvas", str(tmp_path / "m.zip")]) == 2
    assert "assignment must be a folder of" in capsys.readouterr().err


def test_the_command_says_who_was_collected(course, tmp_path, capsys):
    path = archive(tmp_path / "c.zip", "lovelaceada_LATE_501_98765_ps1.ipynb", "readme.txt")
    assert command.main(["collect", "ps1", "--course", str(course), "--canvas", str(path)]) == 0
    shown = capsys.readouterr()
    assert shown.out == "1 submissions: ada\nlate, by the platform's word: ada\n"
    assert "readme.txt" in shown.err
