"""The lab's engine follows the library, from the same random stream to the same sharpness."""

from __future__ import annotations

import json

import numpy as np
import pytest

import minidyn as md
from tests.lab import write_golden

RUNS = json.loads(write_golden.GOLDEN.read_text())
NAMES = [f"{run['settings']['loss']}-{run['settings']['width']}" for run in RUNS]
each_run = pytest.mark.parametrize("golden", RUNS, ids=NAMES)

ENGINE_RUN = """
import { Run } from "./engine/run.js";
const run = new Run(data.settings);
const found = { F: [], correct: [], validation_correct: [], sharpness: [] };
for (;;) {
  found.F.push(run.F);
  found.correct.push(run.correct);
  found.validation_correct.push(run.validationCorrect);
  found.sharpness.push(run.curvature());
  if (run.step + data.every > data.steps) break;
  for (let i = 0; i < data.every; i++) run.advance();
}
say(found);
"""


def test_random_stream_is_numpys(node):
    found = node(
        """
        import { RandomState } from "./engine/random.js";
        const draw = (random) => [random.double(), ...random.randn(1001)];
        say(data.map((seed) => draw(new RandomState(seed))));
        """,
        seeds := [0, 1, 2**31, 2**32 - 1],
    )
    for seed, (first, *normal) in zip(seeds, found, strict=True):
        random = np.random.RandomState(seed)
        assert first == random.random_sample()
        # Their logarithms may differ in the last bit.
        np.testing.assert_allclose(normal, random.randn(1001), rtol=1e-15, atol=0)


def test_linspace_is_numpys(node):
    ends = [[0, 1, 100], [2 * np.pi / 3, 2 * np.pi / 3 + 4 * np.pi, 100], [-1, 0.3, 7]]
    found = node('import { linspace } from "./engine/task.js"; say(data.map((ends) => [...linspace(...ends)]));', ends)
    for (start, stop, count), values in zip(ends, found, strict=True):
        assert values == np.linspace(start, stop, count).tolist()


def test_spiral_is_the_librarys(node):
    found = node(
        """
        import { spiral } from "./engine/task.js";
        const task = spiral(data);
        say([[...task.x0], [...task.x1], [...task.labels]]);
        """,
        {"noise": 0.2, "seed": 0},
    )
    task = md.spiral()
    assert found[2] == task.labels.tolist()
    np.testing.assert_allclose(np.transpose(found[:2]), task.x, rtol=0, atol=4e-16)


def test_weights_are_the_librarys(node):
    settings = {"amplitude": 7.5, "period": 51, "rest_from": 400}
    found = node(
        """
        import { weights } from "./engine/oscillation.js";
        say(Array.from({ length: 500 }, (_, step) => [...weights(data, step)]));
        """,
        settings,
    )
    gamma = md.Oscillation(7.5, 51, rest_from=400)
    assert found == gamma.weights(np.arange(500)).tolist()


def test_initial_weights_are_the_librarys(node):
    found = node('import { init } from "./engine/network.js"; say([...init(30, 5)]);')
    params = md.MLP(2, 30, 3).init(5)
    flat = np.concatenate([a.ravel() for layer in params for a in layer])
    np.testing.assert_allclose(found, flat, rtol=1e-15, atol=0)


@each_run
def test_engine_follows_golden(node, golden):
    found = node(ENGINE_RUN, {"every": write_golden.EVERY, **golden})
    np.testing.assert_allclose(found["F"], golden["F"], rtol=1e-9)
    assert found["correct"] == golden["correct"]
    assert found["validation_correct"] == golden["validation_correct"]
    np.testing.assert_allclose(found["sharpness"], golden["sharpness"], rtol=1e-9)


@each_run
def test_library_follows_golden(golden):
    steps = min(golden["steps"], 765)
    found = write_golden.trajectory(golden["settings"], steps)
    until = len(found["F"])
    np.testing.assert_allclose(found["F"], golden["F"][:until], rtol=1e-9)
    assert found["correct"] == golden["correct"][:until]
    assert found["validation_correct"] == golden["validation_correct"][:until]
    np.testing.assert_allclose(found["sharpness"], golden["sharpness"][:until], rtol=1e-9)


def test_golden_covers_its_settings():
    assert [run["settings"] for run in RUNS] == [write_golden.USUAL | settings for settings in write_golden.SETTINGS]
    assert all(run["steps"] >= 1000 for run in RUNS)


def test_planted_error_is_seen(node):
    """A learning rate off by one part in 1e6 leaves the golden trajectory: the comparison can fail."""
    golden = RUNS[1]
    settings = golden["settings"] | {"learning_rate": golden["settings"]["learning_rate"] * (1 + 1e-6)}
    found = node(ENGINE_RUN, {"every": write_golden.EVERY, "settings": settings, "steps": 510})
    assert not np.allclose(found["F"], golden["F"][: len(found["F"])], rtol=1e-9)
