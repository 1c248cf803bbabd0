"""What an experiment is: a named function with a quick and a full size, and the claims that it serves."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

PARTS = ("tilting", "learning", "images", "topography", "forgetting")  # one file a part, in the book's order


@dataclass(frozen=True, eq=False)
class Experiment:
    """A named experiment behind a figure of the book.

    Attributes
    ----------
    name : str
        As on the command line.
    part : str
        The part of the book, and the file, that it belongs to.
    shows : str
        One line: what it measures.
    claims : tuple of str
        The papers' claims that it serves, as the book numbers them.
    quick, full : dict
        The function's arguments at the two sizes.
    sample : dict
        What to change in `full` for a small part of it, comparable with the stored whole.
    """

    name: str
    part: str
    shows: str
    claims: tuple[str, ...]
    quick: Mapping[str, Any]
    full: Mapping[str, Any]
    sample: Mapping[str, Any]
    function: Callable[..., xr.Dataset]
    summary: Callable[[xr.Dataset], str]

    def run(self, size: str = "quick", *, progress: bool = True, **changed: Any) -> xr.Dataset:
        """The results at a size, "quick" or "full", with single arguments changed."""
        return self.function(**{**self.arguments(size), **changed}, progress=progress)

    def arguments(self, size: str) -> Mapping[str, Any]:
        if size not in ("quick", "full"):
            raise ValueError(f"size must be 'quick' or 'full', got {size!r}")
        return self.quick if size == "quick" else self.full


_REGISTERED: dict[str, Experiment] = {}


def experiment(
    name: str,
    *,
    shows: str,
    claims: tuple[str, ...] = (),
    quick: Mapping[str, Any],
    full: Mapping[str, Any],
    sample: Mapping[str, Any],
    summary: Callable[[xr.Dataset], str],
) -> Callable[[Callable[..., xr.Dataset]], Callable[..., xr.Dataset]]:
    """Register the decorated function, which takes its arguments and `progress` by keyword and returns a Dataset."""

    def register(function: Callable[..., xr.Dataset]) -> Callable[..., xr.Dataset]:
        part = function.__module__.rsplit(".", 1)[-1]
        _REGISTERED[name] = Experiment(name, part, shows, claims, quick, full, sample, function, summary)
        return function

    return register


def all_experiments() -> list[Experiment]:
    """Every experiment, in the order of the book."""
    for part in PARTS:
        importlib.import_module(f"minidyn.experiments.{part}")
    return list(_REGISTERED.values())


def find(name: str) -> Experiment:
    """The experiment of that name; a ValueError suggests the nearest where there is none."""
    known = {experiment.name: experiment for experiment in all_experiments()}
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(known)}"
        raise ValueError(f"there is no experiment {name!r}: {hint}")
    return known[name]
