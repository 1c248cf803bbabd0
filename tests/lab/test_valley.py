"""The lab's valley is the library's: floor, sharpest direction, force, and the orbit of the map."""

from __future__ import annotations

import numpy as np
import pytest

import minidyn as md
from minidyn import orbits
from tests.lab import golden

# Settings, and the middle of a window in which descent bounces and the bounce is not chaotic yet.
BOUNCES = [
    ({"amplitude": 70, "period": 5000, "learning_rate": 1, "width": 100, "loss": "cross_entropy"}, 4550),
    ({"amplitude": 20, "period": 500, "learning_rate": 1, "width": 50, "loss": "cross_entropy", "seed": 2}, 960),
    ({"amplitude": 5, "period": 500, "learning_rate": 1, "width": 50, "loss": "mse_output"}, 2600),
]

VALLEY_OF_A_RUN = """
import { Run } from "./engine/run.js";
import { Valley, windowLength } from "./valley.js";
const run = new Run(data.settings);
const path = [];
const first = data.middle - windowLength(data.settings) / 2;
while (run.step < first + windowLength(data.settings)) {
  if (run.step >= first) path.push(run.parameters.slice());
  run.advance();
}
const valley = new Valley(data.settings).measure(path, first);
const list = (values) => Array.from(values);
say({ ...valley, floor: list(valley.floor), direction: list(valley.direction), x: list(valley.x),
      value: list(valley.value), force: list(valley.force) });
"""


def library_valley(settings, middle, side):
    """The library's run through a window: its path along the slice that points to `side`, and the slice."""
    window = 64 if settings["period"] > 500 else 32
    begin = golden.train(settings, steps=middle - window // 2)
    net, task, loss = begin.settings.net, begin.settings.task, begin.settings.loss
    options = {"learning_rate": float(settings["learning_rate"]), "start": middle - window // 2, "steps": window - 1}
    run = md.train(net, begin.params, task, loss, measure={"params": 1}, progress=False, **options)
    floor = md.valley_floor(run, middle, window=window)
    cut = md.valley_slice(net, floor, task, loss, middle, learning_rate=options["learning_rate"])
    direction = cut.direction * np.sign(cut.direction @ side)  # an eigenvector has no sign of its own
    cut = md.valley_slice(net, floor, task, loss, middle, learning_rate=options["learning_rate"], direction=direction)
    return orbits.projection(run, floor, cut.direction).values, cut


def period(orbit):
    return orbits.period(orbit, 0, entries=len(orbit), longest=len(orbit) // 4)


@pytest.mark.parametrize(("settings", "middle"), BOUNCES, ids=["published", "cross-entropy", "squared"])
def test_the_valley_is_the_librarys(node, settings, middle):
    settings = golden.USUAL | settings
    valley = node(VALLEY_OF_A_RUN, {"settings": settings, "middle": middle})
    path, cut = library_valley(settings, middle, valley["direction"])
    orbit = cut.orbit(300, start=path[0])[-len(path) :]
    assert valley["step"] == middle
    np.testing.assert_allclose(valley["direction"], cut.direction, rtol=0, atol=1e-6)
    np.testing.assert_allclose(valley["force"], cut.force(valley["x"]), rtol=0, atol=1e-6)
    np.testing.assert_allclose(valley["value"], cut.value(valley["x"]) - cut.value(0.0), rtol=0, atol=1e-7)
    np.testing.assert_allclose(valley["run"]["places"], path, rtol=0, atol=1e-6)
    assert valley["sharpness"] == pytest.approx(cut.curvature, rel=1e-7)
    assert valley["run"]["swing"] == pytest.approx(path.std(), abs=1e-6)
    assert valley["run"]["period"] == period(path) == 2
    if settings["loss"] == "mse_output":  # the map leaves the valley, in the lab as in the library
        assert np.isnan(orbit).all()
        assert valley["map"]["swing"] is valley["map"]["period"] is None  # NaN in JSON
    else:
        assert valley["map"]["swing"] == pytest.approx(orbit.std(), abs=1e-6)
        assert valley["map"]["period"] == period(orbit) == 2
        assert orbit.std() > 0.1


@pytest.mark.parametrize("length", [1, 2, 3, 4, 8, 16, 0])
def test_periods_and_swings_are_those_of_the_library(node, length):
    random = np.random.RandomState(length)
    wave = random.randn(64) if length == 0 else np.tile(random.randn(length), 64)[:64]
    values = wave + np.linspace(0, 0.3, 64)
    shown = node('import { period, swing } from "./orbit.js"; say([period(data), swing(data)]);', values.tolist())
    assert shown[0] == orbits.period(values, 0)
    assert shown[1] == pytest.approx(values.std(), rel=1e-14)


@pytest.mark.parametrize(("bounce", "drift"), [(0.2, 0.0), (0.2, 0.01), (0.0, 0.01)])
def test_a_bounce_is_told_from_a_drift(node, bounce, drift):
    values = bounce * (-1.0) ** np.arange(64) + drift * np.arange(64)
    shown = node('import { bounce } from "./orbit.js"; say(bounce(data));', values.tolist())
    assert shown == pytest.approx(bounce, abs=1e-15)
