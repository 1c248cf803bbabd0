"""A grid of runs over amplitude, period and seed: its table, its checkpoints, and the command that makes one."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
import xarray as xr

mt = pytest.importorskip("minidyn.torch", exc_type=ImportError)
torch = pytest.importorskip("torch", "2.6")
pytest.importorskip("sklearn", reason="the digits come with scikit-learn")

STEPS = 12
AXES = {"amplitudes": [1, 6], "periods": [2, 4], "seeds": [0, 3]}


def make_trainer(amplitude, period, seed, **options):
    train, validation = mt.digits(train_size=30, seed=seed)
    loss = mt.DynamicalCrossEntropyLoss(amplitude, period, 10)
    options = {
        "validation": validation,
        "batch_size": 30,
        "learning_rate": 0.02,
        "seed": seed,
        "device": "cpu",
        **options,
    }
    return mt.Trainer(mt.Myrtle5(1, width=3, seed=seed), train, loss, **options)


def train(make_trainer=make_trainer, **options):
    return mt.train_grid(make_trainer, **{**AXES, "steps": STEPS, "progress": False, **options})


def test_a_cell_is_the_end_of_its_run():
    data = train()
    assert dict(data.sizes) == {"amplitude": 2, "period": 2, "seed": 2}
    trainer = make_trainer(6, 4, 3)
    last = trainer.run(STEPS, progress=False).isel(step=-1)
    cell = data.sel(amplitude=6, period=4, seed=3)
    for name in ("loss", "static_loss", "accuracy", "validation_loss", "validation_accuracy"):
        assert float(cell[name]) == float(last[name]), name
    images = trainer.train.x, trainer.train.labels
    top = mt.top_eigenvalues(trainer.model.eval(), images, torch.nn.CrossEntropyLoss(), dtype=torch.float64)
    np.testing.assert_allclose(cell.sharpness, top.values[0], rtol=1e-3)
    assert data.sel(amplitude=6, period=2).static_loss.values.tolist() != cell.static_loss.values.tolist()


def test_the_period_of_a_static_loss_makes_no_difference_and_is_run_once():
    made = []
    data = train(lambda *cell: made.append(cell) or make_trainer(*cell))
    assert sorted(made) == [(1, 2, 0), (1, 2, 3), *((6, period, seed) for period in (2, 4) for seed in (0, 3))]
    static = data.sel(amplitude=1)
    assert static.sel(period=2).equals(static.sel(period=4).assign_coords(period=2))


def test_a_stopped_grid_goes_on_where_it_was(tmp_path, monkeypatch):
    whole, update, done = train(), mt.Trainer._advance, []

    def counted(trainer):
        update(trainer)
        done.append(trainer.done)
        if len(done) == 2 * STEPS + 8:  # in the third run
            raise KeyboardInterrupt

    monkeypatch.setattr(mt.Trainer, "_advance", counted)
    with pytest.warns(UserWarning, match="interrupted: 2 of 6 runs are finished"):
        partial_table = train(store=tmp_path, checkpoint_every=5)
    finished = partial_table.error == ""
    assert int(finished.sum()) == 4  # two runs of amplitude 1, for both periods
    xr.testing.assert_equal(partial_table.drop_vars("error").where(finished), whole.where(finished))
    assert train(store=tmp_path, checkpoint_every=5).equals(whole)
    assert len(done) == 2 * STEPS + 8 + (STEPS - 8) + 3 * STEPS  # the third goes on from where it was stopped
    train(store=tmp_path)
    assert len(done) == 2 * STEPS + 8 + (STEPS - 8) + 3 * STEPS


def test_checkpoints_of_other_runs_are_refused(tmp_path):
    train(store=tmp_path)
    with pytest.raises(ValueError, match=r"of another run: it has .*learning_rate"):
        train(partial(make_trainer, learning_rate=0.01), store=tmp_path)
    with pytest.raises(ValueError, match=r"store: the run in .*A1-seed0\.pt' has 12 updates, steps is 6"):
        train(store=tmp_path, steps=6)


def failing_at_6(amplitude, period, seed):
    if (amplitude, period) == (6, 4):
        raise RuntimeError("boom")
    return make_trainer(amplitude, period, seed)


def test_an_error_names_its_cell_and_carries_the_finished_ones():
    with pytest.raises(RuntimeError, match="boom") as caught:
        train(failing_at_6, seeds=[0])
    notes = "\n".join(caught.value.__notes__)
    assert "in the cell amplitude=6.0, period=4, seed=0" in notes
    assert "2 of 3 runs are finished; they are in this error's attribute `data`" in notes
    recorded = train(failing_at_6, seeds=[0], on_error="record")
    assert recorded.equals(caught.value.data)
    assert recorded.error.values.ravel().tolist() == ["", "", "", "RuntimeError: boom"]
    whole = train(seeds=[0], periods=[2])
    xr.testing.assert_equal(recorded.drop_vars("error").sel(period=[2]), whole)
    assert np.isnan(recorded.sharpness.sel(amplitude=6, period=4)).all()


def test_what_is_no_trainer_is_named():
    with pytest.raises(TypeError, match="make_trainer must return a Trainer, got None"):
        train(lambda amplitude, period, seed: None)


def test_amplitudes_that_print_alike_have_their_own_checkpoints(tmp_path):
    train(amplitudes=[6.0000001, 6.0000002], periods=[2], seeds=[0], store=tmp_path)
    assert len(list(tmp_path.glob("*.pt"))) == 2


def test_the_store_answers_to_its_former_name(tmp_path):
    with pytest.warns(DeprecationWarning, match=r"train_grid\(checkpoints=\.\.\.\) is now train_grid\(store="):
        train(amplitudes=[1], periods=[2], seeds=[0], checkpoints=tmp_path)
    assert (tmp_path / "A1-seed0.pt").exists()


@pytest.mark.slow
def test_workers_make_no_difference():
    assert train(workers=2).equals(train())


@pytest.mark.filterwarnings("ignore:diverged")
def test_a_run_that_diverges_is_marked_and_the_others_go_on():
    def wild(amplitude, period, seed):
        return make_trainer(amplitude, period, seed, learning_rate=1e12 if seed else 0.02, measure_every=3)

    data = train(wild)
    assert np.isnan(data.sharpness.sel(seed=3)).all()
    assert np.isfinite(data.sharpness.sel(seed=0)).all()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"amplitudes": []}, "amplitudes must hold at least one value"),
        ({"amplitudes": [0.5]}, "amplitudes must be a finite number >= 1, got 0.5"),
        ({"periods": [0]}, "periods must be an integer >= 1, got 0"),
        ({"seeds": [1, 1]}, "seeds must hold .*different ones"),
        ({"steps": 0}, "steps must be an integer >= 1, got 0"),
        ({"workers": 0}, "workers must be an integer >= 1, got 0"),
        ({"on_error": "ignore"}, "on_error must be one of 'raise', 'record', got 'ignore'"),
    ],
)
def test_bad_arguments_are_named(changed, says):
    with pytest.raises(ValueError, match=says):
        train(**changed)


# The command

LINE = ["digits", "--train-size", "30", "--batch-size", "10", "--width", "2", "--steps", "6", "--quiet"]


def test_several_values_make_a_grid(tmp_path, capsys):
    main = pytest.importorskip("minidyn.torch.__main__").main
    line = [*LINE, "--amplitude", "1", "4", "--period", "2", "3", "--seed", "0", "1"]
    files = ["--checkpoint", str(tmp_path / "runs"), "--history", str(tmp_path / "grid.nc")]
    assert main([*line, *files]) == 0
    said = capsys.readouterr().out
    data = xr.load_dataset(tmp_path / "grid.nc")
    assert f"{float(data.validation_accuracy.sel(amplitude=4, period=3).mean()):.4f}" in said
    assert len(list((tmp_path / "runs").glob("*.pt"))) == 6
    assert main([*line, *files, "--learning-rate", "0.2"]) == 2
    assert "of another run" in capsys.readouterr().err


def test_offline_the_grid_on_cifar10_says_what_to_do(tmp_path, capsys, monkeypatch):
    pytest.importorskip("pooch", reason="pooch fetches CIFAR-10")
    images, main = pytest.importorskip("minidyn.torch.images"), pytest.importorskip("minidyn.torch.__main__").main
    monkeypatch.setattr(images, "CIFAR10_URL", "http://127.0.0.1:9/cifar-10-binary.tar.gz")
    monkeypatch.setenv("NO_PROXY", "*")
    assert main(["cifar10", "--amplitude", "1", "10", "--folder", str(tmp_path)]) == 2
    assert "could not be fetched from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (["--rest", "7"], "--rest must be an integer >= 0 and <= 6, got 7"),
        (["--device", "abacus"], "device must be one that PyTorch can use here"),
        (["--history", "{folder}"], "--history must be a file, and .* is a folder"),
        (["--history", "{folder}/file/record.nc"], "--history must be in a folder that can be written to"),
        (["--checkpoint", "{folder}"], "--checkpoint must be a file, and .* is a folder"),
        (["--seed", "0", "1", "--checkpoint", "{folder}/file"], "--checkpoint of a grid must be a folder"),
        (["--steps", "-1"], "--steps must be an integer >= 0, got -1"),
    ],
)
def test_what_would_fail_at_the_end_is_named_at_the_start(tmp_path, capsys, monkeypatch, changed, says):
    command = pytest.importorskip("minidyn.torch.__main__")
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(command, "_images", None)  # nothing is read, let alone trained
    assert command.main([*LINE, *(word.format(folder=tmp_path) for word in changed)]) == 2
    assert re.search(says, capsys.readouterr().err)
