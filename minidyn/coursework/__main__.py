"""python -m minidyn.coursework: build the assignments, grade a class, export its points."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"error: {error}. Install what teachers need: pip install 'minidyn[coursework]'", file=sys.stderr)
        return 2


def _build(options: argparse.Namespace) -> int:
    from minidyn.coursework.teacher.build import build

    for path in build(options.out):
        print(path)
    return 0


def _grade(options: argparse.Namespace) -> int:
    from minidyn.coursework.teacher.grade import grade

    lines = grade(
        options.course,
        options.assignment,
        students=options.student,
        timeout=options.timeout,
        per_student=not options.same_data,
    )
    for line in lines:
        waiting = f", {len(line.to_grade)} to grade by hand" if line.to_grade else ""
        print(f"{line.student}: {line.score:g} of {line.max_score:g}{waiting}. {' '.join(line.remarks)}".rstrip())
    print(f"{len(lines)} graded in {sum(line.seconds for line in lines):.0f} s: report-{options.assignment}.csv")
    return 0


def _export(options: argparse.Namespace) -> int:
    from minidyn.coursework.teacher import export

    points = export.scores(options.course, options.assignment)
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
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="the students' and the teacher's folder, from the masters of a clone")
    build.add_argument("--out", type=Path, default=Path("_build/coursework"), help="default: %(default)s")
    build.set_defaults(run=_build)
    grade = commands.add_parser("grade", help="a class's submissions of one assignment")
    grade.add_argument("assignment")
    grade.add_argument("--course", type=Path, default=Path("."), help="nbgrader's folder; default: here")
    grade.add_argument("--student", action="append", help="only this one (may be repeated); default: all")
    grade.add_argument("--timeout", type=int, default=60, help="seconds a cell may run; default: %(default)s")
    grade.add_argument("--same-data", action="store_true", help="the same hidden data for all students")
    grade.set_defaults(run=_grade)
    export = commands.add_parser("export", help="points for Moodle (default) or Canvas")
    export.add_argument("assignment")
    export.add_argument("--course", type=Path, default=Path("."), help="nbgrader's folder; default: here")
    export.add_argument("--canvas", type=Path, metavar="TABLE", help="the table that Canvas exported")
    export.add_argument("--out", type=Path, help="default: <assignment>.csv")
    export.set_defaults(run=_export)
    return parser


if __name__ == "__main__":
    sys.exit(main())
