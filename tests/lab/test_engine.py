"""The lab's engine follows the library, from the same random stream to the same sharpness."""

from __future__ import annotations

import json

import numpy as np
import pytest

import minidyn as md
from tests.lab import golden as golden_data

RUNS = json.loads(golden_data.GOLDEN.read_text())
NAMES = [f"{run['settings']['loss']}-{run['settings']['width']}" for run in RUNS]
every_run = pytest.mark.parametrize("golden", RUNS, ids=NAMES)

ENGINE_RUN = """
import { Run } from "./engine/run.js";
const run = new Run(data.settings);
const shown = { F: [], correct: [], validation_correct: [], sharpness: [] };
for (;;) {
  shown.F.push(run.F);
  shown.correct.push(run.correct);
  shown.validation_correct.push(run.validationCorrect);
  shown.sharpness.push(run.curvature());
  if (run.step + data.every > data.steps) break;
  for (let i = 0; i < data.every; i++) run.advance();
}
say(shown);
"""


def test_the_random_stream_is_numpys(node):
    streams = node(
        """
        import { RandomState } from "./engine/random.js";
        const draw = (random) => [random.double(), ...random.randn(1001)];
        say(data.map((seed) => draw(new RandomState(seed))));
        """,
        seeds := [0, 1, 2**31, 2**32 - 1],
    )
    for seed, (first, *normal) in zip(seeds, streams, strict=True):
        random = np.random.RandomState(seed)
        assert first == random.random_sample()
        # Their logarithms may differ in the last bit.
        np.testing.assert_allclose(normal, random.randn(1001), rtol=1e-15, atol=0)


def test_linspace_is_numpys(node):
    ends = [[0, 1, 100], [2 * np.pi / 3, 2 * np.pi / 3 + 4 * np.pi, 100], [-1, 0.3, 7]]
    arrays = node('import { linspace } from "./engine/task.js"; say(data.map((ends) => [...linspace(...ends)]));', ends)
    for (start, stop, count), values in zip(ends, arrays, strict=True):
        assert values == np.linspace(start, stop, count).tolist()


def test_the_spiral_is_the_librarys(node):
    spiral = node(
        """
        import { spiral } from "./engine/task.js";
        const task = spiral(data);
        say([[...task.x0], [...task.x1], [...task.labels]]);
        """,
        {"noise": 0.2, "seed": 0},
    )
    task = md.spiral()
    assert spiral[2] == task.labels.tolist()
    np.testing.assert_allclose(np.transpose(spiral[:2]), task.x, rtol=0, atol=4e-16)


def test_the_class_weights_are_the_librarys(node):
    settings = {"amplitude": 7.5, "period": 51, "rest_from": 400}
    weights = node(
        """
        import { weights } from "./engine/oscillation.js";
        say(Array.from({ length: 500 }, (_, step) => [...weights(data, step)]));
        """,
        settings,
    )
    gamma = md.Oscillation(7.5, 51, rest_from=400)
    assert weights == gamma.weights(np.arange(500)).tolist()


def test_the_initial_weights_are_the_librarys(node):
    initial = node('import { init } from "./engine/network.js"; say([...init(30, 5)]);')
    params = md.MLP(2, 30, 3).init(5)
    flat = np.concatenate([a.ravel() for layer in params for a in layer])
    np.testing.assert_allclose(initial, flat, rtol=1e-15, atol=0)


@every_run
def test_the_engine_follows_the_golden_runs(node, golden):
    shown = node(ENGINE_RUN, {"every": golden_data.EVERY, **golden})
    np.testing.assert_allclose(shown["F"], golden["F"], rtol=1e-9)
    assert shown["correct"] == golden["correct"]
    assert shown["validation_correct"] == golden["validation_correct"]
    np.testing.assert_allclose(shown["sharpness"], golden["sharpness"], rtol=1e-9)


@every_run
def test_the_library_follows_the_golden_runs(golden):
    steps = min(golden["steps"], 765)
    computed = golden_data.trajectory(golden["settings"], steps)
    until = len(computed["F"])
    np.testing.assert_allclose(computed["F"], golden["F"][:until], rtol=1e-9)
    assert computed["correct"] == golden["correct"][:until]
    assert computed["validation_correct"] == golden["validation_correct"][:until]
    np.testing.assert_allclose(computed["sharpness"], golden["sharpness"][:until], rtol=1e-9)


def test_the_golden_runs_cover_their_settings():
    assert [run["settings"] for run in RUNS] == [golden_data.USUAL | settings for settings in golden_data.SETTINGS]
    assert all(run["steps"] >= 1000 for run in RUNS)


def test_a_planted_error_is_noticed(node):
    """A learning rate off by one part in 1e6 leaves the golden trajectory: the comparison can fail."""
    golden = RUNS[1]
    settings = golden["settings"] | {"learning_rate": golden["settings"]["learning_rate"] * (1 + 1e-6)}
    shown = node(ENGINE_RUN, {"every": golden_data.EVERY, "settings": settings, "steps": 510})
    assert not np.allclose(shown["F"], golden["F"][: len(shown["F"])], rtol=1e-9)
