"""The command line: `minidyn list`, `minidyn run NAME [--full]`, `minidyn rerun NAME [--full]`, `minidyn show NAME`.

Whatever can be known to fail is checked before the first experiment starts; then each result is stored as soon as it
is there, and an experiment that fails does not stop the others.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import xarray as xr

from minidyn._command_line import add_version, ends_quietly
from minidyn.experiments import registry, results
from minidyn.experiments.registry import Experiment

TOLERANCE = 3  # in units of the stored standard deviation; see `results.reproduction_error`
RESULTS = Path("minidyn-results")


@ends_quietly
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    0: done; 1: an experiment failed, or a rerun moved; 2: the request cannot be met, and nothing was run;
    130: interrupted; 141: the reader of the output has gone.
    """
    request = _parser().parse_args(arguments)
    command = {"list": _list, "run": _run, "rerun": _rerun, "show": _show}[request.command]
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without η and λ
    try:
        return command(request)
    except BrokenPipeError:
        raise
    except (ValueError, OSError, ImportError) as error:
        print(f"minidyn: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("minidyn: interrupted; results finished before are kept", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="minidyn", description="The experiments behind the book's figures.")
    add_version(parser)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name the experiments")
    run = commands.add_parser("run", help="run experiments, store their results and sum them up")
    run.add_argument("--full", action="store_true", help="the size that the book shows (default: seconds)")
    rerun = commands.add_parser("rerun", help="run a part of the book's results again and report what moved")
    rerun.add_argument("--full", action="store_true", help="the whole of them (default: a sample)")
    for command in (run, rerun):
        command.add_argument("name", nargs="+", metavar="NAME", help="an experiment, or several, or 'all'")
        command.add_argument("--quiet", action="store_true", help="no progress bars")
    show = commands.add_parser("show", help="sum up a stored result and say where it comes from")
    show.add_argument("name", metavar="NAME")
    run.add_argument("--folder", type=Path, default=RESULTS, help="where results are stored (default: %(default)s)")
    rerun.add_argument("--folder", type=Path, help="where the stored results are (default: those of the book)")
    show.add_argument("--folder", type=Path, help=f"where the result is (default: {RESULTS}, then those of the book)")
    return parser


def _list(request: argparse.Namespace) -> int:
    for experiment in registry.all_experiments():
        claims = f" [{', '.join(experiment.claims)}]" if experiment.claims else ""
        print(f"{experiment.part:12} {experiment.name:28} {experiment.shows}{claims}")
    return 0


def _run(request: argparse.Namespace) -> int:
    size = "full" if request.full else "quick"
    experiments = _requested(request)
    results.check_writable([experiment.name for experiment in experiments], request.folder)
    failures: list[str] = []
    for number, experiment in enumerate(experiments, 1):
        print(f"[{number}/{len(experiments)}] {experiment.name} ({size}): {experiment.shows}", flush=True)
        with _survived(experiment, failures):
            attributes, began = results.provenance(experiment, size), time.perf_counter()
            data = experiment.run(size, progress=not request.quiet)
            seconds = time.perf_counter() - began
            path = _store(data.assign_attrs(attributes, seconds=round(seconds, 1)), experiment.name, request.folder)
            print(f"{seconds:.1f} s; stored in {path}", flush=True)
            print(experiment.summary(data), flush=True)
    return _report(failures)


def _store(data: xr.Dataset, name: str, folder: Path) -> Path:
    """Write a result, in the system's folder for temporary files if that is the only place left."""
    try:
        return results.save(data, name, folder)
    except OSError as error:
        path = results.save_elsewhere(data, name)
        print(f"minidyn: {name} cannot be stored in {folder}: {error}; it is in {path} instead", file=sys.stderr)
        raise


def _rerun(request: argparse.Namespace) -> int:
    experiments = _requested(request)
    stored = {experiment.name: results.load(experiment.name, request.folder) for experiment in experiments}
    for experiment in experiments:
        results.check_full_size(stored[experiment.name], experiment)
    moved: list[str] = []
    failures: list[str] = []
    for number, experiment in enumerate(experiments, 1):
        with _survived(experiment, failures):
            changes = {} if request.full else experiment.sample
            fresh = experiment.run("full", progress=not request.quiet, **changes)
            errors = results.reproduction_error(stored[experiment.name], fresh)
            ordered = sorted(errors.items(), key=lambda item: -item[1])
            moved += [f"{experiment.name}: {name}" for name, error in ordered if error > TOLERANCE]
            shown = ", ".join(f"{name} {error:.2g}" for name, error in ordered[:4])
            said = f"{experiment.name}: distance in stored standard deviations: {shown}"
            print(f"[{number}/{len(experiments)}] {said}", flush=True)
    print(f"moved by more than {TOLERANCE}: {', '.join(moved)}" if moved else f"nothing moved by more than {TOLERANCE}")
    return max(_report(failures), int(bool(moved)))


def _requested(request: argparse.Namespace) -> list[Experiment]:
    """The experiments that are asked for, each once, all of which can run here."""
    if request.name == ["all"]:
        experiments = _all(full=request.full or request.command == "rerun")
    else:
        experiments = [registry.find(name) for name in dict.fromkeys(request.name)]
    for experiment in experiments:
        experiment.check_installed()
    return experiments


def _all(*, full: bool) -> list[Experiment]:
    """All experiments; at full size those that the package and its dependencies suffice for."""
    waiting = [experiment for experiment in registry.all_experiments() if experiment.waits_for and full]
    for experiment in waiting:
        print(f"{experiment.name} is left out of 'all': it needs {experiment.waits_for}")
    return [experiment for experiment in registry.all_experiments() if experiment not in waiting]


@contextmanager
def _survived(experiment: Experiment, failures: list[str]) -> Iterator[None]:
    """Go on with the next experiment if this one fails, and note the failure."""
    try:
        yield
    except BrokenPipeError:
        raise
    except Exception as error:
        traceback.print_exc()
        failures.append(f"{experiment.name}: {type(error).__name__}: {error}")


def _report(failures: Sequence[str]) -> int:
    for failure in failures:
        print(f"minidyn: failed: {failure}", file=sys.stderr)
    return int(bool(failures))


def _show(request: argparse.Namespace) -> int:
    experiment = registry.find(request.name)
    folders = [request.folder] if request.folder else [RESULTS, results.book_data()]
    folder = next((f for f in folders if results.path_of(experiment.name, f).exists()), folders[-1])
    data = results.load(experiment.name, folder)
    print(f"{experiment.name}: {experiment.shows}\n{experiment.summary(data)}\n{results.note(data)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
