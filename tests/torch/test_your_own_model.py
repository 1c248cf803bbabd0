"""The experiment on the rates at which a module of one's own trains: seeded cells, and what the stored table holds."""

from __future__ import annotations

import pytest

from minidyn.experiments import load
from minidyn.experiments.scale import your_own_model


def test_a_cell_is_reproducible_and_its_seed_matters():
    torch = pytest.importorskip("torch", "2.6")
    state = torch.get_rng_state()
    ends = [your_own_model._final_accuracy(your_own_model.Cell(0.2, 10, seed), steps=8) for seed in (0, 0, 1)]
    assert ends[0] == ends[1] != ends[2]
    assert torch.equal(torch.get_rng_state(), state)


def test_the_stored_amplitudes_agree_at_small_rates_and_not_at_large_ones():
    accuracy = load("trainable-rates").accuracy.mean("seed")
    assert (accuracy.sel(learning_rate=[0.2, 0.8]) > 0.99).all()
    falling = accuracy.sel(learning_rate=1.2).values
    assert falling[0] > falling[1] > falling[2]
