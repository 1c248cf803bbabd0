"""The registry: an experiment declares each argument once, and stands in a chapter of the book."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray as xr

import minidyn
from minidyn.experiments import all_experiments, load, registry, results
from tests.experiments import coin

ROOT = Path(minidyn.__file__).parents[1]
EXPERIMENTS = all_experiments()


def _is_stored(experiment):
    return results.is_stored(experiment.name) or not experiment.waits_for  # what waits for nothing must be


@pytest.fixture
def flips(monkeypatch):
    return coin.register(monkeypatch)


@dataclass(frozen=True, kw_only=True)
class Coins:
    bias: float = 0.5
    sides: int = 2


def declare(function, quick, sample):
    registry.experiment("x", shows="", quick=quick, sample=sample, summary=str)(function)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_an_experiment_stands_in_a_chapter_of_the_book(experiment):
    assert (ROOT / "book" / f"{experiment.chapter}.md").exists()
    assert experiment.part == experiment.chapter.split("/")[0]


def test_chapters_are_in_the_order_of_the_book():
    contents = (ROOT / "_toc.yml").read_text()
    places = [contents.index(f"book/{chapter}\n") for chapter in registry.CHAPTERS]
    assert places == sorted(places)


def test_every_file_that_registers_an_experiment_is_a_chapter():
    files = (ROOT / "minidyn" / "experiments").glob("*/*.py")
    registering = {path.relative_to(ROOT / "minidyn") for path in files if "\n@experiment(" in path.read_text()}
    chapters = {Path("experiments", chapter.replace("-", "_")).with_suffix(".py") for chapter in registry.CHAPTERS}
    assert registering == chapters


@pytest.mark.parametrize("experiment", [*filter(_is_stored, EXPERIMENTS)], ids=lambda experiment: experiment.name)
def test_the_stored_arguments_are_those_of_the_full_size(experiment):
    assert load(experiment.name).attrs["arguments"] == results.arguments_of(experiment, "full")


def test_the_full_size_is_that_of_the_signature(flips):
    assert flips.arguments("full") == {"seeds": range(20), "bias": 0.5}
    assert flips.arguments("quick") == {"seeds": range(3), "bias": 0.5}
    assert flips.run("full").sizes["seed"] == 20
    assert flips.run("quick").sizes["seed"] == 3
    assert flips.run("full", **flips.sample).sizes["seed"] == 4


def test_calling_the_function_runs_the_full_size_with_what_is_changed(flips):
    function = coin.register_beside("called").function
    registered = registry.experiment("called", shows="", quick={}, sample={}, summary=str)(function)
    assert registered(progress=False).sizes["seed"] == 20
    assert registered(seeds=range(4)).sizes["seed"] == 4
    with pytest.raises(TypeError, match="experiment 'called' has no argument 'sedes'"):
        registered(sedes=())


def test_the_fields_of_a_group_are_arguments(flips):
    group = Coins()

    def function(*, seed: int = 0, coins: Coins = group) -> xr.Dataset:
        return xr.Dataset({"bias": coins.bias, "sides": coins.sides, "seed": seed})

    declare(function, quick={"bias": 0.1}, sample={"sides": 3})
    experiment = registry.find("x")
    assert experiment.arguments("full") == {"seed": 0, "bias": 0.5, "sides": 2}
    data = experiment.run("quick", sides=6)
    assert (float(data.bias), int(data.sides), int(data.seed)) == (0.1, 6, 0)


def test_an_unknown_argument_is_named_before_anything_runs(flips):
    with pytest.raises(TypeError, match="experiment 'coin-flips' has no argument 'sedes': it takes seeds, bias"):
        flips.run("quick", sedes=(1,))


@pytest.mark.parametrize(("quick", "sample"), [({"colour": 1}, {}), ({}, {"colour": 1})])
def test_a_size_names_only_arguments_of_the_function(flips, quick, sample):
    with pytest.raises(TypeError, match=r"(quick|sample) of experiment 'x' has no argument 'colour'"):
        declare(coin.flip, quick, sample)


def test_an_argument_without_a_full_size_is_refused(flips):
    def function(*, seeds):
        return xr.Dataset()

    with pytest.raises(TypeError, match=r"seeds.* must be keyword-only, with the full size as default"):
        declare(function, {}, {})


def test_sizes_are_two(flips):
    with pytest.raises(ValueError, match="size must be one of 'quick', 'full', got 'huge'"):
        flips.run("huge")


def test_progress_bars_can_be_hidden(flips, monkeypatch):
    bars = []

    def function(*, seeds=range(2), bias=0.5):
        bars.append(minidyn._progress.bar(1, "flips", "coins"))
        return coin.flip(seeds=seeds, bias=bias)

    monkeypatch.delenv("MINIDYN_BOOK", raising=False)
    experiment = coin.register_beside("shown", function)
    for progress in (True, False):
        experiment.run(progress=progress)
    assert [bar.disable for bar in bars] == [False, True]
