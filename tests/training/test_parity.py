"""Against runs of the published loop in JAX (tests/data), which share no code with this library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import minidyn as md
from tests.training.runs import ENGINES

DATA = Path(__file__).parents[1] / "data"
RUNS = {"short_periods": 201, "tilting_seed0": 5001}  # the published clock holds each class T + 1 steps


def reference(name):
    return dict(np.load(DATA / f"{name}.npz"))


def weights(ref, end=""):
    return [(ref[f"W{layer}{end}"], ref[f"b{layer}{end}"]) for layer in (1, 2)]


def rerun(ref, dwell, engine="numpy"):
    params = weights(ref)
    net = md.MLP(2, params[0][0].shape[1], 3)
    gamma = md.Oscillation(float(ref["A"]), int(ref["T"]), dwell=dwell)
    options = {"learning_rate": float(ref["eta"]), "steps": int(ref["steps"]), "engine": engine}
    return md.train(net, params, md.spiral(), md.CrossEntropy(gamma), progress=False, **options)


@pytest.fixture(scope="module", params=[(name, engine) for name in RUNS for engine in ENGINES], ids="-".join)
def pair(request):
    name, engine = request.param
    ref = reference(name)
    return ref, rerun(ref, RUNS[name], engine)


def relative_error(history, ref):
    return np.abs(history.loss[1:].values / ref["F"] - 1).max()


@pytest.mark.parametrize("name", RUNS)
def test_the_data_are_the_published_ones_bit_for_bit(name):
    ref, task = reference(name), md.spiral()
    assert task.x.tobytes() == ref["X"].tobytes()
    assert (task.labels == ref["y"]).all()


def test_every_step_of_the_descent(pair):
    ref, run = pair
    assert relative_error(run.history, ref) < 1e-10
    np.testing.assert_allclose(run.history.static_loss[1:], ref["static_loss"], rtol=1e-10)
    assert (np.rint(run.history.accuracy[1:].values * 300) == ref["correct"]).all()


def test_where_the_descent_ends(pair):
    ref, run = pair
    for layer, wanted in zip(run.params, weights(ref, "_end"), strict=True):
        for f, w in zip(layer, wanted, strict=True):
            assert np.abs(f - w).max() < 1e-7 * np.abs(w).max()


def test_holding_each_class_one_step_less_misses_clearly():
    ref = reference("short_periods")
    history = rerun(ref, dwell=200).history
    assert relative_error(history, ref) > 0.01
    assert (np.rint(history.accuracy[1:].values * 300) != ref["correct"]).any()


@pytest.mark.parametrize("end", ["start", "end"])
@pytest.mark.parametrize("name", RUNS)
def test_spectra(name, end):
    ref = reference(name)
    params = weights(ref, "_end" if end == "end" else "")
    net, task, step = md.MLP(2, params[0][0].shape[1], 3), md.spiral(), int(ref["steps"]) if end == "end" else 0
    loss = md.CrossEntropy(md.Oscillation(float(ref["A"]), int(ref["T"]), dwell=RUNS[name]))
    kernel = md.ntk(net, params, task.x)
    matrices = {
        "hessian": md.hessian(net, params, task, loss, step),
        "ntk": kernel.reshape(900, 900),
        "ntk50": np.trace(kernel[:50, :, :50, :], axis1=1, axis2=3) / 3,  # as the published notebook averages
    }
    for matrix, symmetric in matrices.items():
        wanted = np.sort(ref[f"{matrix}_eigs_{end}"])
        assert np.abs(np.linalg.eigvalsh(symmetric) - wanted).max() < 1e-9 * wanted[-1]
