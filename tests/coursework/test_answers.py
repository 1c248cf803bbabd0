"""Every assignment against right and wrong answers: who loses what, and what is said."""

import importlib

import pytest

from tests.coursework.answers import ROUTES, WRONG
from tests.coursework.harness import ASSIGNMENTS, name_of, released, run, tasks


def check_of(assignment, task):
    return getattr(importlib.import_module(f"minidyn.coursework.{assignment}"), task)


PAIRS = [(a, task) for a in ASSIGNMENTS for task in tasks(a)]
FUNCTIONS = [(a, task) for a, task in PAIRS if hasattr(check_of(a, task), "draw")]  # the others are read off a picture
WRONG_ROWS = [(a, task, *row) for a in ASSIGNMENTS for task, rows in WRONG[a].items() for row in rows]
ROUTE_ROWS = [(a, task, code) for a in ASSIGNMENTS for task, codes in ROUTES[a].items() for code in codes]


def others_pass(said, task):
    assert {name: text for name, text in said.items() if name != task and text} == {}


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_master_is_right_on_everybodys_data(assignment, seed):
    assert set(run(assignment, seed=seed).values()) == {None}
    assert len(tasks(assignment)) >= 4


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_a_blank_notebook_earns_nothing(assignment):
    blank = {name_of(c): c.source for c in released(assignment).cells if name_of(c)}
    answers = {task: blank[task] for task in tasks(assignment)}
    for hidden in (False, True):
        said = run(assignment, answers, hidden=hidden)
        assert all("not written yet" in text or "no answer yet" in text for text in said.values()), said


@pytest.mark.parametrize(("assignment", "task"), PAIRS)
def test_four_wrong_answers_are_tried_for_every_task(assignment, task):
    assert len(WRONG[assignment][task]) >= 4


@pytest.mark.parametrize(("assignment", "task", "old", "new", "sentence"), WRONG_ROWS)
def test_a_wrong_answer_loses_its_task_only_and_is_told_why(assignment, task, old, new, sentence):
    right = tasks(assignment)[task]
    assert old in right
    answer = {task: right.replace(old, new)}
    for hidden in (False, True):
        said = run(assignment, answer, hidden=hidden)
        assert said[task] is not None
        assert sentence in said[task]
        others_pass(said, task)


@pytest.mark.parametrize(("assignment", "task", "code"), ROUTE_ROWS)
def test_other_right_answers_pass(assignment, task, code):
    if "import torch" in code:
        pytest.importorskip("torch")
    for hidden in (False, True):
        assert set(run(assignment, {task: code}, hidden=hidden).values()) == {None}


@pytest.mark.parametrize(("assignment", "task"), FUNCTIONS)
def test_answers_learned_by_heart_from_the_public_data_fail(assignment, task):
    code = f"""
import itertools
from minidyn.coursework import {assignment}
check = {assignment}.{task}
seen = [check.right(*arguments) for _, arguments in check.examples(0)]
turn = itertools.cycle(seen)
def {task}(*arguments):
    return next(turn)
"""
    assert run(assignment, {task: code}, hidden=False)[task] is None
    said = run(assignment, {task: code})
    assert said[task] is not None
    others_pass(said, task)


@pytest.mark.parametrize(("assignment", "task"), FUNCTIONS)
def test_every_misunderstanding_of_a_table_gets_its_own_sentence(assignment, task):
    check = check_of(assignment, task)
    for sentence, function in check.wrong.items():
        for seed in (0, 7):
            with pytest.raises(AssertionError, match=r"^`") as failed:
                check(function, seed=seed)
            assert str(failed.value) == f"`{task}`: {sentence}"
