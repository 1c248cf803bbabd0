"""Notebooks as students hand them in: what is made whole, and what is said."""

import copy

import nbformat
import pytest

from minidyn.coursework.teacher import build
from minidyn.coursework.teacher.repair import repair
from tests.coursework.harness import name_of, released, source


@pytest.fixture
def answered():
    """A right submission of the first assignment."""
    return build.solution(source("ps1"))


def cell(notebook, name):
    return next(c for c in notebook.cells if name_of(c) == name)


def graded(notebook):
    return [name_of(c) for c in notebook.cells if name_of(c)]


WHOLE = graded(released("ps1"))


def repaired(notebook):
    fixed, remarks = repair(notebook, released("ps1"))
    nbformat.validate(fixed)
    assert sorted(graded(fixed)) == sorted(WHOLE)
    return fixed, remarks


def test_a_whole_notebook_stays_as_it_is(answered):
    fixed, remarks = repaired(answered)
    assert remarks == []
    assert [c.source for c in fixed.cells] == [c.source for c in answered.cells]


def test_a_deleted_answer_comes_back_empty(answered):
    answered.cells.remove(cell(answered, "arm"))
    fixed, remarks = repaired(answered)
    assert remarks == ["Answer 'arm' is missing: deleted or renamed. It counts as empty."]
    assert "NotImplementedError" in cell(fixed, "arm").source
    assert graded(fixed) == WHOLE


def test_a_deleted_test_comes_back(answered):
    for name in ("test-arm", "test-cross_entropy", "answer-open"):
        answered.cells.remove(cell(answered, name))
    fixed, remarks = repaired(answered)
    assert len(remarks) == 3
    assert graded(fixed) == WHOLE


def test_a_copied_answer_counts_where_it_stands_last(answered):
    first = copy.deepcopy(cell(answered, "arm"))
    first.source = "arm = None"
    answered.cells.insert(0, first)
    fixed, remarks = repaired(answered)
    assert remarks == ["Cell 'arm' is there more than once: the last one counts."]
    assert "radius" in cell(fixed, "arm").source
    assert fixed.cells[0].source == "arm = None"


def test_a_renamed_answer_is_run_and_does_not_count(answered):
    cell(answered, "arm").metadata.nbgrader.grade_id = "leg"
    fixed, remarks = repaired(answered)
    assert len(remarks) == 2
    assert "'leg'" in remarks[0]
    sources = [c.source for c in fixed.cells]
    empty = sources.index(cell(fixed, "arm").source)
    assert "NotImplementedError" in sources[empty]
    assert any("radius" in text for text in sources[:empty]), "the empty answer is the one that counts"


def test_an_edited_test_is_the_original_again(answered):
    cell(answered, "test-arm").source = "pass"
    fixed, remarks = repaired(answered)
    assert remarks == ["Test 'test-arm' was edited: the original was run."]
    assert cell(fixed, "test-arm").source == cell(released("ps1"), "test-arm").source


@pytest.mark.parametrize(("name", "kind"), [("arm", "markdown"), ("answer-open", "code")])
def test_a_cell_of_another_kind_is_turned_back(answered, name, kind):
    cell(answered, name).cell_type = kind
    fixed, remarks = repaired(answered)
    assert len(remarks) == 1
    assert cell(fixed, name).cell_type == cell(released("ps1"), name).cell_type


def test_more_points_in_the_metadata_are_not_more_points(answered):
    cell(answered, "test-arm").metadata.nbgrader.points = 1000
    fixed, _ = repaired(answered)
    assert build.points(fixed) == build.points(source("ps1"))


def test_a_moved_cell_is_noticed_and_left_where_it_is(answered):
    moved = cell(answered, "test-arm")
    answered.cells.remove(moved)
    answered.cells.append(moved)
    fixed, remarks = repaired(answered)
    assert remarks == ["Cell 'test-arm' was moved down."]
    assert name_of(fixed.cells[-1]) == "test-arm"


def test_cells_of_the_students_own_are_kept(answered):
    answered.cells.insert(3, nbformat.v4.new_code_cell("mine = 1"))
    fixed, remarks = repaired(answered)
    assert remarks == []
    assert fixed.cells[3].source == "mine = 1"


def test_everything_deleted_is_an_empty_notebook(answered):
    answered.cells = []
    fixed, remarks = repaired(answered)
    assert graded(fixed) == WHOLE
    assert len(remarks) == len(WHOLE)


def test_cells_that_lost_their_names_are_known_by_their_ids(answered):
    for one in answered.cells:
        one.metadata.pop("nbgrader", None)
    fixed, remarks = repaired(answered)
    assert remarks == [f"{len(WHOLE)} cells had lost their names, and were recognised by their ids."]
    assert "radius" in cell(fixed, "arm").source


def test_a_test_that_the_teacher_has_changed_is_not_called_edited(answered):
    changed = copy.deepcopy(released("ps1"))
    cell(changed, "test-arm").source += "\nps1.arm(arm, seed=3)"
    fixed, remarks = repair(answered_by_release(answered), changed)
    assert remarks == ["Test 'test-arm' is that of an earlier version of the assignment: the present one was run."]
    assert cell(fixed, "test-arm").source == cell(changed, "test-arm").source


def answered_by_release(answered):
    """The released notebook, checksums and all, with the answers of a solution."""
    notebook = copy.deepcopy(released("ps1"))
    for one in notebook.cells:
        if name_of(one) and one.metadata.nbgrader.solution:
            one.source = cell(answered, name_of(one)).source
    return notebook
