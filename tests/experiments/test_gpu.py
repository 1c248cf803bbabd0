"""The grid on CIFAR-10: what it measures, that it goes on where it was, and that it stops in time."""

from __future__ import annotations

import json

import numpy as np
import pytest

from minidyn.experiments import cli, find

pytest.importorskip("torch", "2.6")
pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
pytest.importorskip("PIL", reason="images are written and read by Pillow")
gpu = pytest.importorskip("minidyn.experiments.scale.gpu")
training = pytest.importorskip("minidyn.torch.training")

SMALL = {"widths": (2,), "seeds": range(2), "steps": 4, "rest": 1}


@pytest.fixture(autouse=True)
def on_the_processor(monkeypatch):
    monkeypatch.setattr(training, "default_device", lambda: training.torch.device("cpu"))


def grid(**changes):
    return find("cifar10-grid").run("quick", progress=False, **{**SMALL, **changes})


def test_a_grid_that_stops_goes_on_to_the_same_results(tmp_path, monkeypatch):
    whole, trained = grid(), []
    trainer = gpu._trainer
    monkeypatch.setattr(gpu, "_trainer", lambda run, *rest: trained.append(run) or trainer(run, *rest))
    store = str(tmp_path / "runs.json")
    assert np.isnan(grid(store=store, seconds=-1).accuracy).all()
    assert trained == []
    part = grid(store=store, seeds=range(1))
    assert len(trained) == 2
    assert part.equals(whole.sel(seed=[0]))
    assert grid(store=store).equals(whole)
    assert len(trained) == 4
    grid(store=store)
    assert len(trained) == 4
    with pytest.raises(ValueError, match=r"runs\.json' holds runs with settings .*'steps': 4.*got .*'steps': 5"):
        grid(store=store, steps=5)


def test_the_static_loss_is_run_once_for_all_periods():
    data = grid(periods=(2, 4), seeds=range(1))
    static = data.sel(amplitude=1)
    assert static.sel(period=2).equals(static.sel(period=4).assign_coords(period=2))
    dynamical = data.sel(amplitude=5).static_loss.values
    assert dynamical[0, 0] != dynamical[0, 1]


def test_the_cell_is_chosen_on_some_seeds_and_reported_on_the_others(monkeypatch):
    monkeypatch.setattr(gpu, "CHOICE_SEEDS", range(2))
    data = grid(seeds=range(3), periods=(2, 4))
    data.validation_accuracy[:] = 0.5
    data.validation_accuracy.loc[{"amplitude": 5, "period": 4, "seed": [0, 1]}] = 0.9
    data.validation_accuracy.loc[{"amplitude": 5, "period": 2, "seed": 2}] = 0.9
    gain = gpu.gain_over_static(data, 2)
    assert gain.attrs["cell"] == (5, 4)
    assert gain.seed.values.tolist() == [2]
    assert float(gain.sum()) == 0


def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match=r"folder '.*absent/train' does not exist"):
        grid(folder="absent")


def test_all_leaves_out_what_waits_for_a_gpu_or_for_hours(capsys):
    waiting = {experiment.name for experiment in cli.registry.all_experiments() if experiment.waits_for}
    assert "cifar10-grid" in waiting
    chosen = cli.argparse.Namespace(name=["all"], full=True, command="run")
    assert not waiting & {experiment.name for experiment in cli._requested(chosen)}
    assert "cifar10-grid is left out of 'all': it needs a GPU, and CIFAR-10" in capsys.readouterr().out
    chosen.full = False
    assert "cifar10-grid" in [experiment.name for experiment in cli._requested(chosen)]


def test_the_record_says_where_it_comes_from():
    record = gpu.gpu_record()
    assert {"device", "date", "versions", "command", "limits", "network_steps"} <= set(record)
    for row in record["network_steps"]:
        dtype = record["limits"]["float32" if row["engine"].endswith("32") else "float64"]
        assert 10 * row["width"] * row["points"] * 4 * row["per_second"] < dtype["copy"] * 2.5
    assert json.dumps(record)
