"""What a sweep refuses before it starts, and what becomes of the finished cells when one fails or a key is pressed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import xarray as xr

import minidyn as md
from minidyn.ensembles import sequential
from minidyn.sweeps import collect, worker
from tests.sweeps.stored import stored_runs

GRID = {"amplitude": [1, 5, 20], "period": [10], "seed": range(4)}


def small(grid=GRID, **settings):
    defaults = {"steps": 10, "task": md.spiral(5), "workers": 1, "engine": "numpy", "progress": False}
    return md.sweep(grid, **{**defaults, **settings})


# A cell that fails


def failing(net, params, task, loss, step):
    if loss.gamma is not None and loss.gamma.amplitude == 20:
        raise RuntimeError("boom")
    return 1.0


MEASURE = {"mine": (5, failing)}
CALM = {**GRID, "amplitude": [1, 5]}


def assert_all_but_the_failed_are_there(data):
    xr.testing.assert_equal(data.drop_vars("error").sel(amplitude=[1, 5]), small(CALM, measure=MEASURE))
    assert (data.error.sel(amplitude=[1, 5]) == "").all()
    assert np.isnan(data.static_loss.sel(amplitude=20)).all()
    assert np.isnan(data.mine_history.sel(amplitude=20)).all()


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_error_names_its_cell_and_carries_the_finished_ones(workers):
    with pytest.raises(RuntimeError, match="boom") as caught:
        small(measure=MEASURE, workers=workers)
    notes = "\n".join(caught.value.__notes__)
    assert "in the cell amplitude=20.0, period=10, seed=0" in notes
    assert "8 of 12 runs are finished; they are in this error's attribute `data`" in notes
    assert "`run`" not in notes
    assert_all_but_the_failed_are_there(caught.value.data)
    errors = caught.value.data.error.sel(amplitude=20).values.ravel().tolist()
    assert errors == 4 * ["RuntimeError: boom"]


@pytest.mark.parametrize("engine", ["numpy", "compiled", "torch"])
def test_an_error_can_be_recorded_and_the_others_go_on(engine):
    pytest.importorskip({"compiled": "numba", "torch": "torch"}.get(engine, "numpy"))
    data = small(measure=MEASURE, engine=engine, on_error="record")
    assert (data.error.sel(amplitude=20) == "RuntimeError: boom").all()
    calm = small(CALM, measure=MEASURE, engine=engine)
    xr.testing.assert_allclose(data.drop_vars("error").sel(amplitude=[1, 5]), calm, rtol=1e-9)
    assert small(CALM, engine=engine, on_error="record").error.values.tolist() == [[4 * [""]]] * 2


def test_a_failed_cell_is_run_again_and_the_finished_ones_of_its_chunk_are_not(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="boom"):
        small(measure=MEASURE, store=tmp_path)
    trained, train = [], sequential.train
    monkeypatch.setattr(sequential, "train", lambda *a, **k: trained.append(a[3].gamma) or train(*a, **k))
    small(measure=MEASURE, store=tmp_path, on_error="record")
    assert len(trained) == 4
    assert {gamma.amplitude for gamma in trained} == {20}


class Unpicklable(Exception):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.lock = threading.Lock()


def failing_oddly(net, params, task, loss, step):
    raise Unpicklable("odd")


@pytest.mark.slow
def test_an_error_that_cannot_travel_from_a_worker_is_told(tmp_path):
    with pytest.raises(RuntimeError, match="Unpicklable: odd") as caught:
        small({"seed": range(10)}, measure={"mine": (5, failing_oddly)}, workers=2)
    assert "in failing_oddly" in "\n".join(caught.value.__notes__)


def of_another_shape(net, params, task, loss, step):
    return np.ones(2 if loss.gamma is None else 3)


def test_a_measure_of_another_shape_is_an_error_of_its_cell():
    with pytest.raises(ValueError, match=r"measure 'mine' must have one shape in all cells, got \(3,\) after \(2,\)"):
        small(measure={"mine": (5, of_another_shape)})
    data = small(measure={"mine": (5, of_another_shape)}, on_error="record")
    assert (data.error.sel(amplitude=1) == "").all()
    assert data.error.sel(amplitude=[5, 20]).str.startswith("ValueError: measure 'mine'").all()


def test_an_error_beyond_the_cells_carries_them_too(tmp_path, monkeypatch):
    def full(store, rows):
        raise OSError("no space left")

    monkeypatch.setattr("minidyn.sweeps.store.StoredRuns.write", full)
    with pytest.raises(OSError, match="no space left") as caught:
        small(store=tmp_path)
    assert dict(caught.value.data.sizes) == {"amplitude": 3, "period": 1, "seed": 4}


# A key that is pressed


def interrupting(net, params, task, loss, step):
    if loss.gamma is not None and loss.gamma.amplitude == 20 and step == 5:
        raise KeyboardInterrupt
    return 1.0


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_an_interrupt_keeps_the_finished_cells_and_only_those(tmp_path, engine):
    if engine == "compiled":
        pytest.importorskip("numba")
    settings = {"measure": {"mine": (5, interrupting)}, "engine": engine, "store": tmp_path}
    with pytest.warns(UserWarning, match="interrupted: 8 of 12 runs are finished") as warned:
        data = small(**settings)
    assert len(warned) == 1
    assert data.error.values.ravel().tolist() == 8 * [""] + 4 * ["not run"]
    xr.testing.assert_equal(data.drop_vars("error").sel(amplitude=[1, 5]), small(CALM, **{**settings, "store": None}))
    with pytest.warns(UserWarning, match="interrupted: 8 of 12"):
        xr.testing.assert_equal(small(**settings), data)


def interrupt_after_chunk(monkeypatch, count):
    """Press the key when the workers have handed back so many chunks; the list of their sizes."""
    sizes, add = [], collect.Results.add

    def add_and_interrupt(results, chunk):
        added = add(results, chunk)
        sizes.extend([added] * (added > 0))  # what the store holds before comes this way too
        if added and len(sizes) == count:
            raise KeyboardInterrupt
        return added

    monkeypatch.setattr(collect.Results, "add", add_and_interrupt)
    return sizes


def test_a_chunk_is_handed_back_after_seconds_whatever_its_runs_measure(monkeypatch):
    whole = small()
    sizes = interrupt_after_chunk(monkeypatch, None)
    monkeypatch.setattr(worker, "SECONDS", 0.0)
    xr.testing.assert_equal(small(), whole)
    assert sizes == 12 * [1]


@pytest.mark.parametrize("store", [True, False])
def test_an_interrupted_sweep_says_which_cells_are_finished(monkeypatch, tmp_path, store):
    whole = small()
    interrupt_after_chunk(monkeypatch, 2)
    monkeypatch.setattr(worker, "SECONDS", 0.0)
    with pytest.warns(UserWarning, match="interrupted: 2 of 12 runs are finished; the variable `error` says which"):
        data = small(store=tmp_path if store else None)
    finished = data.error == ""
    assert finished.sum() == 2
    xr.testing.assert_equal(data.static_loss, whole.static_loss.where(finished))


@pytest.mark.parametrize("accident", [KeyboardInterrupt(), ConnectionError("lost")])
def test_what_a_worker_stored_is_in_the_table_though_it_was_not_handed_back(monkeypatch, tmp_path, accident):
    whole, add = small(), collect.Results.add

    def add_none_of_the_workers(results, chunk):
        if chunk.rows and not results.rows:
            monkeypatch.setattr(collect.Results, "add", add)
            raise accident
        return add(results, chunk)

    monkeypatch.setattr(collect.Results, "add", add_none_of_the_workers)
    monkeypatch.setattr(worker, "SECONDS", 0.0)
    if isinstance(accident, KeyboardInterrupt):
        with pytest.warns(UserWarning, match="interrupted: 1 of 12 runs are finished"):
            data = small(store=tmp_path)
    else:
        with pytest.raises(ConnectionError, match="lost") as caught:
            small(store=tmp_path)
        data = caught.value.data
    finished = data.error == ""
    assert finished.sum() == len(stored_runs(tmp_path)) == 1
    xr.testing.assert_equal(data.static_loss, whole.static_loss.where(finished))


def test_a_sweep_interrupted_in_its_first_run_is_a_table_of_nan():
    with pytest.warns(UserWarning, match="interrupted: 0 of 4 runs are finished"):
        data = small({"amplitude": [20], "period": [10], "seed": range(4)}, measure={"mine": (5, interrupting)})
    whole = small(CALM)
    assert {name: (values.dims, values.dtype) for name, values in data.drop_vars("error").data_vars.items()} == {
        name: (values.dims, values.dtype) for name, values in whole.data_vars.items()
    }
    assert data[["static_loss", "accuracy", "sharpness"]].to_array().isnull().all()
    assert (data.error == "not run").all()


def taking_a_second(net, params, task, loss, step):
    time.sleep(1.0)
    return 1.0


@pytest.mark.slow
def test_workers_hand_back_slow_runs_before_their_chunk_is_done(monkeypatch):
    grid = {"seed": range(16)}
    sizes = interrupt_after_chunk(monkeypatch, None)
    data = small(grid, measure={"mine": (10, taking_a_second)}, workers=2)  # two seconds per run
    xr.testing.assert_equal(data.drop_vars(["mine_history", "mine_step"]), small(grid))
    assert max(sizes[: len(sizes) // 2]) <= 2


INTERRUPTED = """
import sys, warnings
import minidyn as md
data = md.sweep({"amplitude": [1, 5], "period": [10], "seed": range(60)}, steps=2000, workers=2, store=sys.argv[1],
                progress=False)
print((data.error == "").sum().item(), data.static_loss.notnull().sum().item())
"""


@pytest.mark.slow
def test_ctrl_c_at_a_sweep_of_several_workers_returns_what_is_finished(tmp_path):
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while process.poll() is None and len(list(tmp_path.glob("chunk-*.nc"))) < 3:
        time.sleep(0.01)
    stored = len(stored_runs(tmp_path))
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    said, complained = process.communicate(timeout=120)
    assert process.returncode == 0, complained
    assert "interrupted: " in complained
    finished, numbers = map(int, said.split())
    assert 3 <= stored <= finished == numbers < 120


# What is refused before anything is run

SEEDS = {"seed": [0]}
FEW = md.spiral(5)
MISTAKES = [
    ({"grid": {"noise": [0.0, 5.0]}}, ValueError, r"grid\['noise'\] makes no difference: the data is the same"),
    ({"grid": {"noise": [0.3]}}, ValueError, r"grid\['noise'\] makes no difference"),
    ({"grid": {"data_seed": [0, 1]}}, ValueError, r"grid\['data_seed'\] makes no difference"),
    ({"grid": {"data_seed": [0, 1], "noise": [0]}, "task": md.spiral}, ValueError, r"grid\['data_seed'\] makes no dif"),
    ({"grid": {"noise": [0, 1]}, "task": lambda noise, seed: FEW}, ValueError, r"grid\['noise'\] makes no difference"),
    ({"grid": {"period": [5, 10]}}, ValueError, r"grid\['period'\] makes no difference without an amplitude above 1"),
    ({"grid": {"period": [5], "amplitude": [1]}}, ValueError, r"grid\['period'\] makes no difference"),
    ({"rest": 10}, ValueError, "rest must be less than steps where an amplitude exceeds 1, got 10"),
    ({"grid": SEEDS, "validation": md.spiral(5, 4)}, ValueError, "validation must be like task, Task.15 .*4 classes"),
    ({"grid": SEEDS, "validation": md.Task([[1.0] * 5], [0], 3)}, ValueError, "validation must be like task"),
    ({"grid": SEEDS, "validation": lambda noise, seed: md.spiral(5, 4)}, ValueError, "validation must be like task"),
    ({"grid": SEEDS, "validation": False}, TypeError, "validation must be a Task or a function .* got False"),
    ({"grid": {"seed": (n for n in range(2))}}, TypeError, r"grid\['seed'\] must be a list, not an iterator"),
    ({"grid": {"seed": {0: 1}}}, ValueError, r"grid\['seed'\] must be a list"),
    ({"grid": {"width": [3, 5]}, "measure": {"params": 5}}, ValueError, r"measure\['params'\] has an entry per param"),
    ({"grid": {"width": [3, 5]}, "measure": {"hessian_spectrum": 5}}, ValueError, "the networks .* have 21, 33 param"),
    ({"grid": SEEDS, "measure": {"mine": 5}}, ValueError, r"measure\['mine'\] is none of"),
    ({"grid": SEEDS, "measure": {"weights": 5}}, ValueError, "measure names must be identifiers other than"),
    ({"on_error": "ignore"}, ValueError, "on_error must be one of 'raise', 'record', got 'ignore'"),
]


@pytest.mark.parametrize(("settings", "error", "message"), MISTAKES)
def test_mistakes_are_named_before_any_run(settings, error, message, monkeypatch):
    monkeypatch.setattr(sequential, "train", None)
    with pytest.raises(error, match=message):
        small(**settings)


def test_an_axis_that_acts_on_the_validation_data_alone_is_an_axis():
    data = small({"noise": [0.0, 1.0]}, validation=md.spiral)
    assert data.validation_accuracy[0] != data.validation_accuracy[1]


@pytest.mark.parametrize("name", ["on_unseen", "accuracy_on_validation"])
def test_no_name_of_a_measure_is_taken_by_the_accuracy_on_validation_data(name):
    measure = {"validation_accuracy": 5, name: (5, failing)}
    data = small({"seed": [0]}, measure=measure, validation=md.spiral(5))
    assert data[f"{name}_history"].values.tolist() == [[1.0, 1.0, 1.0]]
    assert (data.validation_accuracy_history < 1).all()
