"""Names of the experiments before 0.2: they work, with a warning."""

from __future__ import annotations

import importlib
import sys

import pytest

from minidyn.experiments import statistics
from minidyn.experiments.topography import edge_of_instability
from tests.experiments.test_edge_of_instability import bouncing as bouncing

FORMER = {
    "claims": "find",
    "forgetting": "adder_ablation adder_initialisation adder_many interference_many one_by_one_many sequential_many"
    " train_held",
    "results": "moved",
    "tilting": "AMPLITUDE RATE figure_four_weights fresh_seed_run lyapunov_exponents many_seeds notebook_kernel"
    " published_run",
    "tilting.images": "CHOSEN_ON chosen gains halves trained",
    "tilting.learning": "TRAINED advice digits_advice gains held_out kept raises spell unseen",
    "topography": "CHOICES EDGE_RATES NAMES burst_spectra edge edge_growth edge_noise edge_periods gains global_minima"
    " held_out_losses loss_grid nudged outer_arms size_and_rate stretches",
}


@pytest.mark.parametrize(
    ("module", "name"),
    [(f"minidyn.experiments.{module}", name) for module, names in FORMER.items() for name in names.split()],
)
def test_a_former_name_works_with_a_warning(module, name):
    with pytest.warns(DeprecationWarning, match=rf"{module}\.{name} is now minidyn\..*; the old name goes in 0\.3"):
        assert getattr(importlib.import_module(module), name) is not None


def test_statistics_answer_under_their_former_module():
    sys.modules.pop("minidyn.experiments.learning", None)  # it warns when it is imported first
    with pytest.warns(DeprecationWarning, match=r"minidyn\.experiments\.learning is now"):
        from minidyn.experiments.learning import interval
    assert interval is statistics.interval


def test_the_threshold_of_unstable_intervals_answers_to_its_former_name(bouncing):
    with pytest.warns(DeprecationWarning, match=r"unstable_intervals\(least=...\) is now .*threshold"):
        assert edge_of_instability.unstable_intervals(bouncing, least=0.6).empty


def test_the_function_of_an_experiment_runs_with_its_former_arguments():
    with pytest.warns(DeprecationWarning, match=r"sequential_many is now"):
        from minidyn.experiments.forgetting import sequential_many
    data = sequential_many(seeds=range(2), names=("adder",), passes=3, progress=False)
    assert (data.sizes["seed"], data.sizes["learner"]) == (2, 1)
