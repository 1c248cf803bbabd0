"""Names of the experiments before 0.2: they work, with a warning."""

from __future__ import annotations

import importlib

import pytest

from minidyn.experiments import statistics
from minidyn.experiments.topography import edge_of_instability
from tests.experiments.test_edge_of_instability import bouncing as bouncing

FORMER = {
    "claims": "find",
    "forgetting": "interference_many adder_many sequential_many train_held",
    "results": "moved",
    "tilting": "AMPLITUDE figure_four_weights many_seeds notebook_kernel",
    "tilting.images": "CHOSEN_ON chosen gains halves trained",
    "tilting.learning": "TRAINED advice gains kept raises spell unseen",
    "topography": "CHOICES EDGE_RATES NAMES edge gains nudged outer_arms stretches",
}


@pytest.mark.parametrize(
    ("module", "name"),
    [(f"minidyn.experiments.{module}", name) for module, names in FORMER.items() for name in names.split()],
)
def test_a_former_name_works_with_a_warning(module, name):
    with pytest.warns(DeprecationWarning, match=rf"{module}\.{name} is now minidyn\..*; the old name goes in 0\.3"):
        assert getattr(importlib.import_module(module), name) is not None


def test_statistics_answer_under_their_former_module():
    with pytest.warns(DeprecationWarning, match=r"minidyn\.experiments\.learning is now"):
        from minidyn.experiments.learning import interval
    assert interval is statistics.interval


def test_the_threshold_of_unstable_intervals_answers_to_its_former_name(bouncing):
    with pytest.warns(DeprecationWarning, match=r"unstable_intervals\(least=...\) is now .*threshold"):
        assert edge_of_instability.unstable_intervals(bouncing, least=0.6).empty
