"""A student's kernel: what cells may do to it, what they cost, and what runs all the same."""

from typing import ClassVar

import nbformat
import numpy as np
import pytest

from minidyn.coursework.callables import PolynomialGradient
from minidyn.coursework.teacher import kernel, marking, sandbox

pytestmark = pytest.mark.slow

LIMITS = sandbox.Limits(seconds=30, cell_seconds=4, memory=2**29, output_bytes=20_000)
LONG = "this cell ran for more than 4 s"
DIES = "this cell ended the kernel"


@pytest.fixture(scope="module")
def way(tmp_path_factory):
    return sandbox.choose(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def running(way):
    with sandbox.place() as here, kernel.start(way, here, sandbox.Limits(seconds=300)) as started:
        yield started


def marked(way, *codes, tests=None, limits=LIMITS, identity=None):
    cells = [nbformat.v4.new_code_cell(code) for code in codes]
    for name in tests or {}:
        about = {"grade_id": name, "grade": True, "solution": False, "locked": True, "points": 1}
        cells.append(nbformat.v4.new_code_cell("", metadata={"nbgrader": about}))
    notebook = nbformat.v4.new_notebook(cells=cells)
    wanted = marking.Tests(code=tests or {}, imports="import numpy as np", seed=5)
    identity = identity or marking.Identity(student="ada")
    return marking.mark(notebook, wanted, identity, marking.Workshop(sandbox=way, limits=limits))


TEST = {"test-x": "assert a == 2, a\nprint('right')"}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("while True: print('x' * 200)", LONG),
        ("while True:\n    try:\n        input()\n    except BaseException:\n        pass", LONG),
        ("import time\ntime.sleep(1000)", LONG),
        ("import os\nos._exit(1)", DIES),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", DIES),
        ("data = []\nwhile True: data.append(b'1' * 2**24)", "this cell used more than 0.5 GB of memory"),
        ("raise SystemExit(3)", "3"),
        ("quit()", None),
        ("exit()\nraise SystemExit", ""),
        ("import os\nos.close(1)\nos.close(2)", None),
        ("import logging\nlogging.warning('x')", None),
        ("import threading\nthreading.Timer(0.5, print, ['late']).start()", None),
    ],
)
def test_the_cells_around_it_run(way, code, error):
    done = marked(way, "a = 1", code, "a = a + 1\na", tests=TEST).notebook
    errors = [out.evalue for out in done.cells[1].outputs if out.output_type == "error"]
    assert errors == ([error] if error is not None else [])
    assert done.cells[2].outputs[-1].data["text/plain"] == "2"
    assert [out.get("text") for out in done.cells[3].outputs] == ["right\n"]


class Unlucky(kernel.Kernel):
    """A kernel that something outside ends, as a machine without memory does, each time a cell of `cells` runs."""

    cells: ClassVar[tuple[str, ...]] = ()
    accidents: ClassVar[list[str]] = []

    def run(self, code):
        if code in self.cells and code not in self.accidents:
            self.accidents.append(code)
            self._process.kill()
        return super().run(code)

    def look(self, name):
        if name in self.cells and name not in self.accidents:
            self.accidents.append(name)
            self._process.kill()
        return super().look(name)


@pytest.mark.parametrize("name", ["a = 1", "a"])
def test_an_accident_of_the_machine_costs_no_points(way, monkeypatch, name):
    monkeypatch.setattr(kernel, "Kernel", type("_", (Unlucky,), {"cells": (name,), "accidents": []}))
    cells = ["a = 1", "a = a + 1\na"]
    notebook = marked(way, *cells, tests=TEST).notebook
    assert [out.get("text") for out in notebook.cells[2].outputs] == ["right\n"]
    assert notebook.cells[1].outputs[-1].data["text/plain"] == "2"


def test_a_last_cell_gets_its_other_try_too(way, monkeypatch):
    monkeypatch.setattr(kernel, "Kernel", type("_", (Unlucky,), {"cells": ("'the end'",), "accidents": []}))
    done = marked(way, "a = 2", "'the end'").notebook
    assert done.cells[1].outputs[-1].data["text/plain"] == "'the end'"


@pytest.mark.parametrize(("running", "waited"), [(True, 0.0), (False, 1.0)])
def test_waiting_for_a_processor_costs_a_student_nothing(monkeypatch, running, waited):
    now, usage = [0.0], kernel._Usage(memory=0, cpu=0.0, running=running)
    monkeypatch.setattr(kernel.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(kernel, "_usage", lambda process: usage)
    clock = kernel._Clock(1, allowed=20, reason="ran on")
    for now[0] in np.arange(0.1, 2.01, 0.1):
        clock.look()
    assert clock.used == pytest.approx(waited)
    now[0] += 100  # the grader itself was kept from looking
    clock.look()
    assert clock.used == pytest.approx(waited + (not running) * kernel.LONGEST_BEAT / 2)


def test_a_machine_that_stands_still_costs_a_student_nothing(monkeypatch):
    """The system charges the process that was running when a machine was stopped for all of the pause."""
    seconds = iter([3.0, 3.1, 33.1, 33.2, 33.0, 33.1])
    monkeypatch.setattr(kernel, "_usage", lambda process: kernel._Usage(memory=0, cpu=next(seconds), running=True))
    clock = kernel._Clock(1, allowed=20, reason="ran on")
    used = [clock.look() and clock.used for _ in range(5)]
    assert used == pytest.approx([0.1, 1.1, 1.2, 1.2, 1.3])


def test_an_error_in_a_cell_costs_the_next_nothing(running, monkeypatch):
    asked = []
    execute = running._client.execute
    monkeypatch.setattr(
        running._client, "execute", lambda *a, **k: asked.append(k["stop_on_error"]) or execute(*a, **k)
    )
    running.run("here = 3\n1 / 0")
    assert running.look("here") == 3
    assert asked == [False, False]


def test_a_test_says_why_it_could_not_look_at_an_answer(way):
    done = marked(way, "import numpy as np\na = np.zeros(10**6)", tests=TEST).notebook
    assert "the answer must have at most" in done.cells[1].outputs[0].evalue


def test_a_notebook_of_hanging_cells_ends_with_its_time(way):
    limits = sandbox.Limits(seconds=6, cell_seconds=2)
    done = marked(way, "1", *["while True: pass"] * 5, tests=TEST, limits=limits).notebook
    assert done.cells[0].outputs[0].data["text/plain"] == "1"
    reasons = [cell.outputs[0].evalue for cell in done.cells[1:]]
    assert reasons[0] == "this cell ran for more than 2 s"
    assert reasons[-1].startswith("not run, for the notebook had stopped (cell number 2: this cell ran for more")


def test_tests_that_have_run_keep_their_result_if_a_later_cell_uses_up_the_time(way):
    cells = ["a = 2"]
    notebook = marked(way, *cells, tests=TEST, limits=LIMITS).notebook
    notebook.cells += [nbformat.v4.new_code_cell("while True: pass") for _ in range(4)]
    wanted = marking.Tests(code=TEST, imports="", seed=5)
    workshop = marking.Workshop(sandbox=way, limits=sandbox.Limits(seconds=5, cell_seconds=3))
    done = marking.mark(notebook, wanted, marking.Identity(student="ada"), workshop).notebook
    assert [out.get("text") for out in done.cells[1].outputs] == ["right\n"]


def test_what_a_cell_shows_is_bounded(way):
    done = marked(way, "for _ in range(20): print('x' * 10_000)", "1").notebook
    assert len(str(done.cells[0].outputs)) < 25_000
    assert "dropped" in done.cells[0].outputs[-1].text


def test_processes_are_bounded_and_end_with_the_kernel(way):
    code = """
import subprocess, os
count = 0
try:
    for count in range(1000):
        subprocess.Popen(["sleep", "999.25"], start_new_session=True)
except OSError:
    pass
count < 100
"""
    done = marked(way, code).notebook
    assert done.cells[0].outputs[-1].data["text/plain"] == "True"
    import psutil

    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not any("999.25" in command for command in commands)


def test_a_kernel_sees_its_own_folder_and_nothing_else(way, running, tmp_path):
    if way.name != "bubblewrap":
        pytest.skip("only namespaces hide the rest")
    (tmp_path / "secret.txt").write_text("secret")
    outputs = running.run(f"""
import os, socket
def able(action, *arguments):
    try:
        action(*arguments)
        return True
    except OSError:
        return False
print(os.listdir(), able(os.listdir, {str(tmp_path)!r}), able(os.listdir, "/etc"), able(os.setuid, 0),
      able(socket.create_connection, ("1.1.1.1", 53), 1), able(open, {str(sandbox.PACKAGE / "x")!r}, "w"),
      [name for name in os.environ if "SECRET" in name or "SEED" in name])
""")
    assert outputs[0].text == "[] False False False False False []\n"


def test_arrays_and_functions_cross_as_data(running):
    running.run("import numpy as np\ndef twice(g, w): return g(w), 2 * w, 'text', None, (1, 2.5)")
    gradient = PolynomialGradient(np.eye(2), np.zeros(2), np.zeros(2))
    at, twice, text, nothing, pair = running.call("twice", [gradient, np.array([1.0, 2.0])])
    assert (list(at), list(twice), text, nothing, pair) == ([1, 2], [2, 4], "text", None, [1, 2.5])


def test_an_answers_error_crosses_with_its_name_and_text(running):
    running.run("def broken(): raise KeyError('which')\ndef leaves(): raise SystemExit(3)")
    with pytest.raises(kernel.AnswerError, match="which") as error:
        running.call("broken", [])
    assert error.value.name == "KeyError"
    with pytest.raises(kernel.AnswerError) as error:
        running.call("leaves", [])
    assert error.value.name == "SystemExit"
    with pytest.raises(kernel.AnswerError) as error:
        running.look("nowhere")
    assert error.value.name == "NameError"


@pytest.mark.parametrize(
    "patch",
    [
        "T.answer = lambda *a: 'rubbish'",
        "T.answer = lambda *a: T.pack({'value': 1, 'error': 5}) [:-7]",
        "T.answer = lambda *a: T.pack([1, 2])",
        "T.answer = lambda *a: 'A' * 10**7",
        "T.answer = lambda *a: T.base64.b64encode(b'[' * 10**5).decode()",
        """T.answer = lambda *a: T.base64.b64encode(
            b'{"dict": [["value", {"array": ["|O", [1], "C", "gASVAA=="]}]]}').decode()""",
        """T.answer = lambda *a: T.base64.b64encode(
            b'{"dict": [["value", {"array": ["<f8", [1000000000000], "C", ""]}]]}').decode()""",
        """T.answer = lambda *a: T.base64.b64encode(
            b'{"dict": [["value", {"callable": "os", "fields": []}]]}').decode()""",
    ],
)
def test_a_forged_answer_is_an_error_and_nothing_runs(way, patch):
    with sandbox.place() as here, kernel.start(way, here, sandbox.Limits(cell_seconds=10)) as started:
        started.run(f"import minidyn.coursework.transfer as T\ndef f(): return 1\n{patch}")
        with pytest.raises((kernel.AnswerError, kernel.Stopped)):
            started.call("f", [])


def test_the_teachers_names_in_a_test_are_not_the_students(way):
    done = marked(way, "a = 2\nclass np: allclose = staticmethod(lambda *a: True)",
                  tests={"test-x": "assert not np.allclose(a, 3)\nprint('right')"})  # fmt: skip
    assert done.notebook.cells[1].outputs[0].text == "right\n"


@pytest.mark.parametrize(
    ("written", "read", "remark"),
    [
        ("", "", None),
        ("Ada ", "Ada ", None),
        ("4711", "4711", None),
        ("bob", "ada", "who is somebody else"),
        ("zoe", "zoe", "which is no name of this class"),
    ],
)
def test_a_notebook_cannot_be_handed_in_as_somebody_else(way, written, read, remark):
    identity = marking.Identity(student="ada", own=frozenset({"ada", "4711"}), others=frozenset({"bob"}))
    done = marked(way, f"student = {written!r}", tests={"test-x": "print(repr(student))"}, identity=identity)
    assert done.notebook.cells[1].outputs[0].text == f"{read!r}\n"
    assert [remark in text for text in done.remarks] == ([True] if remark else [])
