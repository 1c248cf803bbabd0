"""A class at a time: read what came in, make it whole, run and test it in a sandbox, and let nbgrader count.

Notebooks run on all cores, each in a sandbox of its own. What comes back is written to nbgrader's gradebook one after
the other, and after each student the report is written anew: what happens to one never stops the others.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import joblib
import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI

from minidyn import _renamed
from minidyn.coursework import seeds
from minidyn.coursework.teacher import build, caches, marking, sandbox
from minidyn.coursework.teacher.course import STUDENT, Course, fingerprint, surroundings
from minidyn.coursework.teacher.marking import Identity, Marked, Tests, Workshop
from minidyn.coursework.teacher.repair import repair
from minidyn.coursework.teacher.results import StudentResult, points_of_everybody, results, write_report
from minidyn.coursework.teacher.sanitise import sanitise
from minidyn.coursework.teacher.submission import TIMESTAMP, Submission, read

NOTHING = "Nothing graded"  # how the remark begins that takes all points


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How notebooks run.

    Attributes
    ----------
    container : str, optional
        The command of a container, see `sandbox.Container`. Default: bubblewrap, or what else works here.
    unprotected : bool
        Go on without protection if nothing else works.
    workers : int, optional
        Notebooks that run at a time. Default: one per core.
    memory : int
        Bytes that all processes of a notebook may hold together.
    """

    container: str | None = None
    unprotected: bool = False
    workers: int | None = None
    memory: int = sandbox.Limits.memory


@dataclass(frozen=True)
class Progress:
    """How far a class is: its latest result, how many are done, and the seconds that are probably left."""

    result: StudentResult
    done: int
    total: int
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class _Job:
    """All that a worker needs to mark one student's notebook."""

    student: str
    assignment: str
    course: Course
    seed: int
    identity: Identity
    workshop: Workshop


@dataclass
class _Outcome:
    """What a worker gives back: a marked notebook, or None, and remarks."""

    job: _Job
    notebook: Any = None
    remarks: list[str] = field(default_factory=list)
    timestamp: str | None = None
    seconds: float = 0.0


def grade(
    course: Path,
    assignment: str,
    *,
    students: Sequence[str] | Literal["all"] | None = None,
    timeout: float = 60,
    secret: str | None = None,
    per_student: bool = True,
    conditions: Conditions | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> list[StudentResult]:
    """Grade an assignment's submissions, and write `report-<assignment>.csv` into the course folder.

    Parameters
    ----------
    course : Path
        nbgrader's folder, with source/ and submitted/<student>/<assignment>/. Submissions are left as they are.
    assignment : str
        For example "ps1".
    students : sequence of str or "all", optional
        Whom to grade, whether something has changed or not. Default: all who submitted, and whose submission, tests
        or due date have changed since they were last graded.
    timeout : float
        Seconds of CPU that a notebook may use; a quarter of it for one cell.
    secret : str, optional
        The key of the hidden data. Default: the course's own, in secret.txt.
    per_student : bool
        Whether each student meets hidden data of their own.
    conditions : Conditions, optional
        How notebooks run.
    progress : callable, optional
        Called after each student.

    Returns
    -------
    list of StudentResult
        Of the students who were graded now. `results.results` has all.

    Raises
    ------
    FileNotFoundError
        If the assignment has no source, or nobody submitted.
    ValueError
        If `timeout` or the number of workers is not positive.
    NoSandbox
        If student code cannot be kept apart on this machine.
    """
    conditions = conditions or Conditions()
    workers = joblib.cpu_count() if conditions.workers is None else conditions.workers
    if timeout <= 0 or workers < 1:
        raise ValueError(f"timeout and workers must be positive, got {timeout!r} and {workers!r}")
    here = Course.at(course, assignment)
    chosen = _chosen(here, assignment, None if students == "all" else students)
    way = sandbox.choose(here.root, container=conditions.container, unprotected=conditions.unprotected)
    with surroundings():
        marker = _Class(here, assignment, secret or here.secret(), per_student)
        todo = chosen if students is not None else marker.changed(chosen)
        workshop = Workshop(
            sandbox=way,
            limits=sandbox.Limits(seconds=timeout, cell_seconds=timeout / 4, memory=conditions.memory),
            files=here.release(assignment).parent,
            cache=caches.warm(here.cache()) if todo else None,
        )
        marker.grade(todo, workshop, workers, progress or (lambda _: None))
        table = results(here, assignment)
    return [table[student] for student in chosen if student in todo]


def _chosen(course: Course, assignment: str, students: Sequence[str] | None) -> list[str]:
    submitted = course.students(assignment)
    chosen = submitted if students is None else [student for student in submitted if student in set(students)]
    if not chosen or (students is not None and set(students) - set(submitted)):
        raise FileNotFoundError(f"students must have submitted/<student>/{assignment}, got {students or 'nobody'}")
    return chosen


class _Class:
    """One assignment of a course while it is graded: nbgrader, what is remembered, and what must not change."""

    def __init__(self, course: Course, assignment: str, secret: str, per_student: bool):
        self.course, self.assignment, self.secret, self.per_student = course, assignment, secret, per_student
        self.api = NbGraderAPI(config=course.config())
        self.memory = course.memory(assignment)
        self._release()
        self.tests = nbformat.read(course.source(assignment), as_version=4)
        self.released = nbformat.read(course.release(assignment), as_version=4)
        self.untouched = self._fixed()

    def changed(self, students: Sequence[str]) -> list[str]:
        """Who must be graded: new or changed submissions, tests that have changed, a due date that has moved."""
        remembered = self.memory["students"]
        return [s for s in students if remembered.get(s, {}).get("fingerprint") != self._fingerprint(s)]

    def grade(
        self, students: Sequence[str], workshop: Workshop, workers: int, progress: Callable[[Progress], None]
    ) -> None:
        """Run the students' notebooks, and count each as it is done."""
        began = time.monotonic()
        jobs = [self._job(student, workshop) for student in students]
        for done, outcome in enumerate(_marked(jobs, workers), start=1):
            self._count(outcome)
            left = (time.monotonic() - began) / done * (len(jobs) - done)
            result = results(self.course, self.assignment)[outcome.job.student]
            progress(Progress(result, done, len(jobs), left))
        if self._fixed() != self.untouched:
            self.memory["trouble"] = ["Source or release changed while the class was graded."]
            self._remember()
        write_report(self.course, self.assignment)

    def _job(self, student: str, workshop: Workshop) -> _Job:
        roster = self.course.roster()
        everybody = {*roster, *self.course.students(self.assignment)}
        names = {name: _aliases(name, roster.get(name, {})) for name in everybody}
        others = frozenset().union(*(aliases for name, aliases in names.items() if name != student))
        who = student if self.per_student else ""
        return _Job(
            student=student,
            assignment=self.assignment,
            course=self.course,
            seed=seeds.seed_from_secret(self.secret, self.assignment, who),
            identity=Identity(student=student, own=names[student], others=others - names[student]),
            workshop=workshop,
        )

    def _count(self, outcome: _Outcome) -> None:
        """Write one outcome into the gradebook, the memory and the report."""
        student, remarks = outcome.job.student, outcome.remarks
        trouble: list[str] = []
        if not STUDENT.fullmatch(student):
            trouble.append("The folder's name has characters that are not allowed: rename it.")
        else:
            with self.api.gradebook as gradebook:
                before = points_of_everybody(gradebook, self.assignment)
            self._autograde(outcome)
            trouble += self._assertions(student, before)
        self.memory["students"][student] = {
            "fingerprint": self._fingerprint(student),
            "remarks": remarks,
            "trouble": trouble,
            "seconds": outcome.seconds,
        }
        self._remember()
        write_report(self.course, self.assignment)

    def _autograde(self, outcome: _Outcome) -> None:
        """Let nbgrader take the points of a notebook that has run; no points where there is none."""
        student, assignment = outcome.job.student, self.assignment
        repaired = self.course.repaired(student, assignment)
        for folder in (repaired, self.course.autograded(student, assignment)):
            shutil.rmtree(folder, ignore_errors=True)
        graded = False
        if outcome.notebook is not None:
            build.write(repaired / f"{assignment}.ipynb", outcome.notebook)
            if outcome.timestamp is not None:
                (repaired / TIMESTAMP).write_text(outcome.timestamp + "\n")
            graded = self._counted(student, outcome.remarks)
        if not graded:
            with self.api.gradebook as gradebook:
                _give_nothing(gradebook, assignment, student)

    def _counted(self, student: str, remarks: list[str]) -> bool:
        try:
            done = self.api.autograde(self.assignment, student)
        except Exception as error:  # whatever nbgrader makes of it
            done = {"success": False, "error": f"{type(error).__name__}: {error}"}
        if not done["success"]:
            last = str(done.get("error") or done.get("log")).strip().splitlines()[-1]
            remarks.append(f"{NOTHING}: nbgrader stopped with {last}")
        return bool(done["success"])

    def _assertions(self, student: str, before: dict[str, float]) -> list[str]:
        """What must hold after a student was graded, and does not."""
        trouble = []
        with self.api.gradebook as gradebook:
            after = points_of_everybody(gradebook, self.assignment)
            submission = gradebook.find_submission(self.assignment, student)
            if submission.score > submission.max_score:
                trouble.append(f"More points than there are: {submission.score:g} of {submission.max_score:g}.")
        others = [name for name in before if name != student and before[name] != after.get(name)]
        if others:
            trouble.append(f"Other students' points changed at the same time: {', '.join(others)}.")
        return trouble

    def _fingerprint(self, student: str) -> str:
        with self.api.gradebook as gradebook:
            due = gradebook.find_assignment(self.assignment).duedate
        own = self.course.root / "nbgrader_config.py"
        folder = self.course.submitted(student, self.assignment)
        return fingerprint(folder, self.course.source(self.assignment), due, own, self.secret, self.per_student)

    def _fixed(self) -> str:
        """Of what grading must leave as it is."""
        return fingerprint(*(self.course.root / name for name in ("source", "release", "nbgrader_config.py")))

    def _release(self) -> None:
        """Generate the students' notebook if nbgrader does not know it yet, or the source has changed."""
        source = fingerprint(self.course.source(self.assignment))
        there = self.course.release(self.assignment).exists() and self._known()
        if there and self.memory["release"] in ("", source):
            self.memory["release"] = source
            return
        done = self.api.generate_assignment(self.assignment, force=True)
        if not done["success"]:
            raise RuntimeError(f"nbgrader could not generate {self.assignment!r}: {done.get('error')}")
        self.memory["release"] = source
        self._remember()

    def _known(self) -> bool:
        with self.api.gradebook as gradebook:
            try:
                gradebook.find_notebook(self.assignment, self.assignment)
            except MissingEntry:
                return False
        return True

    def _remember(self) -> None:
        self.course.remember(self.assignment, self.memory)


def _aliases(student: str, row: dict[str, str]) -> frozenset[str]:
    """A student's names, as `student = ...` in a notebook may say them."""
    names = (student, *(row.get(column) or "" for column in ("number", "mail", "name")))
    return frozenset(name.strip().casefold() for name in names if name.strip())


def _marked(jobs: Sequence[_Job], workers: int) -> Iterator[_Outcome]:
    """Outcomes as they come. If a worker dies, who is left is marked one at a time."""
    waiting = {job.student: job for job in jobs}
    with suppress(joblib.externals.loky.process_executor.BrokenProcessPool):
        calls = (joblib.delayed(_mark)(job) for job in jobs)
        for outcome in joblib.Parallel(workers, return_as="generator_unordered")(calls):
            waiting.pop(outcome.job.student)
            yield outcome
    for job in waiting.values():
        yield _mark_alone(job)


def _mark_alone(job: _Job) -> _Outcome:
    try:
        return joblib.Parallel(2)([joblib.delayed(_mark)(job)])[0]
    except joblib.externals.loky.process_executor.BrokenProcessPool:
        return _Outcome(job, remarks=[f"{NOTHING}: the grader's own process ended at this notebook. Look at it."])


def _mark(job: _Job) -> _Outcome:
    """Mark one student's notebook, in a worker. Raises nothing on account of what was handed in."""
    began = time.perf_counter()
    try:
        outcome = _outcome(job)
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        outcome = _Outcome(job, remarks=[f"{NOTHING}: the grader stopped with {text:.200}."])
    outcome.seconds = time.perf_counter() - began
    return outcome


def _outcome(job: _Job) -> _Outcome:
    course, assignment = job.course, job.assignment
    submission: Submission = read(course.submitted(job.student, assignment), assignment)
    outcome = _Outcome(job, remarks=submission.remarks, timestamp=submission.timestamp)
    if submission.notebook is None:
        return outcome
    source = nbformat.read(course.source(assignment), as_version=4)
    released = nbformat.read(course.release(assignment), as_version=4)
    whole, remarks = repair(submission.notebook, released)
    marked: Marked = marking.mark(whole, Tests.of(source, job.seed), job.identity, job.workshop)
    outcome.remarks += remarks + marked.remarks
    unanswered = {build.name_of(cell): cell.source for cell in released.cells if cell.cell_type == "markdown"}
    outcome.remarks += _failures(marked.notebook)
    outcome.notebook = with_rubrics(sanitise(marked.notebook, unanswered), source)
    return outcome


def with_rubrics(notebook: Any, source: Any) -> Any:
    """The notebook with the teacher's rubric after each written answer, so that it stands there in formgrader."""
    rubrics = {build.name_of(cell): build.rubric(cell) for cell in source.cells if cell.cell_type == "markdown"}
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "markdown" and rubrics.get(build.name_of(cell)):
            cells.append(nbformat.v4.new_markdown_cell(rubrics[build.name_of(cell)]))
    notebook.cells = cells
    return notebook


def _give_nothing(gradebook: Gradebook, assignment: str, student: str) -> None:
    gradebook.update_or_create_student(student)
    submission = gradebook.update_or_create_submission(assignment, student)
    for notebook in submission.notebooks:
        for grade in notebook.grades:
            grade.auto_score, grade.needs_manual_grade = 0, False
    gradebook.db.commit()


def _failures(notebook: Any) -> list[str]:
    """Why tests failed, a sentence each, and which of the other cells were struck out."""
    errors, sentences = {}, []
    for number, cell in enumerate(notebook.cells, start=1):
        error = next((out for out in cell.get("outputs", []) if out.output_type == "error"), None)
        if error and build.name_of(cell):
            errors[build.name_of(cell)] = error
        elif error and error.ename == marking.STRUCK:
            sentences.append(f"Cell number {number}, which is no answer, was struck out: {error.evalue}.")
    sentences += [_why(name, errors) for name in errors if name.startswith("test-")]
    return [" ".join(sentence.split()) for sentence in dict.fromkeys(sentences)]


def _why(test: str, errors: dict[str, Any]) -> str:
    task, error = test.removeprefix("test-"), errors[test]
    if error.ename == "Failed":
        return str(error.evalue)
    if error.ename == "NameError" and task in errors:
        return f"`{task}`: its cell stopped with {errors[task].ename}: {errors[task].evalue}."
    return f"`{task}`: {error.ename}: {error.evalue}."


_renamed.names(__name__, Line="minidyn.coursework.teacher.results.StudentResult")
