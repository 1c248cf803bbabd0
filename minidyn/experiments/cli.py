"""The command line: `minidyn list`, `minidyn run NAME [--full]`, `minidyn rerun NAME [--full]`, `minidyn show NAME`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from minidyn.experiments import registry, results

TOLERANCE = 3  # in units of the stored standard deviation; see `results.reproduction_error`


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="minidyn", description="The experiments behind the book's figures.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name the experiments")
    run = commands.add_parser("run", help="run one, keep its result and sum it up")
    run.add_argument("name", nargs="+", metavar="NAME", help="an experiment, or several, or 'all'")
    run.add_argument("--full", action="store_true", help="the size that the book shows (default: seconds)")
    run.add_argument("--quiet", action="store_true", help="no progress bars")
    rerun = commands.add_parser("rerun", help="run a part of the book's results again and report what moved")
    rerun.add_argument("name", nargs="+", metavar="NAME", help="an experiment, or several, or 'all'")
    rerun.add_argument("--full", action="store_true", help="the whole of them (default: a sample)")
    rerun.add_argument("--quiet", action="store_true", help="no progress bars")
    show = commands.add_parser("show", help="sum up a stored result and say where it comes from")
    show.add_argument("name", metavar="NAME")
    for command in (run, rerun, show):
        command.add_argument(
            "--folder", type=Path, help="where results are kept (default: minidyn-results; for rerun, the book's)"
        )
    chosen = parser.parse_args(arguments)
    try:
        return {"list": _list, "run": _run, "rerun": _rerun, "show": _show}[chosen.command](chosen)
    except (ValueError, FileNotFoundError) as error:
        print(f"minidyn: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("minidyn: interrupted; results finished before are kept", file=sys.stderr)
        return 130


def _list(chosen: argparse.Namespace) -> int:
    for experiment in registry.all_experiments():
        claims = f" [{', '.join(experiment.claims)}]" if experiment.claims else ""
        print(f"{experiment.part:12} {experiment.name:28} {experiment.shows}{claims}")
    return 0


def _run(chosen: argparse.Namespace) -> int:
    size = "full" if chosen.full else "quick"
    requested = _requested(chosen)
    for number, experiment in enumerate(requested, 1):
        print(f"[{number}/{len(requested)}] {experiment.name} ({size}): {experiment.shows}")
        began = time.perf_counter()
        data = experiment.run(size, progress=not chosen.quiet)
        seconds = time.perf_counter() - began
        data.attrs |= results.provenance(experiment, size, seconds)
        path = results.save(data, experiment.name, _folder(chosen))
        print(f"{experiment.summary(data)}\n{seconds:.1f} s; kept in {path}")
    return 0


def _rerun(chosen: argparse.Namespace) -> int:
    """1 if something moved by more than three stored standard deviations."""
    requested, far = _requested(chosen), []
    for number, experiment in enumerate(requested, 1):
        stored = results.load(experiment.name, chosen.folder)
        changed = {} if chosen.full else experiment.sample
        fresh = experiment.run("full", progress=not chosen.quiet, **changed)
        errors = sorted(results.reproduction_error(stored, fresh).items(), key=lambda item: -item[1])
        far += [f"{experiment.name}: {name}" for name, error in errors if error > TOLERANCE]
        shown = ", ".join(f"{name} {error:.2g}" for name, error in errors[:4])
        said = f"{experiment.name}: distance in stored standard deviations: {shown}"
        print(f"[{number}/{len(requested)}] {said}", flush=True)
    print(f"moved by more than {TOLERANCE}: {', '.join(far)}" if far else f"nothing moved by more than {TOLERANCE}")
    return 1 if far else 0


def _requested(chosen: argparse.Namespace) -> list[registry.Experiment]:
    return registry.all_experiments() if chosen.name == ["all"] else [registry.find(name) for name in chosen.name]


def _show(chosen: argparse.Namespace) -> int:
    experiment = registry.find(chosen.name)
    folders = [_folder(chosen)] if chosen.folder else [_folder(chosen), results.book_data()]
    folder = next((f for f in folders if results.path_of(experiment.name, f).exists()), folders[-1])
    data = results.load(experiment.name, folder)
    print(f"{experiment.name}: {experiment.shows}\n{experiment.summary(data)}\n{results.note(data)}")
    return 0


def _folder(chosen: argparse.Namespace) -> Path:
    return chosen.folder or Path("minidyn-results")


if __name__ == "__main__":
    sys.exit(main())
