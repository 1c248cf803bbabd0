"""Cells that misbehave: what they break, and what runs all the same."""

import nbformat
import pytest

from minidyn.coursework.teacher.sandbox import Execute

pytestmark = pytest.mark.slow

ABOUT = {"nbgrader": {"student": "ada", "assignment": "ps1"}, "metadata": {"path": "."}}
HANGS = "this cell ran for more than 4 s"
DIES = "this cell ended the kernel"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("while True: print('x' * 200)", HANGS),
        ("while True:\n    try:\n        input()\n    except BaseException:\n        pass", HANGS),
        ("import os; os._exit(1)", DIES),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", DIES),
        ("raise SystemExit(3)", "3"),
        ("quit()", None),
        ("import os; os.close(1); os.close(2)", None),
    ],
)
def test_the_cells_around_it_run(code, error):
    cells = [nbformat.v4.new_code_cell(text) for text in ("a = 1", code, "a = a + 1; a")]
    done, _ = Execute(timeout=4).preprocess(nbformat.v4.new_notebook(cells=cells), ABOUT)
    errors = [out.evalue for out in done.cells[1].outputs if out.output_type == "error"]
    assert errors == ([error] if error else [])
    assert done.cells[2].outputs[0].data["text/plain"] == "2"


def test_a_notebook_of_hanging_cells_is_given_up_in_the_end(monkeypatch):
    monkeypatch.setattr("minidyn.coursework.teacher.sandbox.MOST", 2)
    cells = [nbformat.v4.new_code_cell(text) for text in ("1", *["while True: pass"] * 5)]
    done, _ = Execute(timeout=2).preprocess(nbformat.v4.new_notebook(cells=cells), ABOUT)
    assert done.cells[0].outputs[0].data["text/plain"] == "1"
    said = [cell.outputs[0].evalue for cell in done.cells[1:]]
    assert said == ["this cell ran for more than 2 s"] * 3 + ["earlier cells hang: given up"] * 2
