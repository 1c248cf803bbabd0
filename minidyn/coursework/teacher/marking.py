"""One notebook, run and tested: cells run in the student's kernel, tests in this process.

A test is the teacher's own code. It runs here, with what the teacher's notebook imports, and every other name in it is
looked up in the student's kernel: a function becomes a `RemoteFunction`, whose calls are made there, and a value comes
as data. So what a test draws, expects and compares never enters the student's process.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import io
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.utils import is_grade, is_solution

from minidyn.coursework import seeds, transfer
from minidyn.coursework.teacher import build, kernel
from minidyn.coursework.teacher.sandbox import Limits, Place, Sandbox, place

STRUCK = "Struck out"  # the name of the error that stands in a cell that was given up
BEFORE = -1  # the place of what happens before the first cell
RESTARTS = 12  # of a notebook whose cells end the kernel
TRIES = 2  # of a cell that ends the kernel, or waits too long: the machine may have been short of memory or time


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who handed a notebook in, and who else is in the class; by names in small letters."""

    student: str
    own: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Tests:
    """An assignment's tests.

    Attributes
    ----------
    code : mapping of str to str
        The teacher's code by the name of the cell, hidden tests included.
    imports : str
        All import statements of the teacher's notebook.
    seed : int
        Where the hidden examples are drawn from.
    """

    code: Mapping[str, str]
    imports: str
    seed: int

    @classmethod
    def of(cls, source: Any, seed: int) -> Tests:
        """The tests of the teacher's notebook."""
        code = {build.name_of(cell): cell.source for cell in source.cells if is_test(cell)}
        imports = [node for cell in source.cells if cell.cell_type == "code" for node in _imports(cell.source)]
        return cls(code=code, imports="\n".join(map(ast.unparse, imports)), seed=seed)


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Where and with what a class's notebooks run: the sandbox, its limits, files of the course, and warm caches."""

    sandbox: Sandbox
    limits: Limits = field(default_factory=Limits)
    files: Path | None = None
    cache: Path | None = None

    def furnish(self, here: Place) -> None:
        """Put into a place what a student's process is given: the files that students have, but no notebook."""
        notebooks = shutil.ignore_patterns("*.ipynb", ".ipynb_checkpoints")
        for source, target in ((self.files, here.given / "home"), (self.cache, here.given / "cache")):
            if source is not None:
                shutil.copytree(source, target, ignore=notebooks, dirs_exist_ok=True)


@dataclass
class Marked:
    """A notebook with all its outputs, and what there is to say about it."""

    notebook: Any
    remarks: list[str] = field(default_factory=list)


class RemoteFunction:
    """A function in a student's kernel: called here, it runs there."""

    def __init__(self, running: kernel.Kernel, name: str):
        self._kernel, self.__name__ = running, name

    def __call__(self, *arguments: Any) -> Any:
        try:
            return self._kernel.call(self.__name__, arguments)
        except kernel.AnswerError as error:
            raise _rebuilt(error) from None


def is_test(cell: Any) -> bool:
    """Whether a cell is a test that is marked automatically."""
    return bool(cell.cell_type == "code" and is_grade(cell) and not is_solution(cell))


def mark(notebook: Any, tests: Tests, identity: Identity, workshop: Workshop) -> Marked:
    """Run a whole notebook, and test it.

    Parameters
    ----------
    notebook : notebook
        Made whole by `repair`. A cell that hangs or ends the kernel, twice where the machine may be at fault, is struck
        out, and the notebook runs again without it, as long as there is time.
    tests : Tests
    identity : Identity
    workshop : Workshop

    Returns
    -------
    Marked
        Raises nothing on account of what a student wrote.
    """
    marking = _Marking(notebook, tests, identity, workshop.limits)
    while marking.unfinished():
        marking.starts += 1
        try:
            with place() as here:
                workshop.furnish(here)
                with kernel.start(workshop.sandbox, here, workshop.limits) as running, marking.charged(running):
                    marking.run(running)
        except kernel.Stopped as stopped:
            marking.stopped(stopped)
    return marking.result()


class _Marking:
    """The state of one notebook's marking: which cells are done, which stopped the kernel, and which are struck out."""

    def __init__(self, notebook: Any, tests: Tests, identity: Identity, limits: Limits):
        self.cells, self.notebook = notebook.cells, notebook
        self.tests, self.identity, self.limits = tests, identity, limits
        self.remarks: list[str] = []
        self.outputs: dict[int, list[Any]] = {}
        self.stops: dict[int, list[str]] = {}  # by cell: why each try ended before the cell did
        self.struck: set[int] = set()
        self.current, self.seconds_left, self.starts = BEFORE, limits.seconds, 0

    def unfinished(self) -> bool:
        """Whether there are tests to run or a cell to try again, and time to do it; the first start runs everything."""
        tests = {i for i, cell in enumerate(self.cells) if is_test(cell)}
        waiting = (tests | self.stops.keys()) - self.outputs.keys() - self.struck - {BEFORE}
        may = self.starts <= RESTARTS and self.seconds_left > 0 and BEFORE not in self.struck
        return self.starts == 0 or bool(waiting and may)

    def run(self, running: kernel.Kernel) -> None:
        """Run all cells that were not struck out, in a fresh kernel."""
        self.imported = _executed(self.tests.imports)
        for index, cell in enumerate(self.cells):
            self.current = index
            if cell.cell_type == "code" and index not in self.struck:
                self.outputs.setdefault(index, self._outputs(index, running))

    @contextlib.contextmanager
    def charged(self, running: kernel.Kernel) -> Iterator[None]:
        """Give the kernel what is left of the notebook's time, and take what it leaves."""
        running.seconds_left = self.seconds_left
        try:
            yield
        finally:
            self.seconds_left = running.seconds_left

    def stopped(self, reason: kernel.Stopped) -> None:
        """Give up the cell that was running, unless it deserves another try."""
        why = f"{'the kernel' if self.current == BEFORE else 'this cell'} {reason}"
        self.stops.setdefault(self.current, []).append(why)
        if not reason.again or len(self.stops[self.current]) == TRIES:
            self.struck.add(self.current)
        self.current = BEFORE

    def result(self) -> Marked:
        for index, cell in enumerate(self.cells):
            if cell.cell_type == "code":
                cell.outputs = self.outputs[index] if index in self.outputs else self._without(index)
        return Marked(self.notebook, list(dict.fromkeys(self.remarks)))

    def _outputs(self, index: int, running: kernel.Kernel) -> list[Any]:
        cell = self.cells[index]
        if not is_test(cell):
            return running.run(cell.source)
        if index in self.outputs:  # from an earlier start
            return self.outputs[index]
        return self._test(build.name_of(cell), running)

    def _without(self, index: int) -> list[Any]:
        """What stands in a cell that has not come to its end."""
        if index in self.stops:
            return [_error(STRUCK, self.stops[index][-1])]
        reasons = "; ".join(f"{self._place(index)}: {whys[-1]}" for index, whys in self.stops.items())
        return [_error(STRUCK, f"not run, for the notebook had stopped ({reasons})")]

    def _place(self, index: int) -> str:
        if index == BEFORE:
            return "at the start"
        name = build.name_of(self.cells[index])
        return f"cell '{name}'" if name else f"cell number {index + 1}"

    def _test(self, name: str, running: kernel.Kernel) -> list[Any]:
        """Run a test here. Its outputs: what it prints, or why it failed."""
        code, said = self.tests.code[name], io.StringIO()
        try:
            names = self._names(code, running)
            with (
                contextlib.redirect_stdout(said),
                contextlib.redirect_stderr(io.StringIO()),
                seeds.hidden(self.tests.seed),
            ):
                exec(compile(code, f"<{name}>", "exec"), names)
        except Exception as error:
            return [_failure(error)]
        return [nbformat.v4.new_output("stream", name="stdout", text=said.getvalue())] if said.getvalue() else []

    def _names(self, code: str, running: kernel.Kernel) -> dict[str, Any]:
        """What the names of a test stand for: the teacher's imports, else what the student's kernel has."""
        names: dict[str, Any] = {"__name__": "test"}
        for name in _free_names(code):
            if name in self.imported:
                names[name] = self.imported[name]
            else:
                try:
                    names[name] = self._student(name, self._looked_up(name, running))
                except kernel.AnswerError as error:
                    if error.name != "NameError":
                        raise
        return names  # the test says what is not there

    def _looked_up(self, name: str, running: kernel.Kernel) -> Any:
        value = running.look(name)
        if not isinstance(value, transfer.Opaque) or value.description != "a function":
            return value
        if value.module.split(".")[0] == "minidyn":
            self.remarks.append(f"`{name}`: the answer is the project's own function, of {value.module}. Look at it.")
        return RemoteFunction(running, name)

    def _student(self, name: str, value: Any) -> Any:
        """The variable `student` is believed unless it names somebody else of the class."""
        who = str(value).strip().casefold()
        if name != "student" or not who or who in self.identity.own | {self.identity.student.casefold()}:
            return value
        if who in self.identity.others:
            self.remarks.append(
                f"The notebook says student = {value!r}, who is somebody else: the pictures of "
                f"{self.identity.student!r} were asked for."
            )
            return self.identity.student
        self.remarks.append(f"The notebook says student = {str(value)[:40]!r}, which is no name of this class.")
        return value


def _free_names(code: str) -> list[str]:
    """The names that a test reads, without those of Python itself."""
    nodes = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name))
    return [name for name in dict.fromkeys(node.id for node in nodes) if not hasattr(builtins, name)]


def _imports(code: str) -> Iterable[ast.stmt]:
    """The import statements of a cell; none if it is not plain Python."""
    plain = [line for line in code.splitlines() if not line.startswith(("%", "!"))]
    try:
        nodes = ast.parse("\n".join(plain)).body
    except SyntaxError:
        return []
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def _executed(imports: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(imports, names)
    return names


def _rebuilt(error: kernel.AnswerError) -> Exception:
    """An exception of the same name here, for a check says which error an answer stopped with."""
    if error.name == "NotImplementedError":
        return NotImplementedError(str(error))
    kind: type[Exception] = type(error.name[:60] or "Error", (Exception,), {})
    return kind(str(error))


def _failure(error: Exception) -> Any:
    lines: Sequence[str] = getattr(error, "_render_traceback_", lambda: [f"{type(error).__name__}: {error}"])()
    return _error(type(error).__name__, str(error), lines)


def _error(name: str, text: str, lines: Sequence[str] = ()) -> Any:
    return nbformat.v4.new_output("error", ename=name, evalue=text, traceback=list(lines) or [text])
