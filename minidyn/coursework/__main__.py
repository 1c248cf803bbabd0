"""python -m minidyn.coursework: build the assignments, grade a class, export its points."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minidyn._command_line import add_version, ends_quietly


@ends_quietly
def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (FileExistsError, FileNotFoundError, ValueError, zipfile.BadZipFile) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"error: {error}. Install what teachers need: pip install 'minidyn[coursework]'", file=sys.stderr)
        return 2


def _build(options: argparse.Namespace) -> int:
    from minidyn.coursework.teacher.build import Addresses, build

    for path in build(options.out, addresses=Addresses(book=options.book, package=options.package)):
        print(path)
    return 0


def _collect(options: argparse.Namespace) -> int:
    from minidyn.coursework.teacher import collect

    platform = collect.moodle if options.moodle else collect.canvas
    collected = platform(options.course, options.assignment, options.moodle or options.canvas)
    print(f"{len(collected.students)} submissions: {', '.join(collected.students)}")
    if collected.late:
        print(f"late, by the platform's word: {', '.join(collected.late)}")
    if collected.left:
        print(f"left in the archive: {', '.join(collected.left[:10])}", file=sys.stderr)
    return 0


def _demo(options: argparse.Namespace) -> int:
    from minidyn.coursework.teacher import demo

    print(demo.play(options.out or Path(tempfile.mkdtemp(prefix="minidyn-course-"))))
    return 0


def _grade(options: argparse.Namespace) -> int:
    from minidyn.coursework.teacher.grade import Conditions, grade
    from minidyn.coursework.teacher.sandbox import NoSandbox

    began = time.monotonic()
    conditions = Conditions(
        container=options.container,
        unprotected=options.unprotected,
        workers=options.workers,
        memory=int(options.memory * 2**30),
    )
    try:
        graded = grade(
            options.course,
            options.assignment,
            students="all" if options.all else options.student,
            timeout=options.timeout,
            per_student=not options.same_data,
            conditions=conditions,
            progress=_show,
        )
    except NoSandbox as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    seconds = time.monotonic() - began
    print(f"{len(graded)} graded in {seconds:.0f} s, the others have not changed: report-{options.assignment}.csv")
    return 1 if any(result.trouble for result in graded) else 0


def _show(progress: Any) -> None:
    """One line for a student who was graded."""
    result = progress.result
    waiting = f", {len(result.to_grade)} to grade by hand" if result.to_grade else ""
    left = (
        f"{progress.seconds_left / 60:.0f} min left"
        if progress.seconds_left > 90
        else f"{progress.seconds_left:.0f} s left"
    )
    sentences = " ".join([*result.trouble, *result.remarks])
    print(
        f"[{progress.done}/{progress.total}, {left}] {result.student}: "
        f"{result.score:g} of {result.max_score:g}{waiting}. {sentences}".rstrip(),
        flush=True,
    )


def _report(options: argparse.Namespace) -> int:
    from minidyn.coursework.teacher.course import Course
    from minidyn.coursework.teacher.results import ABSENT, results, write_report

    course = Course(options.course.resolve())
    table = results(course, options.assignment).values()
    print(write_report(course, options.assignment))
    waiting = sum(len(result.to_grade) for result in table)
    absent = [result.student for result in table if result.remarks == [ABSENT]]
    print(f"{len(table)} students, {waiting} answers to grade by hand, not handed in: {', '.join(absent) or 'nobody'}")
    return 0


def _export(options: argparse.Namespace) -> int:
    from minidyn.coursework.teacher import export
    from minidyn.coursework.teacher.course import Course
    from minidyn.coursework.teacher.results import results, write_report

    course = Course(options.course.resolve())
    points = export.scores(options.course, options.assignment)
    table = results(course, options.assignment).values()
    for result in table:
        if result.trouble:
            print(f"not exported: {result.student}. {' '.join(result.trouble)}", file=sys.stderr)
    waiting = [result.student for result in table if result.to_grade]
    if waiting:
        print(f"answers not graded by hand yet, which count 0: {', '.join(waiting)}", file=sys.stderr)
    write_report(course, options.assignment)
    out = options.out or Path(f"{options.assignment}.csv")
    if options.canvas:
        missing = export.canvas(points, options.canvas, options.assignment, out)
        if missing:
            print(f"not in {options.canvas}: {', '.join(missing)}", file=sys.stderr)
    else:
        export.moodle(points, export.remarks(options.course, options.assignment), out)
    print(out)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m minidyn.coursework", description=__doc__)
    add_version(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="the students' and the teacher's folder, from the masters of a clone")
    build.add_argument("--out", type=Path, default=Path("_build/coursework"), help="default: %(default)s")
    build.add_argument("--book", default="", metavar="ADDRESS", help="of the book, for links to its chapters")
    build.add_argument(
        "--package", default="minidyn[pictures]", help="what hosted notebooks install; default: %(default)s"
    )
    build.set_defaults(run=_build)
    demo = commands.add_parser("demo", help="a made-up class, from the masters to marks, feedback and tables")
    demo.add_argument("--out", type=Path, help="an empty folder; default: a new one for temporary files")
    demo.set_defaults(run=_demo)
    collect = commands.add_parser("collect", help="the archive of all submissions that Moodle or Canvas hands out")
    collect.add_argument("assignment")
    collect.add_argument("--course", type=Path, default=Path("."), help="nbgrader's folder; default: here")
    platform = collect.add_mutually_exclusive_group(required=True)
    platform.add_argument("--moodle", type=Path, metavar="ZIP", help="from Moodle")
    platform.add_argument("--canvas", type=Path, metavar="ZIP", help="from Canvas")
    collect.set_defaults(run=_collect)
    grade = commands.add_parser("grade", help="a class's submissions of one assignment")
    grade.add_argument("assignment")
    grade.add_argument("--course", type=Path, default=Path("."), help="nbgrader's folder; default: here")
    grade.add_argument(
        "--student", action="append", help="only this one (may be repeated); default: all who have changed"
    )
    grade.add_argument("--all", action="store_true", help="everybody again, not only what has changed")
    grade.add_argument("--timeout", type=float, default=60, help="seconds a notebook may run; default: %(default)s")
    grade.add_argument("--memory", type=float, default=2, metavar="GB", help="of a notebook; default: %(default)s")
    grade.add_argument("--workers", type=int, help="notebooks at a time; default: one per core")
    grade.add_argument("--container", metavar="COMMAND", help="run notebooks by this command; {folder} is their folder")
    grade.add_argument("--unprotected", action="store_true", help="run student code with your own rights if need be")
    grade.add_argument("--same-data", action="store_true", help="the same hidden data for all students")
    grade.set_defaults(run=_grade)
    report = commands.add_parser("report", help="the table of totals, written anew from the gradebook")
    report.add_argument("assignment")
    report.add_argument("--course", type=Path, default=Path("."), help="nbgrader's folder; default: here")
    report.set_defaults(run=_report)
    export = commands.add_parser("export", help="points for Moodle (default) or Canvas")
    export.add_argument("assignment")
    export.add_argument("--course", type=Path, default=Path("."), help="nbgrader's folder; default: here")
    export.add_argument("--canvas", type=Path, metavar="TABLE", help="the table that Canvas exported")
    export.add_argument("--out", type=Path, help="default: <assignment>.csv")
    export.set_defaults(run=_export)
    return parser


if __name__ == "__main__":
    sys.exit(main())
