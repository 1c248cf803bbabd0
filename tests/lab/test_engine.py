"""The lab's engine follows the library, from the same random stream to the same sharpness."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import minidyn as md
from minidyn.training.capped import StepLimit, train_capped
from tests.lab import golden as golden_data
from tests.lab.conftest import LAB

RUNS = json.loads(golden_data.GOLDEN.read_text())
NAMES = ["-".join(str(run["settings"].get(name, "seed")) for name in ("loss", "width", "weights")) for run in RUNS]
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


def test_the_elementary_functions_are_right_to_the_last_bits(node):
    random = np.random.RandomState(0)
    x = {
        "exp": [0, -708, *-random.uniform(0, 700, 500), *-random.uniform(0, 1, 500)],
        "log": [1, 1e-300, *random.uniform(0, 3, 500), *(1 + 1e-6 * random.randn(500))],
        "sin": [0, *random.uniform(-20, 40, 1000)],
        "cos": [0, *random.uniform(-20, 40, 1000)],
    }
    values = node(
        """
        import * as elementary from "./engine/elementary.js";
        say(Object.entries(data).map(([name, x]) => x.map(elementary[name])));
        """,
        x,
    )
    for (name, points), value in zip(x.items(), values, strict=True):
        expected = getattr(np, name)(points)
        scale = np.ones_like(expected) if name in ("sin", "cos") else expected
        assert (np.abs(value - expected) <= 2 * np.spacing(np.abs(scale))).all(), name


def test_the_elementary_functions_have_their_limits(node):
    limits = node(
        """
        import { exp, log } from "./engine/elementary.js";
        say([exp(-Infinity), exp(NaN), exp(-800), log(0), log(-1), log(NaN), log(Infinity)].map(String));
        """
    )
    assert limits == ["0", "NaN", "0", "-Infinity", "NaN", "NaN", "Infinity"]


def test_the_engine_uses_nothing_that_browsers_round_differently():
    for source in (LAB / "src" / "engine").glob("*.js"):
        names = set(re.findall(r"Math\.(\w+)", source.read_text()))
        assert names <= {"sqrt", "abs", "floor", "ceil", "min", "max", "imul", "PI", "SQRT2", "LOG2E"}, source.name
        assert "**" not in source.read_text(), source.name


@pytest.mark.parametrize(("width", "noise"), [(4, 1), (30, 0), (128, 0.2)])
def test_outputs_gradients_and_hessians_are_the_librarys(node, width, noise):
    """At weights of a usual size, at ten times that size, and where all units are off or b = 0."""
    net, gamma = md.MLP(2, width, 3), md.Oscillation(20, 10)
    task, loss = md.spiral(noise=noise, seed=4), md.CrossEntropy(gamma)
    usual = net.init(1)
    (W, b), last = usual
    cases = [usual, [(10 * W, 10 * b), last], [(W, b - 9), last], [(W, 0 * b), last]]
    flat = [np.concatenate([a.ravel() for layer in params for a in layer]) for params in cases]
    direction = np.random.RandomState(0).randn(flat[0].size)
    results = node(
        """
        import { Objective } from "./engine/objective.js";
        const objective = new Objective({ width: data.width, noise: data.noise, data_seed: 4, loss: "cross_entropy" });
        const product = new Float64Array(data.direction.length);
        say(data.flat.map((parameters) => {
          objective.measure(Float64Array.from(parameters), data.gamma);
          objective.hessianProduct(data.direction, product);
          return [objective.value, objective.correct, [...objective.gradient], [...product]];
        }));
        """,
        {
            "width": width,
            "noise": noise,
            "flat": [params.tolist() for params in flat],
            "direction": direction.tolist(),
            "gamma": gamma.weights(3).tolist(),
        },
    )
    for params, (value, correct, gradient, product) in zip(cases, results, strict=True):
        logits = net.logits(params, task.x)
        assert value == pytest.approx(loss.value(logits, task.labels, 3), rel=1e-13)
        assert correct == (logits.argmax(axis=1) == task.labels).sum()
        expected = md.gradient(net, params, task, loss, step=3)
        expected = np.concatenate([a.ravel() for layer in expected for a in layer])
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-14 * np.abs(expected).max())
        expected = md.hessian(net, params, task, loss, step=3) @ direction
        np.testing.assert_allclose(product, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


def test_a_restored_run_goes_on_with_the_same_bits(node):
    same = node(
        """
        import { Run } from "./engine/run.js";
        const run = new Run(data), other = new Run(data);
        const row = () => [run.step, run.F, run.change, run.frozenChange, run.correct, run.validationCorrect];
        for (let i = 0; i < 200; i++) run.advance();
        const kept = run.parameters.slice();
        for (let i = 0; i < 300; i++) run.advance();
        const first = row(), last = [...run.parameters];
        run.restore(200, kept);
        for (let i = 0; i < 300; i++) run.advance();
        say([first, last].map(String).join() === [row(), [...run.parameters]].map(String).join());
        """,
        golden_data.USUAL | golden_data.SETTINGS[1],
    )
    assert same


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


CAPPED_RUN = """
import { Run } from "./engine/run.js";
const run = new Run(data.settings);
if (data.params) run.restore(data.step, data.params);
const shown = { F: [run.F], directions: [] };
while (shown.F.length <= data.steps) {
  run.advance();
  shown.F.push(run.F);
  shown.directions.push(run.cap ? run.cap.directions.length : 0);
}
say(shown);
"""


def capped_pair(node, *, width, amplitude, period, start, steps, cap="leading"):
    """The losses and the numbers of limited directions, in the lab and in the library, from the same weights."""
    settings = golden_data.USUAL | golden_data.SETTINGS[0]
    settings |= {"width": width, "amplitude": amplitude, "period": period, "cap": cap}
    net, task, loss = md.MLP(2, width, 3), md.spiral(), md.CrossEntropy(md.Oscillation(amplitude, period))
    params = net.init(0)
    if start:
        params = md.train(net, params, task, loss, learning_rate=1.0, steps=start, progress=False).params
    data = {"settings": settings, "step": start, "params": net.structure.flatten(params).tolist(), "steps": steps}
    limit = StepLimit(tolerance=1e-8)
    run = train_capped(net, params, task, loss, limit, learning_rate=1.0, steps=steps, start=start)
    return node(CAPPED_RUN, data), run.history


@pytest.mark.parametrize(
    "problem",
    [
        {"width": 30, "amplitude": 20, "period": 500, "start": 900, "steps": 600},
        {"width": 100, "amplitude": 70, "period": 5000, "start": 4300, "steps": 500},
    ],
    ids=["short turns", "long turns"],
)
def test_limited_steps_are_the_librarys(node, problem):
    lab, library = capped_pair(node, **problem)
    np.testing.assert_allclose(lab["F"], library.loss, rtol=1e-6)
    assert lab["directions"][::20] == library.limited.values.tolist()
    assert max(lab["directions"]) >= 1


def test_the_cap_makes_a_difference(node):
    """Without it, the run leaves the library's limited one: the comparison can fail."""
    problem = {"width": 30, "amplitude": 20, "period": 500, "start": 900, "steps": 600}
    lab, library = capped_pair(node, **problem, cap="none")
    assert not np.allclose(lab["F"], library.loss, rtol=1e-3)


def test_a_limited_run_replays_and_is_pinned_with_the_same_bits(node):
    same = node(
        """
        import { Run } from "./engine/run.js";
        import { Past } from "./past.js";
        const run = new Run(data), other = new Run(data), past = new Past(64);
        past.note(run);
        const go = (run) => { run.advance(); past.note(run); };
        while (run.step < 951) go(run);
        const before = String(run.parameters), limited = run.cap.directions.length;
        other.follow(run);
        for (let i = 0; i < 30; i++) { go(run); other.advance(); }
        const pinned = String(run.parameters) === String(other.parameters);
        const earlier = new Run(data);
        past.replay(earlier, 951);
        say([limited, pinned, String(earlier.parameters) === before]);
        """,
        golden_data.USUAL | golden_data.SETTINGS[0] | {"width": 30, "amplitude": 20, "period": 500, "cap": "leading"},
    )
    assert same[0] >= 1
    assert same[1:] == [True, True]


def test_several_eigenpairs_are_the_librarys(node):
    net, gamma = md.MLP(2, 30, 3), md.Oscillation(20, 500)
    task, loss = md.spiral(), md.CrossEntropy(gamma)
    run = md.train(net, net.init(0), task, loss, learning_rate=1.0, steps=900, progress=False)
    pairs = node(
        """
        import { LeadingEigenpairs } from "./engine/curvature.js";
        import { Objective } from "./engine/objective.js";
        const objective = new Objective({ width: 30, noise: 0.2, data_seed: 0, loss: "cross_entropy" });
        objective.measure(Float64Array.from(data.params), data.gamma);
        const find = new LeadingEigenpairs(data.params.length);
        const product = (u, out) => objective.hessianProduct(u, out);
        const pairs = find.compute(product, { threshold: 0.3, count: 6, tolerance: 1e-8 });
        say(pairs.map(({ value, vector }) => [value, [...vector]]));
        """,
        {"params": net.structure.flatten(run.params).tolist(), "gamma": gamma.weights(900).tolist()},
    )
    values, vectors = np.linalg.eigh(md.hessian(net, run.params, task, loss, step=900))
    above = min(6, int((values > 0.3).sum()))
    assert above >= 2
    np.testing.assert_allclose([value for value, _ in pairs], values[::-1][:above], rtol=1e-10)
    overlaps = np.abs([vector @ vectors[:, -1 - rank] for rank, (_, vector) in enumerate(pairs)])
    np.testing.assert_allclose(overlaps, 1, atol=1e-10)
