"""What an experiment is: a named function with a full and a quick size, and the claims that it serves."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from importlib.util import find_spec
from typing import Any

import xarray as xr

from minidyn import _checks as check
from minidyn import _progress

CHAPTERS = (  # the pages of the book that have experiments, in its order; each has a file of its name here
    "tilting/instabilities",
    "tilting/one-direction",
    "tilting/learning",
    "tilting/what-bursts-buy",
    "tilting/images",
    "topography/size-and-learning-rate",
    "topography/dynamical-losses",
    "topography/edge-of-instability",
    "forgetting/interference",
    "forgetting/conditional-network",
    "forgetting/transfer",
    "scale/sweeps",
    "scale/your-own-model",
    "scale/gpu",
)
SIZES = ("quick", "full")

Function = Callable[..., xr.Dataset]


@dataclass(frozen=True, eq=False, kw_only=True)
class Experiment:
    """A named experiment behind a figure of the book.

    Attributes
    ----------
    name : str
        The name on the command line.
    chapter : str
        The page of the book that it belongs to, such as "tilting/learning"; its file has the same name.
    shows : str
        What it measures, in one line.
    claims : tuple of str
        The papers' claims that it serves, as the book numbers them.
    full, quick : mapping
        All arguments at the two sizes: hours for the book, seconds for the tests.
    sample : mapping
        The arguments that differ from `full` in a small part of it, which can be compared with the stored whole.
    needs : tuple of str
        The optional packages that it imports.
    function : callable
        Takes the arguments by keyword and returns the results.
    summary : callable
        Sums the results up in a few lines.
    waits_for : str
        What the full size needs beyond the package and its dependencies, if anything: until somebody has had it, no
        result is stored.
    """

    name: str
    chapter: str
    shows: str
    claims: tuple[str, ...]
    full: Mapping[str, Any]
    quick: Mapping[str, Any]
    sample: Mapping[str, Any]
    needs: tuple[str, ...]
    function: Callable[..., xr.Dataset]
    summary: Callable[[xr.Dataset], str]
    waits_for: str = ""

    @property
    def part(self) -> str:
        """The part of the book: the first half of the chapter's name."""
        return self.chapter.partition("/")[0]

    def run(self, size: str = "quick", *, progress: bool = True, **changes: Any) -> xr.Dataset:
        """Run the experiment at a size, "quick" or "full", with single arguments changed.

        Raises
        ------
        ValueError
            If the size is unknown.
        TypeError
            If the experiment has no argument of that name.
        ImportError
            If it needs a package that is not installed.
        """
        arguments = self.arguments(size)
        self.check_installed()
        _check_names(f"experiment {self.name!r}", changes, arguments)
        with _progress.bars(shown=progress):
            return self.function(**_grouped(_defaults(self.function), {**arguments, **changes}))

    def arguments(self, size: str) -> Mapping[str, Any]:
        """All arguments at a size, "quick" or "full"."""
        return self.quick if check.choice("size", size, SIZES) == "quick" else self.full

    def check_installed(self) -> None:
        """Raise an ImportError if the experiment needs a package that is not installed."""
        missing = [package for package in self.needs if find_spec(package) is None]
        if missing:
            raise ImportError(f"experiment {self.name!r} needs {', '.join(missing)}: pip install 'minidyn[all]'")


_REGISTERED: dict[str, Experiment] = {}


def experiment(
    name: str,
    *,
    shows: str,
    summary: Callable[[xr.Dataset], str],
    claims: tuple[str, ...] = (),
    waits_for: str = "",
    quick: Mapping[str, Any],
    sample: Mapping[str, Any],
    needs: tuple[str, ...] = (),
) -> Callable[[Function], Function]:
    """Register the decorated function as an experiment; calling it runs the full size, with what is changed.

    The function declares each argument once: by keyword, with the value of the full size as its default. A default
    that is a dataclass groups arguments that travel together: its fields count as arguments of their own.

    Parameters
    ----------
    name, shows, summary, claims, needs, waits_for
        As for `Experiment`.
    quick, sample : mapping
        The arguments that differ from the full size in a run of seconds, and in a part of the full run.

    Raises
    ------
    TypeError
        If an argument has no default, or `quick` or `sample` name one that the function does not have.
    """

    def register(function: Function) -> Function:
        full = _flat(_defaults(function))
        for size, changes in (("quick", quick), ("sample", sample)):
            _check_names(f"{size} of experiment {name!r}", changes, full)
        registered = _REGISTERED[name] = Experiment(
            name=name,
            chapter=_chapter(function.__module__),
            shows=shows,
            claims=claims,
            full=full,
            quick={**full, **quick},
            sample=sample,
            needs=needs,
            function=function,
            summary=summary,
            waits_for=waits_for,
        )

        @wraps(function)
        def run_full(*, progress: bool = True, **changes: Any) -> xr.Dataset:
            return registered.run("full", progress=progress, **changes)

        return run_full

    return register


def all_experiments() -> list[Experiment]:
    """All experiments, in the order of the book."""
    for chapter in CHAPTERS:
        importlib.import_module(f"minidyn.experiments.{chapter.replace('/', '.').replace('-', '_')}")
    order = {chapter: number for number, chapter in enumerate(CHAPTERS)}
    return sorted(_REGISTERED.values(), key=lambda experiment: order.get(experiment.chapter, len(order)))


def find(name: str) -> Experiment:
    """The experiment of that name.

    Raises
    ------
    ValueError
        If there is none; the message suggests the nearest name.
    """
    known = {experiment.name: experiment for experiment in all_experiments()}
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}"
        raise ValueError(f"there is no experiment {name!r}: {hint}")
    return known[name]


def _chapter(module: str) -> str:
    return module.removeprefix("minidyn.experiments.").replace(".", "/").replace("_", "-")


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """The parameters of an experiment's function and their defaults, which are its full size."""
    parameters = inspect.signature(function).parameters.values()
    for parameter in parameters:
        if parameter.kind is not parameter.KEYWORD_ONLY or parameter.default is parameter.empty:
            raise TypeError(f"{function.__name__}({parameter}) must be keyword-only, with the full size as default")
    return {parameter.name: parameter.default for parameter in parameters}


def _flat(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, with the fields of a dataclass in its place."""
    flat: dict[str, Any] = {}
    for name, default in defaults.items():
        flat |= _fields(default) if _is_group(default) else {name: default}
    return flat


def _grouped(defaults: Mapping[str, Any], flat: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `_flat`: arguments as the function takes them."""
    return {
        name: dataclasses.replace(default, **{field: flat[field] for field in _fields(default)})
        if _is_group(default)
        else flat[name]
        for name, default in defaults.items()
    }


def _is_group(default: Any) -> bool:
    return dataclasses.is_dataclass(default)


def _fields(group: Any) -> dict[str, Any]:
    return {field.name: getattr(group, field.name) for field in dataclasses.fields(group)}


def _check_names(where: str, names: Mapping[str, Any], allowed: Mapping[str, Any]) -> None:
    unknown = [name for name in names if name not in allowed]
    if unknown:
        raise TypeError(f"{where} has no argument {unknown[0]!r}: it takes {', '.join(allowed)}")
