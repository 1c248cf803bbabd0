"""Whole submissions through nbgrader: what each student gets, and what the report says of them."""

import copy
import csv
import shutil

import pytest

from minidyn.coursework import __main__ as command
from minidyn.coursework import seeds
from minidyn.coursework.teacher import build, export
from minidyn.coursework.teacher import grade as grading
from tests.coursework.answers import WRONG
from tests.coursework.harness import ASSIGNMENTS, name_of, source, tasks

pytestmark = pytest.mark.slow

LOOP = """
def descend(gradient, w, rate, steps):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
"""


def submission(assignment, **answers):
    """The master's solution with some cells' sources replaced; None deletes a cell."""
    notebook = build.solution(source(assignment))
    kept = []
    for cell in notebook.cells:
        name = name_of(cell)
        if name in answers and answers[name] is None:
            continue
        if name.startswith("answer-"):
            cell.source = "My own words."
        cell.source = answers.get(name, cell.source)
        kept.append(cell)
    notebook.cells = kept
    return notebook


def with_copy(notebook, name):
    notebook.cells.insert(2, copy.deepcopy(next(c for c in notebook.cells if name_of(c) == name)))
    return notebook


def renamed(notebook, name):
    next(c for c in notebook.cells if name_of(c) == name).metadata.nbgrader.grade_id = "mine"
    return notebook


def hand_in(course, assignment, student, notebook, filename=None):
    build.write(course / "submitted" / student / assignment / f"{filename or assignment}.ipynb", notebook)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    build.build(folder)
    return folder / "instructor"


def auto(assignment):
    return {name: value for name, (value, by_hand) in build.points(source(assignment)).items() if not by_hand}


@pytest.fixture(scope="module")
def odd(course):
    """The first assignment, handed in in every odd way: lines by student."""
    students = {
        "a-master": submission("ps1"),
        "b-crash": submission("ps1", arm="def arm(j, classes, noise)\n    return"),
        "c-raise": submission("ps1", arm="1 / 0"),
        "d-loop": submission("ps1", descend=LOOP),
        "e-dead": submission("ps1", backward="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
        "f-deleted": submission("ps1", arm=None),
        "g-no-test": submission("ps1", **{"test-arm": None}),
        "h-copied": with_copy(submission("ps1"), "arm"),
        "i-renamed": renamed(submission("ps1"), "arm"),
        "j-test": submission("ps1", **{"test-arm": "pass", "arm": "arm = len"}),
        "k-wrong": submission("ps1", cross_entropy=tasks("ps1")["cross_entropy"].replace(".mean()", ".sum()")),
    }
    for student, notebook in students.items():
        hand_in(course, "ps1", student, notebook)
    hand_in(course, "ps1", "l-blank", build.release(source("ps1")))
    hand_in(course, "ps1", "m-name", submission("ps1"), filename="ps1 (2)")
    (course / "submitted" / "n-nothing" / "ps1").mkdir(parents=True)
    broken = course / "submitted" / "o-broken" / "ps1" / "ps1.ipynb"
    broken.parent.mkdir(parents=True)
    broken.write_text('{"cells": [')
    broken.with_name("link").symlink_to("nowhere")
    hollow = course / "submitted" / "p-hollow" / "ps1" / "ps1.ipynb"
    hollow.parent.mkdir(parents=True)
    hollow.write_text('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"source": 3}]}')
    return {line.student: line for line in grading.grade(course, "ps1", timeout=20, secret="of a test")}


LOST = {
    "a-master": ([], None),
    "b-crash": (["arm"], "`arm`: its cell stopped with SyntaxError"),
    "c-raise": (["arm"], "`arm`: its cell stopped with ZeroDivisionError"),
    "d-loop": (["descend"], "`descend`: Struck out: this cell ran for more than 20 s."),
    "e-dead": (["backward"], "`backward`: its cell stopped with Struck out: this cell ended the kernel."),
    "f-deleted": (["arm"], "Answer 'arm' is missing: deleted or renamed."),
    "g-no-test": ([], "Test 'test-arm' was missing and is back."),
    "h-copied": ([], "Cell 'arm' is there more than once: the last one counts."),
    "i-renamed": (["arm"], "Cell 'mine' is not in the assignment"),
    "j-test": (["arm"], "Test 'test-arm' was edited: the original was run."),
    "k-wrong": (["cross_entropy"], "`cross_entropy`: You added the samples up."),
    "l-blank": (list(tasks("ps1")), "`arm` is not written yet."),
    "m-name": ([], "The file is called ps1 (2).ipynb, not ps1.ipynb."),
    "n-nothing": (list(tasks("ps1")), "Nothing graded: the folder holds no notebook."),
    "o-broken": (list(tasks("ps1")), "Nothing graded: ps1.ipynb is not a notebook"),
    "p-hollow": (list(tasks("ps1")), "Nothing graded: ps1.ipynb is not a notebook"),
}


@pytest.mark.parametrize("student", LOST)
def test_each_loses_what_is_broken_and_the_report_says_why(odd, student):
    lost, sentence = LOST[student]
    line = odd[student]
    assert line.tests == {n: 0.0 if n.removeprefix("test-") in lost else p for n, p in auto("ps1").items()}
    assert line.score == sum(line.tests.values())
    assert line.max_score == 30
    if sentence is None:
        assert line.remarks == []
    else:
        assert sentence in " ".join(line.remarks)
    handed_in = lost != list(tasks("ps1"))
    assert line.to_grade == (["answer-prediction", "answer-open"] if handed_in else [])


def test_the_report_has_a_line_for_each(odd, course):
    with open(course / "report-ps1.csv", newline="", encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert {who: float(rows[who]["score"]) for who in odd} == {who: line.score for who, line in odd.items()}
    assert rows["a-master"]["remarks"] == ""
    assert float(rows["k-wrong"]["test-cross_entropy"]) == 0


def test_a_kernel_knows_its_seed_and_not_the_secret(odd, course):
    notebook = submission("ps1")
    look = "import os\nprint(os.environ['MINIDYN_HIDDEN_SEED'], 'of a test' in str(dict(os.environ)))"
    notebook.cells.append(build.nbformat.v4.new_code_cell(look))
    hand_in(course, "ps1", "z-curious", notebook)
    grading.grade(course, "ps1", students=["z-curious"], secret="of a test")
    graded = build.nbformat.read(course / "autograded" / "z-curious" / "ps1" / "ps1.ipynb", as_version=4)
    said = graded.cells[-1].outputs[0].text.split()
    assert said == [str(seeds.seed_from_secret("of a test", "ps1", "z-curious")), "False"]


def test_submissions_are_left_as_they_came(odd, course):
    assert not any("HIDDEN TESTS" in path.read_text() for path in (course / "submitted").rglob("*.ipynb"))
    assert (course / "submitted" / "m-name" / "ps1" / "ps1 (2).ipynb").exists()


def test_points_given_by_hand_survive_a_regrade_and_reach_the_platforms(odd, course, tmp_path, capsys):
    with grading.Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        for name, points in (("answer-prediction", 4), ("answer-open", 3.5)):
            grade = gradebook.find_grade(name, "ps1", "ps1", "a-master")
            grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.db.commit()
    again = grading.grade(course, "ps1", students=["a-master"], secret="of a test")
    assert [line.score for line in again] == [22 + 7.5]
    table = tmp_path / "canvas.csv"
    table.write_text("Student,ID,SIS Login ID,Section,ps1 (77)\nMaster,1,a-master,S1,\nNobody,2,x,S1,\n")
    out = tmp_path / "out.csv"
    options = ["--course", str(course), "--out", str(out)]
    assert command.main(["export", "ps1", "--canvas", str(table), *options]) == 0
    assert out.read_text().splitlines()[1] == "Master,1,a-master,S1,29.5"
    assert "k-wrong" in capsys.readouterr().err
    assert command.main(["export", "ps1", *options]) == 0
    assert "a-master,29.5,\n" in out.read_text()
    assert "k-wrong,18.0,`cross_entropy`: You added the samples up." in out.read_text()


def test_late_work_is_noted(odd, course):
    hand_in(course, "ps1", "y-late", submission("ps1"))
    (course / "submitted" / "y-late" / "ps1" / "timestamp.txt").write_text("2027-03-01 13:00:00 UTC")
    with grading.Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        gradebook.update_or_create_assignment("ps1", duedate="2027-03-01 12:00:00 UTC")
    (line,) = grading.grade(course, "ps1", students=["y-late"])
    assert line.late == 3600
    assert export.scores(course, "ps1")["y-late"] == 22
    own = course / "nbgrader_config.py"
    before = own.read_text()
    own.write_text(before + "c.LateSubmissionPlugin.penalty_method = 'zero'\n")
    grading.grade(course, "ps1", students=["y-late"])
    own.write_text(before)
    assert export.scores(course, "ps1")["y-late"] == 0


def test_a_corrected_test_reaches_those_who_have_handed_in(odd, course):
    path = course / "source" / "ps1" / "ps1.ipynb"
    before = path.read_text()
    after = before.replace("ps1.arm(arm, seed=seeds.hidden_seed())", "assert arm is None, 'harder now'")
    assert after != before
    try:
        for text, points in ((after, 0), (before, 3)):
            path.write_text(text)
            shutil.rmtree(course / "release" / "ps1")
            (line,) = grading.grade(course, "ps1", students=["m-name"])
            assert line.tests["test-arm"] == points
            assert ("harder now" in " ".join(line.remarks)) == (points == 0)
    finally:
        path.write_text(before)


@pytest.mark.parametrize("assignment", [a for a in ASSIGNMENTS if a != "ps1"])
def test_nbgrader_agrees_on_every_assignment(course, assignment):
    task = next(iter(tasks(assignment)))
    old, new, sentence = WRONG[assignment][task][0]
    hand_in(course, assignment, "master", submission(assignment))
    hand_in(course, assignment, "blank", build.release(source(assignment)))
    hand_in(course, assignment, "wrong", submission(assignment, **{task: tasks(assignment)[task].replace(old, new)}))
    blank, master, wrong = grading.grade(course, assignment, per_student=False)
    assert master.tests == auto(assignment)
    assert master.remarks == []
    assert (blank.score, len(blank.remarks)) == (0, len(tasks(assignment)))
    assert wrong.tests == master.tests | {f"test-{task}": 0.0}
    assert sentence in " ".join(wrong.remarks)


def test_what_students_get_is_what_nbgrader_would_make(course, odd):
    made = build.nbformat.read(course / "release" / "ps1" / "ps1.ipynb", as_version=4)
    ours = build.release(source("ps1"))
    assert [(c.source, c.metadata.get("nbgrader")) for c in made.cells] == [
        (c.source, c.metadata.get("nbgrader")) for c in ours.cells
    ]


def test_a_class_of_sixty_is_graded_around_its_troublemakers(tmp_path):
    build.build(tmp_path)
    course = tmp_path / "instructor"
    for number in range(60):
        hand_in(course, "ps1", f"s{number:02}", submission("ps1"))
    hand_in(course, "ps1", "s10", submission("ps1", descend=LOOP))
    hand_in(course, "ps1", "s20", submission("ps1", arm="import os\nos._exit(1)"))
    hand_in(course, "ps1", "s30", submission("ps1", arm=None))
    (course / "submitted" / "s40" / "ps1" / "ps1.ipynb").write_bytes(b"\x00\xff")
    lines = grading.grade(course, "ps1", timeout=20)
    points = {line.student: line.score for line in lines}
    assert len(points) == 60
    assert {who: score for who, score in points.items() if score != 22} == {"s10": 18, "s20": 19, "s30": 19, "s40": 0}
    print("seconds a submission:", sorted(round(line.seconds, 1) for line in lines))
