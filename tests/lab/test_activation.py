"""Which units are on, and sums over them: in WebAssembly as in plain JavaScript, to the bit."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.lab import golden as golden_data
from tests.lab.conftest import LAB

BOTH = """
import { ActivationPattern, ENTRIES } from "./engine/activation.js";
import { activationPattern } from "./engine/compiled.js";
const points = { x0: Float64Array.from(data.x0), x1: Float64Array.from(data.x1) };
const number = data.x0.length;
const patterns = [new ActivationPattern(data.width, points), activationPattern(data.width, points)];
const sums = patterns.map((pattern) => {
  const f = new Float64Array(3 * number), rows = new Float64Array(ENTRIES * (data.width + 1));
  return data.weights.map((weights) => {
    pattern.update(Float64Array.from(weights));
    pattern.sumOverUnits(Float64Array.from(data.factors), f);
    pattern.sumOverPoints(Float64Array.from(data.g), rows);
    return [...f, ...rows];
  });
});
say({ plain: sums[0], compiled: sums[1], names: patterns.map((pattern) => pattern.constructor.name) });
"""


def problem(points, width, seed=0):
    random = np.random.default_rng(seed)
    x = np.sort(random.uniform(-2, 2, (2, points)))
    weights = random.standard_normal((4, 3 * width)) * [[1], [1e-3], [100], [0]]
    weights[1, 2 * width :] = 0  # lines through the origin
    factors, g = random.standard_normal(9 * (width + 1)), random.standard_normal(3 * points)
    return {"x0": x[0], "x1": x[1], "width": width, "weights": weights, "factors": factors, "g": g}


@pytest.mark.parametrize("width", [1, 7, 100])
@pytest.mark.parametrize("points", [1, 2, 15, 16, 31, 32, 33, 300, 1024, 1025, 2500])
def test_both_have_the_same_bits(node, points, width):
    data = problem(points, width)
    shown = node(BOTH, {name: np.asarray(value).tolist() for name, value in data.items()})
    assert shown["names"] == ["ActivationPattern", "CompiledActivationPattern"]
    assert shown["plain"] == shown["compiled"]


@pytest.mark.parametrize("points", [5, 32, 300])
def test_the_sums_are_numpys(node, points):
    data = problem(points, 6)
    shown = node(BOTH, {name: np.asarray(value).tolist() for name, value in data.items()})
    x = np.stack([data["x0"], data["x1"], np.ones(points)])
    factors, g = data["factors"].reshape(7, 3, 3), data["g"].reshape(3, points)
    for weights, both in zip(data["weights"], zip(shown["plain"], shown["compiled"], strict=True), strict=True):
        on = np.vstack([weights.reshape(3, 6).T @ x > 0, np.ones(points, bool)])
        f = np.einsum("hp,hix,xp->ip", on, factors, x)
        sums = np.einsum("hp,ip,xp->hix", on, g, x)
        for values in both:
            np.testing.assert_allclose(values, [*f.ravel(), *sums.ravel()], atol=1e-12)


def test_a_run_has_the_same_bits_without_webassembly(node):
    run = """
    import { Run } from "./engine/run.js";
    if (data.plain) delete globalThis.WebAssembly;
    const run = new Run(data.settings);
    for (let i = 0; i < 500; i++) run.advance();
    const pattern = run.objective.network.pattern.constructor.name;
    say({ pattern, parameters: [...run.parameters, run.curvature(), run.validationCorrect] });
    """
    settings = golden_data.USUAL | golden_data.SETTINGS[1]
    plain, compiled = (node(run, {"plain": plain, "settings": settings}) for plain in (True, False))
    assert [plain["pattern"], compiled["pattern"]] == ["ActivationPattern", "CompiledActivationPattern"]
    assert plain["parameters"] == compiled["parameters"]


def test_the_compiled_engine_uses_nothing_that_machines_round_differently():
    source = (LAB / "src" / "engine" / "activation.ts").read_text()
    assert "relaxed" not in source
    used = {f"{of}.{name}" for of, name in re.findall(r"\b([fi](?:32|64)x?\d*|v128)\.(\w+)", source)}
    assert used <= {
        *("v128.load", "v128.store", "f64x2.splat", "f64x2.add", "f64x2.sub", "f64x2.mul", "f64x2.abs", "f64x2.gt"),
        *("f64x2.extract_lane", "f64x2.replace_lane", "i64x2.extract_lane", "i64x2.bitmask"),
    }
