"""The lab sees period doublings where the library does, in the same updates."""

from __future__ import annotations

import json

import numpy as np
import pytest

from minidyn import orbits
from tests.lab import golden

RUNS = [run["settings"] for run in json.loads(golden.GOLDEN.read_text())]
CASCADES = [RUNS[0], RUNS[-1]]  # seed 0 and figure 4's weights: a first burst of hundreds of updates
STEPS = 6000

# Runs the lab's engine as its thread does, up to the first burst that can be seen.
TO_BURST = """
import { BurstWatch } from "./burst.js";
import { CURVATURE_EVERY, Run } from "./engine/run.js";
const run = new Run(data.settings);
const watch = new BurstWatch();
let sharpness = [0, run.curvature()];
while (!watch.visible && run.step < data.steps) {
  run.advance();
  if (run.step % CURVATURE_EVERY === 0) sharpness = [sharpness[1], run.curvature()];
  watch.add(run.step, run.frozenChange, Math.max(...sharpness) > 2 / data.settings.learning_rate);
}
say({ step: run.step, visible: watch.visible, ...watch.describe(), forks: watch.range(20), window: watch.range(1000) });
"""


def held_loss(settings, steps=STEPS):
    """F from step to step with Γ held in each update, up to a constant; entry k is step k."""
    descent = orbits.loss_changes(golden.train(settings, steps=steps).history).descent.values
    return np.concatenate([[0.0], np.cumsum(descent)])


@pytest.mark.parametrize("settings", CASCADES, ids=["seed 0", "figure 4"])
def test_period_two_begins_where_the_librarys_does(node, settings):
    shown = node(TO_BURST, {"settings": settings, "steps": STEPS})
    held = held_loss(settings)
    assert abs(shown["doubled"] - orbits.first_period_doubling(held)) <= 5
    assert shown["period"] == orbits.period(held, shown["step"] - 63) == 2


@pytest.mark.parametrize("settings", CASCADES, ids=["seed 0", "figure 4"])
def test_a_burst_is_shown_when_it_fills_half_of_its_window(node, settings):
    shown = node(TO_BURST, {"settings": settings, "steps": STEPS})
    assert shown["visible"]
    assert 500 <= shown["step"] - shown["doubled"] <= 900
    assert shown["forks"] >= shown["window"] / 2


def test_a_short_burst_is_shown_when_it_is_over(node):
    settings = golden.USUAL | {
        "amplitude": 20, "period": 500, "learning_rate": 1, "width": 50, "loss": "cross_entropy",
    }  # fmt: skip
    shown = node(TO_BURST, {"settings": settings, "steps": 3000})
    held = held_loss(settings, 3000)
    assert shown["visible"]
    assert shown["over"]
    assert abs(shown["doubled"] - orbits.first_period_doubling(held)) <= 5
    assert (np.diff(held)[shown["end"] : shown["step"]] < 0).all()
    assert shown["step"] - shown["start"] < 900


def test_a_run_without_a_burst_shows_none(node):
    settings = golden.USUAL | {
        "amplitude": 1, "period": 5000, "learning_rate": 0.2, "width": 25, "loss": "cross_entropy",
    }  # fmt: skip
    shown = node(TO_BURST, {"settings": settings, "steps": 2000})
    assert not shown["visible"]
    assert orbits.first_period_doubling(held_loss(settings, 2000)) is None


def series():
    """Series of 64 values, and what they are: orbits of a map, with a drift; noise; windows of a run."""
    random = np.random.RandomState(0)
    drift = 0.01 * np.arange(64)
    for period in (1, 2, 3, 4, 8, 16):
        yield np.resize(random.randn(period), 64) + drift
    yield random.randn(64)
    yield drift**2
    yield np.zeros(64)
    held = held_loss(RUNS[-1], 5200)
    yield from (held[step : step + 64] for step in range(3900, 5100, 40))


def test_periods_are_the_librarys(node):
    windows = list(series())
    code = 'import { period } from "./orbit.js"; say(data.map((values) => period(values)));'
    shown = node(code, [window.tolist() for window in windows])
    assert shown == [orbits.period(window, 0) for window in windows]
    assert {0, 1, 2, 4} <= set(shown)
