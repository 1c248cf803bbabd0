"""The fused CUDA engine: what it computes is what the NumPy engine computes, to rounding.

`test_cuda_engine.py` runs this file in a process of its own, in numba's simulator, which has to be switched on before
numba is imported; on a machine with a GPU, `pytest tests/ensembles/cuda_suite.py` runs it there. The simulator starts
a Python thread for each CUDA thread: problems are tiny.
"""

from __future__ import annotations

import warnings
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest

import minidyn as md
from minidyn import ensembles
from minidyn.ensembles import cuda, cuda_kernel
from minidyn.ensembles import torch as torch_engine

LOSSES = ("cross_entropy", "mse_sample", "mse_output")


@pytest.fixture(autouse=True)
def nothing_is_left_to_torch():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "overflow|invalid value", RuntimeWarning)  # the simulator computes in NumPy
        warnings.filterwarnings("error", message="engine ")
        yield


def few(noise, seed):
    return md.spiral(4, noise=noise, seed=seed)


def sweep(grid, engine="cuda", **settings):
    settings = {"steps": 12, "task": few, "workers": 1, "progress": False, **settings}
    return md.sweep({"width": [3], **grid}, engine=engine, **settings)


def assert_same(ours, reference, tolerance=1e-13):
    assert set(ours.variables) == set(reference.variables)
    for name in ours.data_vars:
        limit = 1e-9 if name == "sharpness" else tolerance  # an eigenvalue, by another iteration
        np.testing.assert_allclose(ours[name], reference[name], rtol=limit, atol=limit, err_msg=str(name))


def train(members, steps, engine="cuda", measure=None):
    ensemble = ensembles.Ensemble(members=members, steps=steps, measure=measure or {})
    return list(ensembles.choose(engine).train(ensemble))


def member(loss=None, *, net=None, task=None, seed=0, **settings):
    net, task = net or md.MLP(2, 3, 3), task or few(0.2, 0)
    defaults = {"params": net.init(seed), "learning_rate": 0.3, "loss": loss or md.CrossEntropy()}
    return ensembles.Member(net=net, task=task, **{**defaults, **settings})


def vector_of(result):
    return np.concatenate([np.ravel(part) for layer in result.params for part in layer])


# The same runs


@pytest.mark.parametrize("loss", LOSSES)
def test_every_axis_and_history_agrees_with_the_numpy_engine(loss):
    grid = {"amplitude": [1, 5], "period": [4], "width": [3, 8], "learning_rate": [0.1, 0.4], "data_seed": [1]}
    series = {"loss": 3, "static_loss": 1, "accuracy": 5, "validation_accuracy": 4}
    own = {"hessian_max": 6, "norm": (5, lambda net, params, task, loss, step: [step, np.linalg.norm(params[0][0])])}
    settings = {"loss": loss, "rest": 4, "validation": few, "measure": {**series, **own}}
    ours, reference = sweep(grid, **settings), sweep(grid, "numpy", **settings)
    assert_same(ours.drop_vars("hessian_max_history"), reference.drop_vars("hessian_max_history"))
    np.testing.assert_allclose(ours.hessian_max_history, reference.hessian_max_history, rtol=1e-8)
    assert ours.attrs["engine"] == "cuda"
    assert ours.attrs["device"] == "cuda:0"


@pytest.mark.parametrize("threads", [1, 4, 16, 32])
def test_results_do_not_depend_on_the_number_of_threads(monkeypatch, threads):
    """One group that goes over its units in several rounds; several groups; more threads than samples."""
    monkeypatch.setattr(cuda, "SIMULATED_THREADS", threads)
    monkeypatch.setattr(cuda, "THREADS", [threads])
    runs = [member(md.CrossEntropy(md.Oscillation(6, 3)), net=md.MLP(2, 6, 3))]
    [ours], [reference] = train(runs, 5), train(runs, 5, "numpy")
    np.testing.assert_allclose(vector_of(ours), vector_of(reference), rtol=1e-13)


@pytest.mark.parametrize(("inputs", "outputs", "points"), [(1, 2, 7), (5, 4, 6), (3, 10, 13)])
def test_any_number_of_inputs_outputs_and_samples(inputs, outputs, points):
    random = np.random.RandomState(0)
    task = md.Task(random.randn(points, inputs), random.randint(0, outputs, points), outputs)
    net = md.MLP(inputs, 4, outputs)
    for gamma in (None, md.Oscillation(4, 2, outputs)):
        runs = [member(loss, net=net, task=task) for loss in (md.CrossEntropy(gamma), md.SquaredError(gamma))]
        for ours, reference in zip(train(runs, 4), train(runs, 4, "numpy"), strict=True):
            np.testing.assert_allclose(vector_of(ours), vector_of(reference), rtol=1e-13)


@pytest.mark.parametrize(
    "gamma",
    [
        md.Oscillation(5, 4, dwell=5),
        md.Oscillation(5, 2),
        md.Oscillation(1, 1),
        md.Oscillation(9, 7, dwell=9, rest_from=11),
        None,
    ],
)
def test_class_weights_are_those_of_the_oscillation(gamma):
    runs = [member(md.SquaredError(gamma, weighting="output"), learning_rate=0.05)]
    [ours], [reference] = (train(runs, 16, engine, {"loss": 1}) for engine in ("cuda", "numpy"))
    np.testing.assert_allclose(ours.histories["loss"], reference.histories["loss"], rtol=1e-13)


def test_relu_has_slope_0_at_0():
    task, net = md.Task([[0.0, 0.0], [1.0, 2.0], [2.0, -1.0]], [0, 1, 2], 3), md.MLP(2, 4, 3)
    params = [(weight, 0 * bias) for weight, bias in net.init(1)]  # the first sample's hidden units are all at 0
    runs = [member(net=net, task=task, params=params)]
    [ours], [reference] = train(runs, 1), train(runs, 1, "numpy")
    np.testing.assert_allclose(vector_of(ours), vector_of(reference), rtol=1e-13)


def test_float32_agrees_to_its_digits():
    runs = [member(md.CrossEntropy(md.Oscillation(5, 4)), seed=seed) for seed in range(2)]
    for ours, reference in zip(train(runs, 6, "cuda32"), train(runs, 6, "numpy"), strict=True):
        np.testing.assert_allclose(vector_of(ours), vector_of(reference), rtol=1e-4, atol=1e-6)
        assert np.abs(vector_of(ours) - vector_of(reference)).max() > 0  # it is another precision


def test_launches_are_as_good_as_one(monkeypatch):
    grid = {"amplitude": [5], "period": [4], "seed": range(3)}
    settings = {"measure": {"loss": 2, "params": 4}}
    whole = sweep(grid, **settings)
    monkeypatch.setattr(cuda, "BLOCK", 5)
    monkeypatch.setattr(cuda, "CHUNK", 2)
    assert_same(sweep(grid, **settings), whole)


# Divergence


@pytest.mark.parametrize("loss", LOSSES)
def test_a_network_that_diverges_stays_where_it_was_and_leaves_the_others_alone(loss):
    grid = {"learning_rate": [0.1, 1e200], "seed": [0, 1]}
    settings = {"steps": 8, "loss": loss, "measure": {"loss": 1, "accuracy": 2, "hessian_max": 3}}
    data, reference = sweep(grid, **settings), sweep(grid, "numpy", **settings)
    assert data.diverged.sel(learning_rate=1e200).all()
    assert not data.diverged.sel(learning_rate=0.1).any()
    assert np.isnan(data.loss_history.sel(learning_rate=1e200)[..., -1]).all()
    for name in ("updates", "diverged", "accuracy"):
        np.testing.assert_array_equal(data[name], reference[name], err_msg=name)
    calm = sweep({**grid, "learning_rate": [0.1]}, **settings)
    assert_same(data.sel(learning_rate=[0.1]), calm)


def test_a_loss_that_overflows_only_as_a_sum_is_seen(monkeypatch):
    """Each sample's term is finite, and so is each thread's sum; the loss of all of them is not."""
    monkeypatch.setattr(cuda, "SIMULATED_THREADS", 4)
    task = md.Task([[1.0]] * 4, [0, 0, 0, 0], 2)
    net = md.MLP(1, 1, 2)
    params = [(np.array([[1.0]]), np.array([0.0])), (np.array([[1.2e154, 0.0]]), np.zeros(2))]
    runs = [member(md.SquaredError(), net=net, task=task, params=params)]
    term = np.float64(1.2e154) ** 2 / 2
    assert np.isfinite(2 * term)
    assert not np.isfinite(4 * term)
    [result] = train(runs, 2)
    assert result.diverged
    assert result.updates == 0
    np.testing.assert_array_equal(vector_of(result), np.concatenate([np.ravel(p) for layer in params for p in layer]))


# What it does not take


def test_what_does_not_fit_is_left_to_torch_and_said(monkeypatch):
    monkeypatch.setattr(cuda, "SHARED_BYTES", 1700)
    says = r"engine 'torch' on 'c.*' trains 1 of 2 runs instead of 'cuda': MLP\(2, 40, 3\) .* does not fit"
    with pytest.warns(UserWarning, match=says):
        data = sweep({"width": [2, 40]}, steps=3)
    assert_same(data, sweep({"width": [2, 40]}, "numpy", steps=3), 1e-12)


def test_own_waveforms_and_losses_are_left_to_torch_and_said():
    class Constant:
        classes = 3

        def weights(self, step):
            return np.array([2.0, 0.5, 0.5])

    runs = [member(md.CrossEntropy(Constant()))]
    with pytest.warns(UserWarning, match="computes the class weights of an Oscillation"):
        [ours] = train(runs, 3)
    np.testing.assert_allclose(vector_of(ours), vector_of(train(runs, 3, "numpy")[0]), rtol=1e-12)

    class Mine(md.CrossEntropy):
        pass

    assert "a CrossEntropy or a SquaredError" in cuda.obstacle(member(Mine()), "cuda")
    deep = md.MLP(2, 3, 3, 3)
    assert "one hidden layer" in cuda.obstacle(member(net=deep), "cuda")


@pytest.mark.parametrize("device", ["cpu", "cuda:x", "cuda:99", 3])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(ValueError, match=r"device must be .*got "):
        sweep({}, device=device)


def test_too_little_memory_is_named_before_anything_starts(monkeypatch):
    Info = namedtuple("Info", "free,total")
    context = type("Context", (), {"get_memory_info": lambda self: Info(100, 1000)})
    monkeypatch.setattr(cuda.cuda, "current_context", context)
    monkeypatch.setattr(cuda, "kernel", None)
    with pytest.raises(ValueError, match=r"'cuda:0' has 100 bytes of free memory, and a network of this sweep needs"):
        sweep({})


def test_memory_bounds_a_launch(monkeypatch):
    ensemble = ensembles.Ensemble(members=[member()], steps=10, measure={"loss": 1})
    needed = cuda.bytes_per_network(member(), ensemble, "float64")
    arrays = cuda._Batch(ensemble, "float64")
    held = [*arrays.networks, *arrays.data, *arrays.history]
    assert needed >= sum(array.nbytes for array in held) - 8 * 8  # the cadences are shared by all networks
    Info = namedtuple("Info", "free,total")
    context = type("Context", (), {"get_memory_info": lambda self: Info(8 * needed, 0)})
    monkeypatch.setattr(cuda.cuda, "current_context", context)
    assert ensembles.choose("cuda")._per_launch(member(), ensemble) == 6


# Stores and the choice of the engine


def test_a_store_remembers_the_engine_and_refuses_another(tmp_path):
    grid = {"seed": range(2)}
    first = sweep(grid, store=tmp_path / "store", steps=3)
    for engine in ("numpy", "cuda32", "torch"):
        with pytest.raises(ValueError, match=f"engine: 'cuda' there, '{engine}' now"):
            sweep(grid, engine, store=tmp_path / "store", steps=3)
    assert sweep(grid, "auto", store=tmp_path / "store", steps=3).equals(first)


def test_auto_takes_the_gpu_for_a_large_sweep_and_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(ensembles, "find_spec", lambda name: True)
    assert sweep({}, "auto", steps=2).attrs["engine"] == "compiled"
    monkeypatch.setattr(ensembles, "MANY", 2)
    monkeypatch.setattr(ensembles, "LARGE", 4)
    assert sweep({"seed": range(2)}, "auto", steps=1).attrs["engine"] == "compiled"
    assert sweep({"seed": range(2)}, "auto", steps=2, progress=True).attrs["engine"] == "cuda"
    assert "sweeping on cuda:0 with engine 'cuda'" in capsys.readouterr().err
    begun = sweep({"seed": range(2)}, "compiled", steps=2, store=tmp_path / "store")
    assert sweep({"seed": range(2)}, "auto", steps=2, store=tmp_path / "store").equals(begun)
    monkeypatch.setattr(cuda, "SHARED_BYTES", 10)
    assert sweep({"seed": range(2)}, "auto", steps=2).attrs["engine"] == "compiled"


def test_series_are_those_of_the_record():
    names = ("LOSS", "STATIC_LOSS", "ACCURACY", "VALIDATION_ACCURACY")
    assert [cuda.SERIES[getattr(cuda_kernel, name)].upper() for name in names] == list(names)


def _shapes(shape):
    return [replace(shape, threads=threads) for threads in cuda.THREADS]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("hidden", "points"), [(1, 1), (10, 300), (100, 300), (100, 30), (250, 300), (30, 600)])
def test_a_block_of_threads_covers_all_units_and_samples(monkeypatch, hidden, points, dtype):
    monkeypatch.setattr(cuda, "SIMULATED", False)
    run = member(net=md.MLP(2, hidden, 3), task=md.Task(np.zeros((points, 2)), np.zeros(points, int), 3))
    shape = cuda.best_shape(run, dtype)
    assert shape.blocks * shape.members * cuda_kernel.UNITS >= hidden + 1
    assert shape.groups * shape.members <= shape.threads
    assert shape.groups == 1 or shape.blocks == 1
    assert shape.shared_bytes <= cuda.SHARED_BYTES
    assert shape.effort == min(other.effort for other in _shapes(shape) if other.shared_bytes <= cuda.SHARED_BYTES)
    assert shape.resident_warps >= 6 or hidden > 200
    assert torch_engine.widths(run) == (2, hidden, 3)
