"""Sweeps: every cell is the run that `train` makes, whatever the workers; stores resume, refuse and repair."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import minidyn as md
from minidyn import sweeps
from minidyn.ensembles import sequential

GRID = {"amplitude": [1, 5], "period": [10, 20], "seed": [0, 1, 2]}


def small(grid=GRID, **settings):
    return md.sweep(grid, **{"steps": 30, "workers": 1, "progress": False, **settings})


def test_a_cell_is_the_run_of_train():
    data = small(validation=md.spiral, rest=5, measure={"loss": 10, "hessian_max": 15})
    cell = data.sel(amplitude=5, period=20, seed=1)
    task, net = md.spiral(), md.MLP(2, 100, 3)
    loss = md.CrossEntropy(md.Oscillation(5, 20, rest_from=25))
    unseen = md.spiral(seed=sweeps.VALIDATION_SEED_OFFSET)
    run = md.train(net, net.init(1), task, loss, learning_rate=1.0, steps=30, validation=unseen)
    last = run.history.isel(step=-1)
    for name in ("static_loss", "accuracy", "validation_accuracy"):
        np.testing.assert_allclose(cell[name], last[name], rtol=1e-12)
    np.testing.assert_allclose(cell.loss_history, run.history.loss[::10], rtol=1e-12)
    top = md.hessian_eigenvalues(net, run.params, task, md.CrossEntropy())
    np.testing.assert_allclose(cell.sharpness, top.values[0], rtol=1e-9)
    assert cell.hessian_max_history.sizes == {"hessian_max_step": 3}
    assert cell.updates == 30
    assert not cell.diverged


def test_dimensions_are_the_grids():
    data = small()
    assert dict(data.sizes) == {"amplitude": 2, "period": 2, "seed": 3}
    assert list(data.amplitude.values) == [1, 5]


def test_the_period_of_a_static_loss_makes_no_difference_and_is_run_once(monkeypatch):
    made = []
    train = sequential.train
    monkeypatch.setattr(sequential, "train", lambda *a, **k: made.append(1) or train(*a, **k))
    data = small()
    assert len(made) == 3 + 2 * 3
    assert data.static_loss.sel(amplitude=1, period=10).equals(
        data.static_loss.sel(amplitude=1, period=20).assign_coords(period=10)
    )


def test_results_do_not_depend_on_workers_or_chunks(monkeypatch):
    alone = small()
    assert small(workers=2).equals(alone)
    monkeypatch.setattr(sequential, "CHUNK", 2)
    assert small().equals(alone)


def test_divergence_is_recorded_and_ends_nothing():
    grid = {"learning_rate": [0.1, 500.0], "width": [5]}
    data = small(grid, steps=300, loss="mse_output", measure={"loss": 50})
    assert list(data.diverged.values[:, 0]) == [False, True]
    assert data.updates.values[1, 0] < 300
    assert np.isfinite(data.static_loss).all()
    assert np.isnan(data.sharpness.values[1, 0])
    assert np.isnan(data.loss_history.values[1, 0, -1])


def test_losses_are_an_axis_as_any_other():
    data = small({"loss": ["cross_entropy", "mse_output"], "width": [5]})
    assert list(data.loss.values) == ["cross_entropy", "mse_output"]
    assert data.static_loss.sel(loss="mse_output").equals(
        small({"width": [5]}, loss="mse_output").static_loss.assign_coords(loss="mse_output")
    )


class TestStore:
    def test_a_finished_store_is_read_and_nothing_is_run(self, tmp_path, monkeypatch):
        first = small(store=tmp_path / "store")
        monkeypatch.setattr(sequential, "train", None)
        assert small(store=tmp_path / "store").equals(first)

    def test_other_settings_are_refused_with_the_difference(self, tmp_path):
        small(store=tmp_path / "store")
        with pytest.raises(ValueError, match=r"steps: 30 there, 31 now"):
            small(store=tmp_path / "store", steps=31)
        with pytest.raises(ValueError, match="data: "):
            small(store=tmp_path / "store", task=md.spiral(seed=5))

    def test_a_folder_of_something_else_is_refused(self, tmp_path):
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(ValueError, match="new or empty folder"):
            small(store=tmp_path)

    @pytest.mark.parametrize("damage", [lambda content: content[:-100], lambda content: b"x" + content[1:]])
    def test_a_damaged_chunk_is_run_again(self, tmp_path, damage):
        first = small(store=tmp_path / "store")
        chunk = sorted((tmp_path / "store").glob("chunk-*.nc"))[0]
        chunk.write_bytes(damage(chunk.read_bytes()))
        assert small(store=tmp_path / "store").equals(first)


KILLED = """
import sys
import minidyn as md
md.sweep({"amplitude": [1, 5], "period": [10], "seed": range(40)}, steps=400, workers=1, store=sys.argv[1],
         progress=False)
"""


@pytest.mark.slow
def test_killed_at_random_moments_it_resumes_to_the_same_bits(tmp_path):
    grid = {"amplitude": [1, 5], "period": [10], "seed": range(40)}
    whole = small(grid, steps=400)
    store, random = tmp_path / "store", np.random.RandomState(0)
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(store)])
        time.sleep(2 + 2 * random.rand())
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = {path.name: path.stat().st_mtime_ns for path in store.glob("chunk-*.nc")}
        after = {name: (store / name).stat().st_mtime_ns for name in before}
        assert after == before
    finished = {path.name: path.stat().st_mtime_ns for path in store.glob("chunk-*.nc")}
    assert small(grid, steps=400, store=store).equals(whole)
    assert {name: (store / name).stat().st_mtime_ns for name in finished} == finished  # none of these was run again


BAD = [
    ({"grid": {}}, TypeError, "grid must map names"),
    ({"grid": {"depth": [1]}}, ValueError, r"grid has an unknown axis 'depth'; its axes may be 'amplitude', "),
    ({"grid": {"seed": []}}, ValueError, r"grid\['seed'\] must be a list of at least one value"),
    ({"grid": {"seed": 3}}, ValueError, r"grid\['seed'\]"),
    ({"grid": {"seed": [1, 1]}}, ValueError, "different values"),
    ({"grid": {"seed": [1.5]}}, TypeError, "seed must be an integer, got 1.5"),
    ({"grid": {"amplitude": [0.5], "period": [5]}}, ValueError, "amplitude must be a finite number >= 1"),
    ({"grid": {"amplitude": [5]}}, ValueError, "grid must name the period"),
    ({"grid": {"loss": ["hinge"]}}, ValueError, "loss must be one of"),
    ({"steps": 0}, ValueError, "steps must be an integer >= 1, got 0"),
    ({"rest": 31}, ValueError, "rest must be an integer"),
    ({"task": 7}, TypeError, "task must be a Task or a function"),
    ({"validation": lambda noise, seed: 3}, TypeError, "validation must be a Task"),
    ({"measure": ["loss"]}, TypeError, "measure must map names"),
    ({"measure": {"loss": 0}}, ValueError, r"measure\['loss'\]"),
    ({"measure": {"validation_accuracy": 5}}, ValueError, "validation is None"),
    ({"engine": "torchy"}, ValueError, "engine must be one of"),
    ({"device": "cuda"}, ValueError, "device must be None"),
    ({"workers": 0}, ValueError, "workers must be an integer >= 1, got 0"),
]


@pytest.mark.parametrize(("settings", "error", "message"), BAD)
def test_bad_input_names_the_argument(settings, error, message):
    with pytest.raises(error, match=message):
        small(**settings)


def test_the_offset_of_validation_seeds_answers_to_its_former_name():
    with pytest.warns(DeprecationWarning, match=r"sweeps\.UNSEEN is now .*VALIDATION_SEED_OFFSET"):
        assert sweeps.UNSEEN == sweeps.VALIDATION_SEED_OFFSET
