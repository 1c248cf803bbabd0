"""Many networks at once do what each does alone: to rounding in float64, in distribution in float32."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import minidyn as md
from minidyn import ensembles
from minidyn.ensembles import Ensemble, Member
from minidyn.model import flatten

torch_engine = pytest.importorskip("minidyn.ensembles.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")

LOSSES = ("cross_entropy", "mse_sample", "mse_output")


def few(noise, seed):
    return md.spiral(17, noise=noise, seed=seed)


def sweep(grid, engine="torch", **settings):
    settings = {"steps": 60, "task": few, "workers": 1, "device": "cpu", "progress": False, **settings}
    if engine not in ensembles.TORCH:
        settings["device"] = None
    return md.sweep(grid, engine=engine, **settings)


def assert_close(one, other, tolerance=1e-9):
    assert set(one.variables) == set(other.variables)
    for name in one.data_vars:
        np.testing.assert_allclose(one[name], other[name], rtol=tolerance, atol=1e-12, err_msg=str(name))


# The same runs


@pytest.mark.parametrize("reference", ["numpy", "compiled"])
def test_float64_agrees_with_the_other_engines(reference):
    if reference == "compiled":
        pytest.importorskip("numba")
    grid = {
        "loss": LOSSES,
        "width": [3, 20],
        "amplitude": [1, 5],
        "period": [8, 20],
        "learning_rate": [0.05, 0.2],
        "noise": [0.1],
        "data_seed": [0, 1],
        "seed": [3],
    }
    measure = {"loss": 7, "static_loss": 7, "accuracy": 10, "validation_accuracy": 10, "hessian_max": 30}
    measure["norms"] = 25, lambda net, params, task, loss, step: [step, *(np.linalg.norm(w) for w, _ in params)]
    settings = {"rest": 10, "validation": md.spiral, "measure": measure}
    assert_close(sweep(grid, **settings), sweep(grid, reference, **settings))


def test_any_number_of_inputs_and_classes():
    random = np.random.RandomState(0)
    task = md.Task(random.randn(50, 6), random.randint(0, 10, 50), 10)
    grid = {"amplitude": [10], "period": [4], "loss": LOSSES, "width": [12]}
    assert_close(sweep(grid, task=task), sweep(grid, "numpy", task=task))


def member_of(task, net, loss=None, params=None):
    params = params or net.init(0)
    return Member(net=net, params=params, task=task, loss=loss or md.CrossEntropy(), learning_rate=0.1)


def train(members, steps, measure=()):
    return list(
        torch_engine.TorchEngine("torch", "cpu").train(Ensemble(members=members, steps=steps, measure=dict(measure)))
    )


def test_relu_has_slope_0_at_0():
    task, net = md.Task([[0.0, 0.0], [1.0, 2.0], [2.0, -1.0]], [0, 1, 2], 3), md.MLP(2, 4, 3)
    params = [(weight, 0 * bias) for weight, bias in net.init(1)]  # the first sample's hidden units are all at 0
    start = flatten(net, params, task.x)[0]
    [result] = train([member_of(task, net, params=params)], 1)
    moved = start - 0.1 * flatten(net, md.gradient(net, params, task, md.CrossEntropy()), task.x)[0]
    np.testing.assert_allclose(flatten(net, result.params, task.x)[0], moved, rtol=1e-13)


def test_results_do_not_depend_on_launches_or_chunks(monkeypatch):
    grid = {"amplitude": [1, 5], "period": [10, 20], "width": [5, 8], "seed": range(3)}
    whole = sweep(grid, validation=md.spiral, measure={"loss": 20})
    monkeypatch.setitem(torch_engine.MEMORY, "cpu", 100_000)
    assert_close(sweep(grid, validation=md.spiral, measure={"loss": 20}), whole, 1e-12)
    monkeypatch.setattr(torch_engine, "CHUNK", 5)
    assert_close(sweep(grid, validation=md.spiral, measure={"loss": 20}), whole, 1e-12)


def test_a_launch_keeps_to_its_memory(monkeypatch):
    made = []
    batch = torch_engine._Batch
    monkeypatch.setattr(
        torch_engine, "_Batch", lambda members, *rest: made.append(len(members)) or batch(members, *rest)
    )
    member = member_of(md.spiral(), md.MLP(2, 100, 3))
    monkeypatch.setitem(torch_engine.MEMORY, "cpu", 2_000_000)
    train([member] * 9, 1)
    activations = 8 * 300 * 2 * 100  # the hidden units, forward and back
    assert sum(made) == 9
    assert 1 < max(made) <= 2_000_000 // activations
    narrow = torch_engine.networks_per_launch(member, torch.float32, "cpu")
    assert narrow in (2 * max(made), 2 * max(made) + 1)
    monkeypatch.setitem(torch_engine.MEMORY, "cpu", 1)
    assert torch_engine.networks_per_launch(member, torch.float64, "cpu") == 1


def test_a_network_that_diverges_stays_where_it_was_and_leaves_the_others_alone():
    grid = {"learning_rate": [0.1, 0.3, 500.0], "width": [5], "seed": [0, 1]}
    settings = {"steps": 300, "loss": "mse_output", "measure": {"loss": 50, "hessian_max": 50}}
    data = sweep(grid, **settings)
    assert data.diverged.values[:, 0].tolist() == 2 * [[False, False]] + [[True, True]]
    assert_close(data, sweep(grid, "numpy", **settings))
    assert np.isnan(data.loss_history[2, 0, :, -1]).all()
    calm = sweep({**grid, "learning_rate": [0.1, 0.3]}, **settings)
    assert_close(data.isel(learning_rate=slice(2)), calm, 1e-12)


def test_float32_agrees_at_first_and_then_in_distribution():
    grid = {"amplitude": [10], "period": [30], "width": [10], "seed": range(48)}
    settings = {"steps": 400, "task": md.spiral(20), "measure": {"static_loss": 4}}
    single, double = sweep(grid, "torch32", **settings), sweep(grid, **settings)
    first = [data.static_loss_history[..., :5] for data in (single, double)]
    np.testing.assert_allclose(*first, rtol=1e-5)
    assert np.abs(first[0] - first[1]).max() > 0  # it is another precision
    for name in ("accuracy", "static_loss"):
        gap = single[name].mean() - double[name].mean()
        assert abs(float(gap)) < 3 * float(np.hypot(single[name].std(), double[name].std())) / np.sqrt(48)


@pytest.mark.slow
def test_float32_agrees_in_distribution_where_runs_are_chaotic():
    grid = {"amplitude": [20], "period": [100], "width": [30], "seed": range(64)}
    single, double = (sweep(grid, engine, steps=2000, task=md.spiral()) for engine in ("torch32", "torch"))
    for name in ("accuracy", "static_loss"):
        gap = single[name].mean() - double[name].mean()
        assert abs(float(gap)) < 3 * float(np.hypot(single[name].std(), double[name].std())) / 8
    assert np.abs(single.static_loss - double.static_loss).median() > 1e-5  # single runs did part


# What a sweep asks of an engine


def test_a_stopped_sweep_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(torch_engine, "CHUNK", 4)
    grid = {"amplitude": [5], "period": [10], "seed": range(10), "width": [5]}
    whole = sweep(grid, store=tmp_path / "store")
    assert len(list((tmp_path / "store").glob("chunk-*.nc"))) == 3
    (tmp_path / "store" / "chunk-00004-00007.nc").unlink()
    calls, batch = [], torch_engine._Batch
    monkeypatch.setattr(
        torch_engine, "_Batch", lambda members, *rest: calls.append(len(members)) or batch(members, *rest)
    )
    assert sweep(grid, store=tmp_path / "store").equals(whole)
    assert calls == [4]
    with pytest.raises(ValueError, match="engine: 'torch' there, 'torch32' now"):
        sweep(grid, "torch32", store=tmp_path / "store")


def test_measures_are_taken_as_by_train():
    task, net = few(0.2, 0), md.MLP(2, 6, 3)
    loss, measure = md.CrossEntropy(md.Oscillation(5, 10)), {"hessian_max": 7, "ntk_max": 10, "params": 15}
    run = md.train(net, net.init(0), task, loss, learning_rate=0.1, steps=30, measure=measure, progress=False)
    member = member_of(task, net, loss)
    other = replace(member, loss=md.CrossEntropy())  # another Γ in the same launch
    result, _ = train([member, other], 30, measure)
    for name in measure:
        np.testing.assert_allclose(result.histories[name], run.history[name], rtol=1e-8, err_msg=name)


@pytest.mark.parametrize("device", ["abacus", "meta:x", 7.5])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(ValueError, match=r"device must be one that PyTorch can use here, .*got "):
        sweep({"seed": [0]}, device=device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_default_is_the_processor():
    assert sweep({"seed": [0], "width": [3]}, device=None, steps=1).attrs["device"] == "cpu"
    with pytest.raises(ValueError, match="got 'cuda'"):
        sweep({"seed": [0]}, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_agrees_with_the_processor():
    grid = {"loss": LOSSES, "amplitude": [1, 5], "period": [10], "seed": range(4)}
    assert_close(sweep(grid, device="cuda"), sweep(grid, device="cpu"))


def test_torch_is_imported_when_it_is_asked_for_and_missed_by_name():
    code = """
import sys
import minidyn as md
grid, options = {"width": [3]}, {"steps": 2, "workers": 1}
md.sweep(grid, engine="numpy", **options)
assert "torch" not in sys.modules
sys.modules["torch"] = None
md.sweep(grid, engine="torch", **options)
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180)
    assert finished.stderr.splitlines()[-1].startswith(
        "ImportError: minidyn.ensembles.torch needs PyTorch 2.6 or later"
    )


def test_the_benchmark_runs_and_leaves_the_threads_alone(capsys):
    benchmark = pytest.importorskip("minidyn.torch.benchmark")
    before = torch.get_num_threads()
    assert benchmark.network_steps("cpu", "torch32", 3, width=4, points=30) > 0
    assert torch.get_num_threads() == before
    member = member_of(md.spiral(), md.MLP(2, 100, 3))
    assert benchmark._several("cpu", "torch", 100, 300) == [
        torch_engine.networks_per_launch(member, torch.float64, "cpu")
    ]
    mistakes = {
        "--device": ("abacus", "device must be one that PyTorch can use here"),
        "--points": ("2", ">= 3, got 2"),
        "--width": ("0", "--width must be an integer >= 1"),
        "--networks": ("0", "--networks must be"),
    }
    for option, (value, says) in mistakes.items():
        with pytest.raises(SystemExit):
            benchmark.main([option, value])
        assert says in capsys.readouterr().err


def test_the_number_of_networks_per_launch_answers_to_its_former_name():
    with pytest.warns(DeprecationWarning, match=r"networks_a_launch is now .*networks_per_launch"):
        assert torch_engine.networks_a_launch is torch_engine.networks_per_launch


def test_an_error_in_one_network_is_its_own():
    def failing(net, params, task, loss, step):
        if loss.gamma is None and step == 20:
            raise RuntimeError("boom")
        return [1.0, 2.0]

    task, net = few(0.2, 0), md.MLP(2, 6, 3)
    steady = member_of(task, net, md.CrossEntropy(md.Oscillation(5, 10)))
    results = train([steady, member_of(task, net), steady], 30, {"mine": (10, failing)})
    assert [repr(result.error) for result in results] == ["None", "RuntimeError('boom')", "None"]
    [alone] = train([steady], 30, {"mine": (10, failing)})
    np.testing.assert_allclose(results[2].histories["mine"], alone.histories["mine"])
    np.testing.assert_allclose(results[2].params[0][0], alone.params[0][0], rtol=1e-12)


def test_an_error_of_the_device_is_that_of_every_network_of_the_launch(monkeypatch):
    def full(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch_engine, "_Batch", full)
    results = train([member_of(few(0.2, 0), md.MLP(2, 6, 3))] * 2, 5)
    assert ["out of memory" in str(result.error) for result in results] == [True, True]
